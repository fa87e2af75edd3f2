/* commit.c - one barrier makes a batch of written data sets durable; only then are they answered.
 *
 * Order, for every store: data synced -> final name -> directory synced -> response.
 * Rules:
 * - A failed sync fails every store that it covered. The kernel reports a lost write once, to
 *   whoever syncs first; so a failed sync of the whole file system also fails each store that was
 *   being written at the time (sync_failures), for the report may have been about its bytes.
 * - Names given in a barrier that failed are withdrawn before sync_failures is raised, so that a store
 *   which took such a name for its duplicate began before and fails too. */

#include <errno.h>
#include <unistd.h>

#include "spool_inside.h"

/* One file is synced by itself; from two on, one syncfs is several times faster than a sync each,
 * and covers the directories as well (docs/decisions.md). */
enum { SYNC_WHOLE_FROM = 2 };

static int sync_descriptor(int (*call)(int), int descriptor)
{
    int result;
    do
        result = call(descriptor);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

static int count_alive(const p104_store *batch)
{
    int count = 0;
    for (const p104_store *store = batch; store; store = store->next)
        count += store->error == 0 && !store->part.duplicate;
    return count;
}

static void fail_all(p104_store *batch, int error)
{
    for (p104_store *store = batch; store; store = store->next)
        p104_store_fail(store, error);
}

static void sync_data(p104_spool *spool, p104_store *batch)
{
    int count = count_alive(batch);
    if (spool->syncs_whole && count >= SYNC_WHOLE_FROM) {
        int failure = sync_descriptor(syncfs, spool->folders.root);
        if (failure) {
            fail_all(batch, failure);
            atomic_fetch_add(&spool->sync_failures, 1);
        }
        return;
    }
    for (p104_store *store = batch; store; store = store->next) {
        int failure = store->error || store->part.duplicate ? 0 : p104_part_sync(&store->part);
        if (failure)
            p104_store_fail(store, failure);
    }
}

/* Give the store its name. */
static void settle(p104_spool *spool, p104_store *store)
{
    if (store->error == 0 && spool->sync
        && store->sync_failures != atomic_load(&spool->sync_failures))
        p104_store_fail(store, EIO);
    if (store->error)
        return;
    int failure = p104_part_close(&store->part);
    if (failure == 0)
        failure = p104_part_settle(&store->part);
    if (failure)
        p104_store_fail(store, failure);
}

/* Sync each shelf that the batch touched once. Duplicates count: the name that they lean on may have
 * been given in this very batch. */
static int sync_shelves(const p104_spool *spool, const p104_store *batch)
{
    uint8_t synced[P104_SHELVES] = {0};
    for (const p104_store *store = batch; store; store = store->next) {
        uint8_t shelf = store->part.shelf;
        if (store->error || synced[shelf])
            continue;
        int failure = sync_descriptor(fsync, spool->folders.shelf[shelf]);
        if (failure)
            return failure;
        synced[shelf] = 1;
    }
    return 0;
}

static void sync_names(p104_spool *spool, p104_store *batch)
{
    int many = batch->next != NULL;
    int failure = spool->syncs_whole && many ? sync_descriptor(syncfs, spool->folders.root)
                                             : sync_shelves(spool, batch);
    if (failure == 0)
        return;
    for (p104_store *store = batch; store; store = store->next)
        p104_part_withdraw(&store->part);
    fail_all(batch, failure);
    atomic_fetch_add(&spool->sync_failures, 1);
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

/* Send the response. That the peer is gone by now changes nothing here: the event loop meets the broken
 * connection by itself. */
static void answer(p104_spool *spool, p104_store *store)
{
    uint8_t response[P104_RESPONSE_ROOM];
    const p104_intake *intake = store->intake;
    p104_uid sop_class = store->context->sop_class;
    p104_store_request request = {sop_class.bytes, (const uint8_t *)store->sop_instance, sop_class.length,
                                  store->sop_instance_length, store->message_id};
    uint16_t status = status_of(store->error);
    size_t length = p104_encode_store_response(response, store->context->id, intake->peer_maximum_length,
                                               &request, status);
    p104_intake_forget(store);
    p104_link_send(intake->link, response, length);
    p104_tell_of_store(spool, store, status, p104_link_unsent(intake->link) > 0);
}

void p104_commit_batch(p104_spool *spool, p104_store *batch)
{
    sync_data(spool, batch);
    for (p104_store *store = batch; store; store = store->next)
        settle(spool, store);
    sync_names(spool, batch);
    while (batch) {
        p104_store *store = batch;
        batch = store->next; /* the event loop may free it once it is posted */
        answer(spool, store);
    }
}

void p104_commit_unsynced(p104_spool *spool, p104_store *store)
{
    settle(spool, store);
    answer(spool, store);
}
