/* name_calls.h - holds the I/O thread that gives a part file its name, in a program that includes this. */

#ifndef P104_NAME_CALLS_H
#define P104_NAME_CALLS_H

#include "held_thread.h"

static atomic_int names_until_held = -1; /* that many are given, then the next one waits; -1: none does */
static atomic_int slow_name;             /* 1: the one before it takes its time, as on a busy disk */

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    int left = atomic_load(&names_until_held);
    if (left >= 0)
        atomic_store(&names_until_held, left - 1);
    if (left == 1 && atomic_load(&slow_name)) {
        struct timespec some = {0, 20 * 1000 * 1000};
        nanosleep(&some, NULL);
    }
    if (left == 0) {
        sem_post(&held);
        wait_for(&let_go);
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

static inline void hold_after(int names)
{
    atomic_store(&names_until_held, names);
}

#endif
