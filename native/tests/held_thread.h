/* held_thread.h - a thread that a system call of this program's own holds, and what waits for it. */

#ifndef P104_HELD_THREAD_H
#define P104_HELD_THREAD_H

#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "spool_peer.h"

static sem_t held;   /* posted by the thread that is held now */
static sem_t let_go; /* what it waits for */

static inline void prepare_to_hold(void)
{
    CHECK(sem_init(&held, 0, 0) == 0 && sem_init(&let_go, 0, 0) == 0);
}

static inline void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0)
        CHECK(errno == EINTR);
}

#endif
