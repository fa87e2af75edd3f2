/* sync_calls.h - the sync calls of a program that includes this: noted, held, or made to fail. */

#ifndef P104_SYNC_CALLS_H
#define P104_SYNC_CALLS_H

#include <pthread.h>

#include "held_thread.h"

static pthread_mutex_t calls_lock = PTHREAD_MUTEX_INITIALIZER;
static char calls[64];       /* each call's letter and how many files had their name at that time */
static size_t calls_used;
static int unanswered = -1;  /* a peer that must have no answer while a call runs; -1: none is noted */
static int opening_syncs;    /* of folders, while a spool opens */
static char failing;         /* the letter of the call that fails once */
static int failing_errno;
static int failing_more;     /* so many more times */
static int holding;          /* the next call posts `held` and waits for `let_go` */

/* Note the call. Returns 0, or -1 with errno when it is to fail. */
static int note(char letter)
{
    uint8_t byte;
    pthread_mutex_lock(&calls_lock);
    if (unanswered >= 0) {
        CHECK(calls_used + 2 < sizeof calls);
        calls[calls_used++] = letter;
        calls[calls_used++] = (char)('0' + named_files());
        calls[calls_used] = 0;
        CHECK(recv(unanswered, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
    }
    int fails = failing == letter;
    failing = fails && failing_more-- <= 0 ? 0 : failing;
    int holds = holding;
    holding = 0;
    pthread_mutex_unlock(&calls_lock);
    if (holds) {
        sem_post(&held);
        wait_for(&let_go);
    }
    if (fails)
        errno = failing_errno;
    return fails ? -1 : 0;
}

int fdatasync(int descriptor)
{
    return note('d') < 0 ? -1 : (int)syscall(SYS_fdatasync, descriptor);
}

/* p104_spool_open calls it too, when no peer is there and no folder to look into. */
int fsync(int descriptor)
{
    pthread_mutex_lock(&calls_lock);
    int opening = unanswered < 0;
    opening_syncs += opening;
    pthread_mutex_unlock(&calls_lock);
    if (syscall(SYS_fsync, descriptor) < 0)
        return -1;
    return opening ? 0 : note('f');
}

int syncfs(int descriptor)
{
    return note('s') < 0 ? -1 : (int)syscall(SYS_syncfs, descriptor);
}

/* From now on, `letter` fails once with this error; 0: none does. */
static inline void watch_calls(association one, char letter, int error)
{
    pthread_mutex_lock(&calls_lock);
    unanswered = one.peer;
    calls_used = 0;
    calls[0] = 0;
    failing = letter;
    failing_more = 0;
    failing_errno = error;
    pthread_mutex_unlock(&calls_lock);
}

/* From now on, `letter` fails so often with this error. */
static inline void fail_calls(char letter, int error, int times)
{
    pthread_mutex_lock(&calls_lock);
    failing = letter;
    failing_more = times - 1;
    failing_errno = error;
    pthread_mutex_unlock(&calls_lock);
}

static inline void fail_call(char letter, int error)
{
    fail_calls(letter, error, 1);
}

static inline void watch_no_calls(void)
{
    pthread_mutex_lock(&calls_lock);
    unanswered = -1;
    pthread_mutex_unlock(&calls_lock);
}

/* Whether these were the calls by now. */
static inline int has_called(const char *expected)
{
    pthread_mutex_lock(&calls_lock);
    int same = strcmp(calls, expected) == 0;
    pthread_mutex_unlock(&calls_lock);
    return same;
}

/* The same, where it is too late for more: what they were instead is told. */
static inline int called(const char *expected)
{
    if (has_called(expected))
        return 1;
    pthread_mutex_lock(&calls_lock);
    fprintf(stderr, "calls %s, expected %s\n", calls, expected);
    pthread_mutex_unlock(&calls_lock);
    return 0;
}

/* The next sync waits, and with it the committer: what is written from its call on waits for the next barrier. */
static inline void hold_next_sync(void)
{
    pthread_mutex_lock(&calls_lock);
    holding = 1;
    pthread_mutex_unlock(&calls_lock);
}

#endif
