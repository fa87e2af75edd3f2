/* turns.h - a spool whose threads take turns in the calling one, so that what happens is the same each time.
 *
 * For programs that are linked with --wrap for pthread_create, pthread_join and epoll_wait. Threads that the spool starts
 * are noted; run_threads gives each its life, from its beginning to where it would sleep, as if the spool were closed
 * then, until none has anything to do. */

#ifndef P104_TURNS_H
#define P104_TURNS_H

#include <errno.h>
#include <sys/epoll.h>

#include "failing_calls.h"

#include "spool_inside.h"

typedef void *thread_life(void *);

static thread_life *committer_life;
static p104_spool *running;         /* whose I/O thread's life is being lived */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_life *life, void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_life *life, void *argument)
{
    (void)attributes;
    (void)argument;
    if (fails("pthread_create"))
        return fault.error;
    if (life != p104_do_work && life != p104_stand_by && life != p104_checkpoint)
        committer_life = life;
    *thread = pthread_self();
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result)
{
    (void)thread;
    (void)result;
    return 0;
}

/* Where the thread would sleep, its life ends. */
int __real_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds)
{
    if (!running)
        return __real_epoll_wait(epoll, events, capacity, milliseconds);
    if (fails("epoll_wait"))
        return -1;
    int count = __real_epoll_wait(epoll, events, capacity, 0);
    if (count == 0) {
        atomic_store(&running->closing, 1);
        p104_ring(running);
        count = __real_epoll_wait(epoll, events, capacity, 0);
    }
    return count;
}

static void live_as_worker(p104_spool *spool)
{
    running = spool;
    p104_do_work(spool);
    running = NULL;
    atomic_store(&spool->closing, 0);
}

static void live_as_committer(p104_spool *spool)
{
    spool->workers_ended = 1;
    committer_life(spool);
    spool->workers_ended = 0;
}

/* Until every thread would sleep. */
static inline void run_threads(p104_spool *spool)
{
    do {
        live_as_worker(spool);
        live_as_committer(spool);
    } while (spool->work.first || spool->disk_work.first);
}

#endif
