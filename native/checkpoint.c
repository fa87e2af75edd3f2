/* checkpoint.c - the journal's files get a sync of their own, many at a time, beside those that are being stored; then
 * the journal forgets them (journal.h).
 *
 * Whoever writes to the journal, gives names or forgets has the books lock, so that:
 * - what a half holds has its names when the half is turned away from;
 * - a file that a barrier of its own made durable gets its name only once no older one of that name is left in the
 *   journal: the next start would put that in its place. */

#include "spool_inside.h"

#include "recovery.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

/* What came is forgotten that soon after it, also when nothing more comes: a start after a crash makes anew what is
 * not, also what was removed meanwhile. */
enum { CHECKPOINT_SECONDS = 1 };

/* ---- with the books lock ---- */

/* The kernel reports lost bytes once, and does not say whose: those of the journal's files are written anew from it.
 * While that fails nothing else is made durable. */
static void repair(p104_spool *spool)
{
    spool->journal_fails = p104_restore(&spool->folders, &spool->journal) != 0;
}

int p104_journal_works(p104_spool *spool)
{
    if (spool->journal_fails)
        repair(spool);
    return !spool->journal_fails;
}

int p104_sync_whole(p104_spool *spool)
{
    int failure = p104_sync(syncfs, spool->folders.root);
    if (failure) {
        atomic_fetch_add(&spool->sync_failures, 1);
        repair(spool);
        return failure;
    }
    failure = p104_journal_clear(&spool->journal);
    spool->journal_fails = failure != 0;
    return failure;
}

static int is_used(const p104_spool *spool, int half)
{
    return spool->journal.halves[half].epoch != 0;
}

int p104_journal_has_room(p104_spool *spool, uint64_t need)
{
    p104_journal *journal = &spool->journal;
    if (journal->capacity == 0 || need > journal->capacity || need > P104_JOURNAL_GROUP)
        return 0;
    if (p104_journal_room(journal) >= need)
        return 1;
    if (is_used(spool, !journal->current))
        return 0; /* the disk does not keep up */
    p104_journal_turn(journal);
    pthread_cond_signal(&spool->checkpoint_waits);
    return 1;
}

/* ---- the thread ---- */

/* Returns whether the time passed without a word. */
static int wait_a_while(p104_spool *spool)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CHECKPOINT_SECONDS;
    return pthread_cond_timedwait(&spool->checkpoint_waits, &spool->books, &until) == ETIMEDOUT;
}

/* Wait until a half is to be synced, and return which; -1: look again. */
static int next_half(p104_spool *spool)
{
    p104_journal *journal = &spool->journal;
    int other = !journal->current;
    if (is_used(spool, other))
        return other;
    if (!is_used(spool, journal->current))
        pthread_cond_wait(&spool->checkpoint_waits, &spool->books);
    else if (wait_a_while(spool) && is_used(spool, journal->current) && !is_used(spool, !journal->current))
        p104_journal_turn(journal);
    return -1;
}

static void sync_half(p104_spool *spool, int half)
{
    uint64_t epoch = spool->journal.halves[half].epoch;
    pthread_mutex_unlock(&spool->books);
    int failure = p104_sync(syncfs, spool->folders.root);
    pthread_mutex_lock(&spool->books);
    if (failure) {
        atomic_fetch_add(&spool->sync_failures, 1);
        repair(spool);
    } else if (spool->journal.halves[half].epoch == epoch) { /* else a barrier was for it meanwhile */
        spool->journal_fails = p104_journal_clear_half(&spool->journal, half) != 0;
    }
}

void *p104_checkpoint(void *argument)
{
    p104_spool *spool = argument;
    pthread_mutex_lock(&spool->books);
    while (!spool->checkpoint_ends) {
        if (spool->journal_fails) {
            if (wait_a_while(spool))
                repair(spool);
            continue;
        }
        int half = next_half(spool);
        if (half >= 0 && !spool->checkpoint_ends)
            sync_half(spool, half);
    }
    if (!spool->journal_fails && (is_used(spool, 0) || is_used(spool, 1)))
        p104_sync_whole(spool);
    pthread_mutex_unlock(&spool->books);
    return NULL;
}
