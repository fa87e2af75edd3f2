/* completions.c - what the threads tell the event loop (spool.h).
 *
 * Rules:
 * - An intake's notices come in the order in which it went on: its return is the last.
 * - The event loop is woken at once for what somebody waits for, and for stored instances once for many:
 *   after some milliseconds the next one wakes it, or a thread that finds nothing to do. */

#include "spool_inside.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SOP_INSTANCE_UID = 0x00080018,
    /* Told at once from this many on: a wake-up costs the event loop some ten times what a completion does. */
    TELL_FROM = 128,
    /* More are not kept: the threads wait until the event loop has taken some. */
    NOTICE_LIMIT = 16 * 1024,
    /* Taken from the list under one lock. */
    TAKEN_AT_ONCE = 128,
};

/* ---- what is told ---- */

/* Pack what was picked; a value that does not fit makes the whole unreadable: the caller reads the file. */
static void pack(const p104_picker *picker, p104_completion *out)
{
    size_t used = 0;
    uint8_t *packed = out->picked;
    for (int index = 0; index < picker->count; index++) {
        const p104_picked *picked = &picker->picked[index];
        size_t need = 6 + (size_t)picked->length;
        if (!picked->found || picked->tag == SOP_INSTANCE_UID)
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

static void describe_store(const p104_store *store, p104_completion *out)
{
    memset(out, 0, offsetof(p104_completion, picked));
    out->kind = store->error ? P104_FAILED : P104_STORED;
    out->id = store->intake->id;
    out->bytes = store->received;
    out->error = store->error;
    out->duplicate = store->part.duplicate != 0;
    out->replaced = store->part.replaced != 0;
    out->copy = store->part.copy;
    out->pick_state = store->picker.state;
    memcpy(out->called, store->intake->called, store->intake->called_length);
    memcpy(out->sop_instance, store->sop_instance, store->sop_instance_length);
    memcpy(out->name, store->part.name, P104_NAME_LENGTH);
    if (store->error == 0)
        pack(&store->picker, out);
}

/* ---- from the threads ---- */

static int64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the oldest of what was not told waits for long enough: no thread may find the time to say so. */
static int is_overdue(p104_spool *spool)
{
    int64_t now = milliseconds();
    if (spool->notice_count == 1)
        spool->oldest_notice = now;
    return now - spool->oldest_notice >= P104_TELL_MILLISECONDS;
}

/* Append with the lock held. Returns whether the event loop must be woken. */
static int append(p104_spool *spool, p104_notice *notice, int urgent)
{
    notice->next = NULL;
    *spool->notices_end = notice;
    spool->notices_end = &notice->next;
    spool->notice_count++;
    int wakes = !spool->woken && (urgent || spool->notice_count >= TELL_FROM || is_overdue(spool));
    spool->woken |= wakes;
    atomic_store(&spool->untold, !spool->woken);
    return wakes;
}

static void raise_event(const p104_spool *spool)
{
    uint64_t one = 1;
    while (write(spool->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void p104_tell_returned(p104_spool *spool, p104_intake *intake)
{
    p104_notice *notice = &intake->returned;
    memset(&notice->completion, 0, offsetof(p104_completion, picked));
    notice->completion.kind = P104_RETURNED;
    notice->completion.id = intake->id;
    notice->completion.reason = intake->reason;
    pthread_mutex_lock(&spool->lock);
    int wakes = append(spool, notice, 1);
    pthread_mutex_unlock(&spool->lock);
    if (wakes)
        raise_event(spool);
}

void p104_tell_of_store(p104_spool *spool, p104_store *store, uint16_t status, int unsent)
{
    p104_notice *notice = store->notice;
    int failed = store->error != 0;
    describe_store(store, &notice->completion);
    notice->completion.status = status;
    notice->completion.unsent = unsent != 0;
    pthread_mutex_lock(&spool->lock);
    while (spool->notice_count >= NOTICE_LIMIT && !atomic_load(&spool->closing))
        pthread_cond_wait(&spool->notices_taken, &spool->lock);
    spool->counts.stored += !failed;
    spool->counts.failed += failed;
    p104_intake *waiting = p104_intake_settle(store);
    int wakes = append(spool, notice, failed || unsent);
    pthread_mutex_unlock(&spool->lock);
    free(store);
    if (wakes)
        raise_event(spool);
    if (waiting)
        p104_give_work(waiting);
}

void p104_wake(p104_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    int wakes = spool->notices != NULL && !spool->woken;
    spool->woken |= wakes;
    atomic_store(&spool->untold, 0);
    pthread_mutex_unlock(&spool->lock);
    if (wakes)
        raise_event(spool);
}

/* ---- to the event loop ---- */

size_t p104_completion_length(const p104_completion *completion)
{
    size_t used = offsetof(p104_completion, picked) + completion->picked_length;
    return (used + alignof(p104_completion) - 1) / alignof(p104_completion) * alignof(p104_completion);
}

/* Take notices from the list, up to limit and so many that their completions fit into room bytes. */
static size_t take(p104_spool *spool, p104_notice **taken, size_t limit, size_t room)
{
    size_t count = 0;
    pthread_mutex_lock(&spool->lock);
    while (count < limit && spool->notices) {
        size_t length = p104_completion_length(&spool->notices->completion);
        if (length > room)
            break;
        room -= length;
        taken[count++] = spool->notices;
        spool->notices = spool->notices->next;
    }
    if (!spool->notices)
        spool->notices_end = &spool->notices;
    spool->notice_count -= count;
    pthread_mutex_unlock(&spool->lock);
    pthread_cond_broadcast(&spool->notices_taken);
    return count;
}

/* A returned link's notice is a part of its intake. */
static void hand_over(p104_notice *notice, uint8_t *out, p104_taken *taken)
{
    const p104_completion *told = &notice->completion;
    memcpy(out + taken->length, told, offsetof(p104_completion, picked) + told->picked_length);
    taken->length += p104_completion_length(told);
    taken->stored += told->kind == P104_STORED;
    taken->awaited += told->kind != P104_STORED || told->unsent;
    taken->count++;
    if (told->kind != P104_RETURNED)
        free(notice);
}

static void clear_event(p104_spool *spool)
{
    uint64_t ignored;
    pthread_mutex_lock(&spool->lock);
    spool->woken = 0;
    pthread_mutex_unlock(&spool->lock);
    /* Whoever set woken may write only now, which wakes the event loop once for nothing. */
    ssize_t cleared = read(spool->event_fd, &ignored, sizeof ignored);
    (void)cleared;
}

p104_taken p104_spool_completions(p104_spool *spool, void *out, size_t room, size_t most)
{
    p104_taken result = {0};
    p104_notice *taken[TAKEN_AT_ONCE];
    /* Cleared first: a notice posted after the last look raises the event again. */
    clear_event(spool);
    size_t count = take(spool, taken, most < TAKEN_AT_ONCE ? most : TAKEN_AT_ONCE, room);
    for (size_t index = 0; index < count; index++)
        hand_over(taken[index], out, &result);
    return result;
}

int p104_spool_event_fd(const p104_spool *spool)
{
    return spool->event_fd;
}
