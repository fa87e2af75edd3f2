/* spool.c - see spool.h. The queues between the event loop, the I/O threads and the committer.
 * What the event loop asks of single stores, and hears of them, stands in stores.c. */

#include "spool_inside.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <unistd.h>

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

void p104_give_work(p104_spool *spool, p104_store *store)
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
        p104_give_work(spool, store);
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
