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

/* Send the response of a store that is safe. That the peer is gone by now changes nothing here: the
 * event loop meets the broken connection by itself. */
static void answer(p104_spool *spool, p104_store *store)
{
    if (store->error == 0) {
        p104_link_answer(store->link, store->response, store->response_length);
        store->last.unsent = p104_link_unsent(store->link) > 0;
    }
    p104_post(spool, store, store->error ? P104_FAILED : P104_STORED);
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
