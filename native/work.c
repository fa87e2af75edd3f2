/* work.c - what waits for a thread: intakes in a queue, and sockets that are watched; and the threads that
 * take turns on them.
 *
 * I/O threads receive, and wait for the disk where they must. While the disk stalls all of them, a standby takes
 * what needs no disk: a stalled disk stalls no echo, no release and no new association's refusal. */

#include "spool_inside.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    /* When something is ready and no I/O thread has begun a turn for so long, the disk stalls them. */
    STALLED_MILLISECONDS = 10,
    STANDBY_EVENTS = 32,
    /* A fast peer's next message comes within this: its thread looks for it, while another is there for all the
     * others. To sleep and be woken costs a message more than everything else that it needs. */
    LINGER_MICROSECONDS = 100,
};

/* ---- queues ---- */

void p104_ring(const p104_spool *spool)
{
    uint64_t one = 1;
    while (write(spool->doorbell_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void give(p104_intake *intake, intake_queue *queue)
{
    p104_spool *spool = intake->spool;
    pthread_mutex_lock(&spool->lock);
    int rings = !spool->work.first && !spool->disk_work.first; /* else it rings already */
    intake->next = NULL;
    *queue->end = intake;
    queue->end = &intake->next;
    pthread_mutex_unlock(&spool->lock);
    if (rings)
        p104_ring(spool);
}

void p104_give_work(p104_intake *intake)
{
    give(intake, &intake->spool->work);
}

void p104_give_disk_work(p104_intake *intake)
{
    give(intake, &intake->spool->disk_work);
}

static p104_intake *take(intake_queue *queue)
{
    p104_intake *intake = queue->first;
    if (intake) {
        queue->first = intake->next;
        if (!queue->first)
            queue->end = &queue->first;
    }
    return intake;
}

/* Take an intake from a queue, or NULL. The doorbell rings on while another stands there, or the end has
 * come. */
static p104_intake *take_work(p104_spool *spool, int may_wait_for_disk)
{
    uint64_t ignored;
    pthread_mutex_lock(&spool->lock);
    p104_intake *intake = take(&spool->work);
    if (!intake && may_wait_for_disk)
        intake = take(&spool->disk_work);
    if (!spool->work.first && !spool->disk_work.first && !atomic_load(&spool->closing)) {
        ssize_t cleared = read(spool->doorbell_fd, &ignored, sizeof ignored);
        (void)cleared;
    }
    pthread_mutex_unlock(&spool->lock);
    return intake;
}

/* ---- sockets ---- */

void p104_watch(p104_intake *intake)
{
    /* One event, then none until it is asked for again: an intake is never in two threads' hands. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = intake};
    int operation = intake->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int epoll_fd = intake->spool->epoll_fd;
    int socket = p104_link_socket(intake->link);
    if (socket < 0) { /* it was fed to its end: nothing is to be waited for */
        p104_give_work(intake);
        return;
    }
    intake->watched = 1;
    atomic_store_explicit(&intake->passed_on, 1, memory_order_release);
    if (epoll_ctl(epoll_fd, operation, socket, &event) < 0) {
        intake->watched = 0;
        p104_link_fail(intake->link, errno);
        p104_give_work(intake);
    }
}

static int64_t microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int p104_linger(const p104_intake *intake)
{
    struct pollfd readable = {.fd = p104_link_socket(intake->link), .events = POLLIN};
    int64_t end = microseconds() + LINGER_MICROSECONDS;
    while (atomic_load_explicit(&intake->spool->idle_threads, memory_order_relaxed) > 0 && microseconds() < end) {
        sched_yield(); /* whoever wants this core goes first: it may be the peer */
        if (poll(&readable, 1, 0) > 0)
            return 1;
    }
    return 0;
}

void p104_unwatch(p104_intake *intake)
{
    if (intake->watched)
        epoll_ctl(intake->spool->epoll_fd, EPOLL_CTL_DEL, p104_link_socket(intake->link), NULL);
    intake->watched = 0;
}

/* The intake that an event tells of, or NULL. */
static p104_intake *intake_of(p104_spool *spool, const struct epoll_event *event, int may_wait_for_disk)
{
    p104_intake *intake = event->data.ptr;
    if (!intake)
        return take_work(spool, may_wait_for_disk);
    atomic_load_explicit(&intake->passed_on, memory_order_acquire);
    return intake;
}

/* ---- threads ---- */

/* Wait for an intake that has work. Returns NULL when the threads must end. */
static p104_intake *next_intake(p104_spool *spool)
{
    for (;;) {
        struct epoll_event event;
        int patience = atomic_load(&spool->untold) > 0 ? P104_TELL_MILLISECONDS : -1;
        atomic_fetch_add_explicit(&spool->idle_threads, 1, memory_order_relaxed);
        int count = epoll_wait(spool->epoll_fd, &event, 1, patience);
        atomic_fetch_sub_explicit(&spool->idle_threads, 1, memory_order_relaxed);
        if (count == 0)
            p104_wake(spool);
        if (count <= 0)
            continue;
        p104_intake *intake = intake_of(spool, &event, 1);
        if (intake || atomic_load(&spool->closing))
            return intake;
    }
}

void *p104_do_work(void *argument)
{
    p104_spool *spool = argument;
    p104_pipe pipe = {-1, -1};
    p104_intake *intake;
    while ((intake = next_intake(spool)) != NULL) {
        atomic_fetch_add(&spool->turns, 1);
        p104_intake_turn(intake, &pipe);
    }
    p104_pipe_close(&pipe);
    return NULL;
}

/* Whether something is ready and no I/O thread begins a turn. Waits until something is. */
static int stalled(p104_spool *spool)
{
    struct pollfd ready = {.fd = spool->epoll_fd, .events = POLLIN};
    struct timespec while_away = {.tv_nsec = STALLED_MILLISECONDS * 1000000L};
    poll(&ready, 1, -1);
    unsigned turns = atomic_load(&spool->turns);
    nanosleep(&while_away, NULL);
    return turns == atomic_load(&spool->turns);
}

/* One round of what is ready. Returns how many turns it came to. */
static int stand_in(p104_spool *spool)
{
    struct epoll_event events[STANDBY_EVENTS];
    int turns = 0;
    int count = epoll_wait(spool->epoll_fd, events, STANDBY_EVENTS, 0);
    for (int index = 0; index < count; index++) {
        p104_intake *intake = intake_of(spool, &events[index], 0);
        if (!intake)
            continue;
        p104_intake_turn(intake, NULL);
        turns++;
    }
    return turns;
}

void *p104_stand_by(void *argument)
{
    p104_spool *spool = argument;
    while (!atomic_load(&spool->closing))
        if (stalled(spool))
            while (stand_in(spool) > 0)
                ;
    return NULL;
}
