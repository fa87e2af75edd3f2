/* commit.c - one barrier makes a batch of written data sets durable; only then are they answered.
 *
 * Order, for every store: written -> ready name -> barrier -> final name -> response.
 * After a power cut the next start finds either the final name or the ready name, which says what the final one is
 * (recovery.h); so the final name needs no barrier of its own, nor does a twin that leans on it: the twin's own barrier
 * covers what stood there when it was compared, and what came since had one.
 * Small ones need no ready name: where a batch is of such alone, the barrier is a copy of all of them in the journal
 * (journal.h), with the final names, which nobody else gives meanwhile.
 * Rules:
 * - A failed barrier fails every store that it covered. The kernel reports a lost write once, to
 *   whoever syncs first; so a failed sync of the whole file system also fails each store that was
 *   being written at the time (sync_failures), for the report may have been about its bytes.
 * - Two files that replace each other under one name are not in one barrier (next_batch in spool.c): the start after a
 *   power cut could not tell which of them came last. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "spool_inside.h"

static void fail_all(p104_store *batch, int error)
{
    for (p104_store *store = batch; store; store = store->next)
        p104_store_fail(store, error);
}

/* Sync each file by itself, and the ready names. */
static void sync_each(p104_spool *spool, p104_store *batch)
{
    for (p104_store *store = batch; store; store = store->next) {
        int failure = store->part.duplicate ? 0 : p104_part_sync(&store->part);
        if (failure)
            p104_store_fail(store, failure);
    }
    int failure = p104_sync(fsync, spool->folders.parts);
    if (failure)
        fail_all(batch, failure);
}

int p104_may_be_journaled(const p104_spool *spool, const p104_store *store)
{
    return spool->journal.capacity > 0 && store->part.size <= P104_JOURNAL_FILE;
}

/* Whether another before it gets the same name. */
static int is_second(const p104_store *batch, const p104_store *store)
{
    while (batch != store && memcmp(batch->part.name, store->part.name, P104_NAME_LENGTH) != 0)
        batch = batch->next;
    return batch != store;
}

/* Whether the file's final name is known: nobody else gives names now. A duplicate has none, and leans on one that may
 * have been given without a sync, by an engine that was told to. */
static int is_named(p104_store *store)
{
    int failure = store->part.duplicate ? 0 : p104_part_compare(&store->part);
    if (failure)
        p104_store_fail(store, failure);
    return failure == 0 && !store->part.duplicate;
}

/* Fail those that were on the way when the disk lost bytes, which may have been theirs. */
static void fail_the_lossy(p104_spool *spool, p104_store *batch)
{
    for (p104_store *store = batch; store; store = store->next)
        if (store->sync_failures != atomic_load(&spool->sync_failures))
            p104_store_fail(store, EIO);
}

static int has_failed(const p104_store *batch)
{
    while (batch && batch->error == 0)
        batch = batch->next;
    return batch != NULL;
}

/* Whether the batch is of small files alone, and the journal has room for them. */
static int fits_journal(p104_spool *spool, p104_store *batch)
{
    uint64_t count = 0;
    uint64_t size = 0;
    if (has_failed(batch))
        return 0;
    for (p104_store *store = batch; store; store = store->next) {
        if (!p104_may_be_journaled(spool, store) || is_second(batch, store))
            return 0;
        count++;
        size += store->part.size;
    }
    if (!p104_journal_has_room(spool, p104_journal_need(count, size)))
        return 0;
    for (p104_store *store = batch; store; store = store->next)
        if (!is_named(store))
            return 0;
    return 1;
}

static int write_journal(p104_spool *spool, const p104_store *batch)
{
    p104_journal *journal = &spool->journal;
    uint64_t count = 0;
    int failure = 0;
    for (const p104_store *store = batch; store; store = store->next)
        count++;
    p104_journal_begin(journal, count);
    for (const p104_store *store = batch; store && failure == 0; store = store->next)
        failure = p104_journal_add(journal, &store->part);
    if (failure == 0)
        failure = p104_journal_write(journal);
    if (journal->halves[journal->current].sequence == 1)
        pthread_cond_signal(&spool->checkpoint_waits); /* its time begins with the first group */
    return failure;
}

