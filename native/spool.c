/* spool.c - see spool.h. The queues between the event loop, the I/O threads and the committer. */

#include "spool_inside.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    /* A data set that lies whole in the receive buffer and is not larger is copied, so that the
     * link goes on at once; a larger one is carried by the thread from the buffer itself. */
    COPY_LIMIT = 64 * 1024,
};

/* ---- queues ---- */

void p104_queue_start(store_queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

void p104_queue_append(store_queue *queue, p104_store *store)
{
    store->next = NULL;
    *queue->end = store;
    queue->end = &store->next;
}

p104_store *p104_queue_take_all(store_queue *queue)
{
    p104_store *all = queue->first;
    p104_queue_start(queue);
    return all;
}

static p104_store *queue_take(store_queue *queue)
{
    p104_store *store = queue->first;
    queue->first = store->next;
    if (!queue->first)
        queue->end = &queue->first;
    return store;
}

static void give_work(p104_spool *spool, p104_store *store)
{
    pthread_mutex_lock(&spool->lock);
    p104_queue_append(&spool->work, store);
    spool->counts.queued++;
    pthread_mutex_unlock(&spool->lock);
    pthread_cond_signal(&spool->work_waits); /* unlocked: or the thread would wake to wait for the lock */
}

static void give_commit(p104_spool *spool, p104_store *store)
{
    pthread_mutex_lock(&spool->lock);
    p104_queue_append(&spool->commits, store);
    pthread_mutex_unlock(&spool->lock);
    pthread_cond_signal(&spool->commit_waits);
}

static void count(p104_spool_counts *counts, int kind)
{
    counts->stored += kind == P104_STORED;
    counts->failed += kind == P104_FAILED;
    counts->broken += kind == P104_BROKEN;
}

void p104_post(p104_spool *spool, p104_store *store, int kind)
{
    notice *posted = kind >= P104_STORED ? &store->last : &store->early;
    posted->next = NULL;
    posted->store = store;
    posted->kind = kind;
    posted->link_returned = store->lent;
    store->lent = 0;
    pthread_mutex_lock(&spool->lock);
    int was_empty = spool->notices == NULL;
    *spool->notices_end = posted;
    spool->notices_end = &posted->next;
    count(&spool->counts, kind);
    pthread_mutex_unlock(&spool->lock);
    if (was_empty) {
        uint64_t one = 1;
        while (write(spool->event_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
}

/* ---- threads ---- */

/* The data set is read to its end and written where nothing failed. */
static void ended(p104_spool *spool, p104_store *store)
{
    int failure = store->error ? 0 : p104_part_compare(&store->part);
    if (failure)
        p104_store_fail(store, failure);
    if (store->error) {
        p104_post(spool, store, P104_FAILED);
    } else if (!spool->sync) {
        p104_commit_unsynced(spool, store);
    } else {
        if ((store->flags & P104_PIPELINED) && store->lent)
            p104_post(spool, store, P104_RECEIVED);
        give_commit(spool, store);
    }
}

static void take_turn(p104_spool *spool, p104_store *store)
{
    if (store->abandoned) {
        p104_part_discard(&store->part);
        p104_post(spool, store, P104_BROKEN);
        return;
    }
    switch (p104_transfer(store)) {
    case TRANSFER_ENDED:
        ended(spool, store);
        break;
    case TRANSFER_INTERRUPTED:
        p104_post(spool, store, P104_BROKEN);
        break;
    case TRANSFER_SILENT:
        p104_post(spool, store, P104_PAUSED);
        break;
    case TRANSFER_TURN_OVER:
        give_work(spool, store);
        break;
    }
}

static p104_store *next_work(p104_spool *spool)
{
    p104_store *store = NULL;
    pthread_mutex_lock(&spool->lock);
    while (!spool->work.first && !spool->closing)
        pthread_cond_wait(&spool->work_waits, &spool->lock);
    if (spool->work.first) {
        store = queue_take(&spool->work);
        spool->counts.queued--;
    }
    pthread_mutex_unlock(&spool->lock);
    return store;
}

static void *work(void *argument)
{
    p104_spool *spool = argument;
    p104_store *store;
    while ((store = next_work(spool)) != NULL)
        take_turn(spool, store);
    return NULL;
}

/* Everything that was written while the last barrier ran goes into the next. */
static p104_store *next_batch(p104_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    while (!spool->commits.first && !spool->workers_ended)
        pthread_cond_wait(&spool->commit_waits, &spool->lock);
    p104_store *batch = p104_queue_take_all(&spool->commits);
    spool->counts.barriers += batch != NULL;
    for (p104_store *store = batch; store; store = store->next)
        spool->counts.barrier_files++;
    pthread_mutex_unlock(&spool->lock);
    return batch;
}

static void *commit(void *argument)
{
    p104_spool *spool = argument;
    p104_store *batch;
    while ((batch = next_batch(spool)) != NULL)
        p104_commit_batch(spool, batch);
    return NULL;
}

static void raise_flag(p104_spool *spool, int *flag)
{
    pthread_mutex_lock(&spool->lock);
    *flag = 1;
    pthread_cond_broadcast(&spool->work_waits);
    pthread_cond_broadcast(&spool->commit_waits);
    pthread_mutex_unlock(&spool->lock);
}

static void end_threads(p104_spool *spool)
{
    raise_flag(spool, &spool->closing);
    for (int index = 0; index < spool->thread_count; index++)
        pthread_join(spool->threads[index], NULL);
    raise_flag(spool, &spool->workers_ended);
    pthread_join(spool->committer, NULL);
}

/* Signals are the event loop's: Python's handlers must run there. */
static int start_threads(p104_spool *spool, int threads)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&spool->committer, NULL, commit, spool);
    int committing = failure == 0;
    while (failure == 0 && spool->thread_count < threads) {
        failure = pthread_create(&spool->threads[spool->thread_count], NULL, work, spool);
        spool->thread_count += failure == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure && committing)
        end_threads(spool);
    return failure;
}

/* ---- life ---- */

/* syncfs reports write errors since Linux 5.8; before, each file has to be asked by itself. */
static int syncfs_reports(void)
{
    struct utsname system;
    int major = 0;
    int minor = 0;
    if (uname(&system) < 0 || sscanf(system.release, "%d.%d", &major, &minor) != 2)
        return 0;
    return major > 5 || (major == 5 && minor >= 8);
}

static void release(p104_spool *spool)
{
    if (spool->event_fd >= 0)
        close(spool->event_fd);
    p104_folders_close(&spool->folders);
    pthread_mutex_destroy(&spool->lock);
    pthread_cond_destroy(&spool->work_waits);
    pthread_cond_destroy(&spool->commit_waits);
    free(spool->threads);
    free(spool);
}

static int start(p104_spool *spool, const char *root, int threads)
{
    int failure = p104_folders_open(&spool->folders, root);
    if (failure)
        return failure;
    spool->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (spool->event_fd < 0)
        return errno;
    spool->threads = calloc((size_t)threads, sizeof *spool->threads);
    if (!spool->threads)
        return ENOMEM;
    return start_threads(spool, threads);
}

p104_spool *p104_spool_open(const char *root, int durability, int threads,
                            const uint32_t *tags, size_t tag_count, int *error)
{
    p104_picker rules;
    p104_spool *spool = calloc(1, sizeof *spool);
    if (!spool || threads < 1 || p104_picker_start(&rules, 1, tags, tag_count) < 0) {
        *error = spool ? EINVAL : ENOMEM;
        free(spool);
        return NULL;
    }
    spool->sync = durability == P104_DURABILITY_SYNC;
    spool->syncs_whole = syncfs_reports();
    spool->event_fd = -1;
    memset(&spool->folders, -1, sizeof spool->folders);
    if (tag_count > 0)
        memcpy(spool->tags, tags, tag_count * sizeof *tags);
    spool->tag_count = tag_count;
    pthread_mutex_init(&spool->lock, NULL);
    pthread_cond_init(&spool->work_waits, NULL);
    pthread_cond_init(&spool->commit_waits, NULL);
    p104_queue_start(&spool->work);
    p104_queue_start(&spool->commits);
    spool->notices_end = &spool->notices;
    *error = start(spool, root, threads);
    if (*error) {
        release(spool);
        return NULL;
    }
    return spool;
}

void p104_spool_close(p104_spool *spool)
{
    end_threads(spool);
    for (notice *posted = spool->notices; posted;) {
        p104_store *store = posted->store;
        int last = posted == &store->last;
        posted = posted->next;
        if (last)
            free(store);
    }
    release(spool);
}

int p104_spool_event_fd(const p104_spool *spool)
{
    return spool->event_fd;
}

void p104_spool_count(p104_spool *spool, p104_spool_counts *out)
{
    pthread_mutex_lock(&spool->lock);
    *out = spool->counts;
    pthread_mutex_unlock(&spool->lock);
}

/* ---- stores ---- */

static uint8_t shelf_of(const char *name)
{
    char digits[3] = {name[0], name[1], 0};
    return (uint8_t)strtoul(digits, NULL, 16);
}

static uint8_t *append(uint8_t **memory, const uint8_t *bytes, size_t length)
{
    uint8_t *at = *memory;
    memcpy(at, bytes, length);
    *memory += length;
    return at;
}

static void start_picking(const p104_spool *spool, p104_store *store)
{
    int readable = store->flags & (P104_EXPLICIT_VR | P104_IMPLICIT_VR);
    p104_picker_start(&store->picker, (store->flags & P104_EXPLICIT_VR) != 0, spool->tags,
                      spool->tag_count);
    if (!readable)
        store->picker.state = P104_PICK_UNREADABLE;
}

/* Copy what is at hand of the data set, when it is little. Returns P104_DATA_SET at its end,
 * P104_NEED_INPUT when more is to come, or another result when something interrupts it. */
static int copy_at_hand(p104_store *store, size_t room)
{
    p104_run run;
    const uint8_t *data;
    int result = P104_NEED_INPUT;
    while (room > 0 && (result = p104_link_next_data_set(store->link, &run, &data)) == P104_DATA_SET) {
        memcpy(store->body + store->body_length, data, run.length);
        store->body_length += run.length;
        if (run.ends)
            break;
    }
    return result;
}

int p104_store_begin(p104_spool *spool, p104_link *link, uint64_t id, int flags, const char *name,
                     const uint8_t *header, size_t header_length, size_t identity_end,
                     const uint8_t *response, size_t response_length)
{
    size_t at_hand = p104_link_at_hand(link);
    size_t room = at_hand <= COPY_LIMIT ? at_hand : 0;
    p104_store *store = malloc(sizeof *store + header_length + response_length + room);
    if (!store)
        return -1;
    memset(store, 0, offsetof(p104_store, memory));
    uint8_t *memory = store->memory;
    store->id = id;
    store->flags = flags;
    store->link = link;
    store->part.folders = &spool->folders;
    store->part.descriptor = -1;
    store->part.shelf = shelf_of(name);
    memcpy(store->part.name, name, P104_NAME_LENGTH);
    store->part.header = append(&memory, header, header_length);
    store->part.header_length = header_length;
    store->part.identity_end = identity_end;
    store->part.overwrite = (flags & P104_OVERWRITE) != 0;
    store->part.durable = spool->sync;
    store->response = append(&memory, response, response_length);
    store->response_length = response_length;
    store->body = memory;

    int at_end = copy_at_hand(store, room);
    if (at_end != P104_DATA_SET && at_end != P104_NEED_INPUT) {
        free(store);
        return P104_NOT_BEGUN;
    }
    start_picking(spool, store);
    store->part.number = ++spool->last_number;
    store->sync_failures = atomic_load(&spool->sync_failures);
    store->whole = at_end == P104_DATA_SET;
    store->lent = !store->whole;
    int result = store->whole ? P104_TAKEN : P104_CARRIED;
    give_work(spool, store);
    return result;
}

static p104_store **paused_place(p104_spool *spool, uint64_t id)
{
    p104_store **place = &spool->paused[id % PAUSED_BUCKETS];
    while (*place && (*place)->id != id)
        place = &(*place)->next;
    return place;
}

/* Take a store that the event loop knows to be paused. */
static p104_store *unpause(p104_spool *spool, uint64_t id)
{
    p104_store **place = paused_place(spool, id);
    p104_store *store = *place;
    if (store) {
        *place = store->next;
        store->lent = 1;
    }
    return store;
}

int p104_store_resume(p104_spool *spool, uint64_t id)
{
    p104_store *store = unpause(spool, id);
    if (store)
        give_work(spool, store);
    return P104_CARRIED;
}

void p104_store_abandon(p104_spool *spool, uint64_t id)
{
    p104_store *store = unpause(spool, id);
    if (store) {
        store->abandoned = 1;
        give_work(spool, store);
    }
}

/* ---- completions ---- */

/* Pack what was picked; a value that does not fit makes the whole unreadable: the caller reads the file. */
static void pack(const p104_picker *picker, p104_completion *out)
{
    size_t used = 0;
    uint8_t *packed = out->picked;
    for (int index = 0; index < picker->count; index++) {
        const p104_picked *picked = &picker->picked[index];
        size_t need = 6 + (size_t)picked->length;
        if (!picked->found)
            continue;
        if (picked->truncated || used + need > sizeof out->picked) {
            out->pick_state = P104_PICK_UNREADABLE;
            continue;
        }
        for (int shift = 0; shift < 4; shift++)
            packed[used + (size_t)shift] = (uint8_t)(picked->tag >> (8 * shift));
        packed[used + 4] = (uint8_t)picked->length;
        packed[used + 5] = (uint8_t)(picked->length >> 8);
        memcpy(packed + used + 6, picked->value, picked->length);
        used += need;
    }
    out->picked_length = (uint16_t)used;
}

static void describe(const notice *posted, p104_completion *out)
{
    const p104_store *store = posted->store;
    out->id = store->id;
    out->bytes = store->received;
    out->kind = posted->kind;
    out->error = store->error;
    out->link_returned = posted->link_returned != 0;
    out->duplicate = store->part.duplicate != 0;
    out->replaced = store->part.replaced != 0;
    out->unsent = posted->unsent != 0;
    out->copy = store->part.copy;
    out->pick_state = store->picker.state;
    out->picked_length = 0;
    if (posted->kind == P104_STORED)
        pack(&store->picker, out);
}

/* The early notice's store may be under work by now: only what no thread changes is read. */
static void hand_over(p104_spool *spool, const notice *posted, p104_completion *out)
{
    p104_store *store = posted->store;
    if (posted->kind == P104_RECEIVED) {
        memset(out, 0, offsetof(p104_completion, picked));
        out->id = store->id;
        out->kind = P104_RECEIVED;
        out->link_returned = 1;
        return;
    }
    describe(posted, out);
    if (posted->kind == P104_PAUSED) {
        p104_store **bucket = &spool->paused[store->id % PAUSED_BUCKETS];
        store->next = *bucket;
        *bucket = store;
    } else {
        free(store);
    }
}

static notice *take_notice(p104_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    notice *posted = spool->notices;
    if (posted) {
        spool->notices = posted->next;
        if (!spool->notices)
            spool->notices_end = &spool->notices;
    }
    pthread_mutex_unlock(&spool->lock);
    return posted;
}

size_t p104_spool_completions(p104_spool *spool, p104_completion *out, size_t capacity)
{
    uint64_t ignored;
    size_t count = 0;
    const notice *posted;
    /* Cleared first: a notice posted after the last look raises the event again. */
    ssize_t cleared = read(spool->event_fd, &ignored, sizeof ignored);
    (void)cleared;
    while (count < capacity && (posted = take_notice(spool)) != NULL)
        hand_over(spool, posted, &out[count++]);
    return count;
}
