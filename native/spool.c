/* spool.c - see spool.h. Its life, and the committer. What the I/O threads do stands in work.c, what the event
 * loop hears in completions.c. */

#include "spool_inside.h"

#include "recovery.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* ---- commits ---- */

void p104_give_commit(p104_spool *spool, p104_store *store)
{
    pthread_mutex_lock(&spool->lock);
    store->next = NULL;
    *spool->commits_end = store;
    spool->commits_end = &store->next;
    pthread_mutex_unlock(&spool->lock);
    pthread_cond_signal(&spool->commit_waits); /* unlocked: or the thread would wake to wait for the lock */
}

/* ---- threads ---- */

/* Wait, with the lock, until something is written. What the last barrier stored is told meanwhile: the I/O
 * threads may all be asleep since before it. */
static void wait_for_commits(p104_spool *spool)
{
    struct timespec until;
    if (atomic_load(&spool->untold) == 0) {
        pthread_cond_wait(&spool->commit_waits, &spool->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += P104_TELL_MILLISECONDS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_cond_timedwait(&spool->commit_waits, &spool->lock, &until) != ETIMEDOUT)
        return;
    pthread_mutex_unlock(&spool->lock);
    p104_wake(spool);
    pthread_mutex_lock(&spool->lock);
}

/* Whether a store replaces the file of another that comes before it. */
static int replaces_one_of(const p104_store *batch, const p104_store *store)
{
    if (!store->part.overwrite)
        return 0;
    while (batch != store && strcmp(batch->part.name, store->part.name) != 0)
        batch = batch->next;
    return batch != store;
}

/* Everything that was written while the last barrier ran goes into the next, but for those that must wait for one
 * before them. */
static p104_store *next_batch(p104_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    while (!spool->commits && !spool->workers_ended)
        wait_for_commits(spool);
    p104_store *batch = spool->commits;
    spool->commits = NULL;
    spool->commits_end = &spool->commits;
    spool->counts.barriers += batch != NULL;
    for (p104_store **at = &batch; *at;) {
        p104_store *store = *at;
        if (replaces_one_of(batch, store)) {
            *at = store->next;
            store->next = NULL;
            *spool->commits_end = store;
            spool->commits_end = &store->next;
        } else {
            at = &store->next;
            spool->counts.barrier_files++;
        }
    }
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

static void end_threads(p104_spool *spool)
{
    pthread_mutex_lock(&spool->lock); /* or a thread that saw no end yet would clear the doorbell after it rang */
    atomic_store(&spool->closing, 1);
    pthread_mutex_unlock(&spool->lock);
    p104_ring(spool);
    if (spool->standing_by)
        pthread_join(spool->standby, NULL);
    for (int index = 0; index < spool->thread_count; index++)
        pthread_join(spool->threads[index], NULL);
    pthread_mutex_lock(&spool->lock);
    spool->workers_ended = 1;
    pthread_mutex_unlock(&spool->lock);
    pthread_cond_signal(&spool->commit_waits);
    pthread_join(spool->committer, NULL);
    if (!spool->checkpointing)
        return;
    pthread_mutex_lock(&spool->books);
    spool->checkpoint_ends = 1;
    pthread_mutex_unlock(&spool->books);
    pthread_cond_signal(&spool->checkpoint_waits);
    pthread_join(spool->checkpoint, NULL);
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
    if (committing) {
        failure = pthread_create(&spool->standby, NULL, p104_stand_by, spool);
        spool->standing_by = failure == 0;
    }
    if (failure == 0 && spool->journal.capacity > 0) {
        failure = pthread_create(&spool->checkpoint, NULL, p104_checkpoint, spool);
        spool->checkpointing = failure == 0;
    }
    while (failure == 0 && spool->thread_count < threads) {
        failure = pthread_create(&spool->threads[spool->thread_count], NULL, p104_do_work, spool);
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

static void close_descriptor(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

static void release(p104_spool *spool)
{
    close_descriptor(spool->event_fd);
    close_descriptor(spool->epoll_fd);
    close_descriptor(spool->doorbell_fd);
    p104_journal_close(&spool->journal);
    p104_folders_close(&spool->folders);
    pthread_mutex_destroy(&spool->lock);
    pthread_mutex_destroy(&spool->books);
    pthread_cond_destroy(&spool->checkpoint_waits);
    pthread_cond_destroy(&spool->commit_waits);
    pthread_cond_destroy(&spool->notices_taken);
    free(spool->threads);
    free(spool);
}

/* A file system in memory loses everything with the power: a journal on it would be in vain. */
static int is_in_memory(const p104_spool *spool)
{
    struct statfs about;
    return fstatfs(spool->folders.root, &about) == 0 && about.f_type == TMPFS_MAGIC;
}

static int open_books(p104_spool *spool, size_t journal)
{
    p104_recovered recovered;
    int failure = p104_journal_open(&spool->journal, spool->folders.root);
    if (failure == 0)
        failure = p104_recover(&spool->folders, &spool->journal, &recovered);
    if (failure)
        return failure;
    int wanted = spool->sync && spool->syncs_whole && !is_in_memory(spool);
    atomic_store(&spool->last_number, recovered.last_number);
    spool->counts.recovered = recovered.finished;
    spool->counts.restored = recovered.restored;
    spool->counts.torn = recovered.torn;
    spool->counts.left = recovered.left;
    return p104_journal_prepare(&spool->journal, spool->folders.root, wanted ? journal : 0);
}

static int start(p104_spool *spool, const char *root, size_t journal, int threads)
{
    int failure = p104_folders_open(&spool->folders, root);
    if (failure == 0)
        failure = open_books(spool, journal);
    if (failure)
        return failure;
    spool->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    spool->doorbell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    spool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event doorbell = {.events = EPOLLIN}; /* without an intake */
    if (spool->event_fd < 0 || spool->doorbell_fd < 0 || spool->epoll_fd < 0
        || epoll_ctl(spool->epoll_fd, EPOLL_CTL_ADD, spool->doorbell_fd, &doorbell) < 0)
        return errno;
    spool->threads = calloc((size_t)threads, sizeof *spool->threads);
    if (!spool->threads)
        return ENOMEM;
    return start_threads(spool, threads);
}

/* A condition whose deadlines do not move when somebody sets the clock. */
static void init_timed_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

p104_spool *p104_spool_open(const char *root, int durability, size_t journal, int threads,
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
    spool->event_fd = spool->epoll_fd = spool->doorbell_fd = -1;
    memset(&spool->folders, -1, sizeof spool->folders);
    spool->journal.folder = spool->journal.halves[0].descriptor = spool->journal.halves[1].descriptor = -1;
    if (tag_count > 0)
        memcpy(spool->tags, tags, tag_count * sizeof *tags);
    spool->tag_count = tag_count;
    pthread_mutex_init(&spool->lock, NULL);
    pthread_mutex_init(&spool->books, NULL);
    init_timed_condition(&spool->checkpoint_waits);
    init_timed_condition(&spool->commit_waits);
    pthread_cond_init(&spool->notices_taken, NULL);
    spool->work.end = &spool->work.first;
    spool->disk_work.end = &spool->disk_work.first;
    spool->commits_end = &spool->commits;
    spool->notices_end = &spool->notices;
    *error = start(spool, root, journal, threads);
    if (*error) {
        release(spool);
        return NULL;
    }
    return spool;
}

void p104_spool_close(p104_spool *spool)
{
    end_threads(spool);
    p104_notice *next;
    for (p104_notice *notice = spool->notices; notice; notice = next) {
        next = notice->next;
        if (notice->completion.kind != P104_RETURNED)
            free(notice);
    }
    release(spool);
}

void p104_spool_refuse(p104_spool *spool, int on)
{
    atomic_store_explicit(&spool->refuses, on, memory_order_relaxed);
}

void p104_spool_count(p104_spool *spool, p104_spool_counts *out)
{
    pthread_mutex_lock(&spool->lock);
    *out = spool->counts;
    pthread_mutex_unlock(&spool->lock);
}