static void make_ready(p104_store *batch)
{
    for (p104_store *store = batch; store; store = store->next) {
        p104_part *part = &store->part;
        int failure = store->error || part->ready || part->duplicate ? 0 : p104_part_make_ready(part);
        if (failure)
            p104_store_fail(store, failure);
    }
}

/* The barrier: data, and what says how they are to be called, or the names that duplicates lean on. Returns whether it
 * was in the journal. */
static int sync_batch(p104_spool *spool, p104_store *batch)
{
    int failure = 0;
    int journaled = 0;
    fail_the_lossy(spool, batch);
    if (!spool->syncs_whole) {
        sync_each(spool, batch);
    } else if (!p104_journal_works(spool)) {
        failure = EIO;
    } else if (fits_journal(spool, batch)) {
        journaled = 1;
        failure = write_journal(spool, batch);
    } else {
        make_ready(batch);
        failure = p104_sync_whole(spool);
    }
    if (failure)
        fail_all(batch, failure);
    return journaled && failure == 0;
}

void p104_settle(p104_spool *spool, p104_store *store)
{
    if (store->error == 0 && spool->sync
        && store->sync_failures != atomic_load(&spool->sync_failures))
        p104_store_fail(store, EIO);
    if (store->error)
        return;
    int failure = p104_part_close(&store->part);
    if (failure == 0)
        failure = p104_part_settle(&store->part);
    /* The name that a duplicate leans on; a barrier of the whole file system was for that too. */
    if (failure == 0 && store->part.duplicate && spool->sync && !spool->syncs_whole)
        failure = p104_sync(fsync, spool->folders.shelf[store->part.shelf]);
    if (failure)
        p104_store_fail(store, failure);
}

/* The status that tells a failure to the peer (PS3.4 table B.2-1, PS3.7 C.5.8). */
static uint16_t status_of(int error)
{
    switch (error) {
    case 0:
        return 0x0000;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EFBIG:
    case P104_TOO_LARGE:
        return 0xA700; /* refused: out of resources; it may be sent again later */
    case P104_UIDS_DIFFER:
        return 0xA900; /* error: data set does not match SOP class */
    default:
        return 0x0110; /* processing failure */
    }
}

static size_t put_response(uint8_t *at, const p104_store *store)
{
    p104_uid sop_class = store->context->sop_class;
    p104_store_request request = {sop_class.bytes, (const uint8_t *)store->sop_instance, sop_class.length,
                                  store->sop_instance_length, store->message_id};
    return p104_encode_store_response(at, store->context->id, store->intake->peer_maximum_length, &request,
                                      status_of(store->error));
}

/* That the peer is gone by now changes nothing here: the event loop meets the broken connection by itself. */
void p104_answer(p104_spool *spool, p104_store *first)
{
    uint8_t responses[P104_TOGETHER * P104_RESPONSE_ROOM];
    size_t length = 0;
    p104_link *link = first->intake->link;
    p104_store *next = first;
    do {
        length += put_response(responses + length, next);
        p104_intake_forget(next);
        next = next->next;
    } while (next);
    p104_link_send(link, responses, length);
    int unsent = p104_link_unsent(link) > 0;
    while (first) {
        p104_store *store = first;
        first = store->next; /* the event loop may free it once it is told */
        p104_tell_of_store(spool, store, status_of(store->error), unsent);
    }
}

/* Take the first stores of a batch out of it that are of one intake. */
static p104_store *take_together(p104_store **batch)
{
    p104_store *first = *batch;
    p104_store *last = first;
    for (int count = 1; count < P104_TOGETHER && last->next && last->next->intake == first->intake; count++)
        last = last->next;
    *batch = last->next;
    last->next = NULL;
    return first;
}

void p104_commit_batch(p104_spool *spool, p104_store *batch)
{
    pthread_mutex_lock(&spool->books);
    int journaled = sync_batch(spool, batch);
    for (p104_store *store = batch; store; store = store->next)
        p104_settle(spool, store);
    if (journaled && has_failed(batch))
        p104_sync_whole(spool); /* whoever is told of a failure must not come back from the journal */
    pthread_mutex_unlock(&spool->books);
    while (batch)
        p104_answer(spool, take_together(&batch));
}
