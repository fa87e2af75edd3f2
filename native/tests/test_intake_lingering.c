/* A thread lingers at the socket of a peer that it has answered, but only while another is there for everybody else.
 * Here it lingers until the peer's next byte comes, or the test ends: no clock decides. */

#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "spool_peer.h"

static atomic_int socket_of_fast = -1;
static atomic_int lingering; /* threads that do, now */
static atomic_int lingered;
static atomic_int watched;   /* times that a socket was given to epoll */
static atomic_int idle;      /* threads that wait for any event */

/* Called between two looks. Another peer's thread looks on and gives up in time. */
int sched_yield(void)
{
    struct pollfd fast = {.fd = atomic_load(&socket_of_fast), .events = POLLIN};
    atomic_fetch_add(&lingered, 1);
    if (atomic_exchange(&lingering, 1) == 0) {
        poll(&fast, 1, PATIENCE);
        atomic_store(&lingering, 0);
    }
    return 0;
}

int epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event)
{
    if (operation != EPOLL_CTL_DEL && event->data.ptr)
        atomic_fetch_add(&watched, 1);
    return (int)syscall(SYS_epoll_ctl, epoll, operation, descriptor, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int patience)
{
    int waits = patience != 0; /* the standby only looks */
    atomic_fetch_add(&idle, waits);
    int ready = (int)syscall(SYS_epoll_wait, epoll, events, count, patience);
    atomic_fetch_sub(&idle, waits);
    return ready;
}

static p104_spool *open_idle_spool(int threads)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, threads);
    UNTIL(atomic_load(&idle) == threads);
    return spool;
}

static void check_stored(association one, int message_id)
{
    transmit(one.peer, stream, message(stream, (uint16_t)message_id, INSTANCE, 'l', 100));
    check_answer(one, (uint16_t)message_id, 0);
}

/* As finish does; who lingers for so long has told of nothing yet. */
static void finish_untold(association one)
{
    p104_link_interrupt(one.link);
    shutdown(one.ours, SHUT_RD);
    p104_completion told;
    while ((told = next_completion(one.spool)).kind == P104_STORED)
        ;
    CHECK(told.kind == P104_RETURNED && told.id == one.id);
    dissociate(one);
}

/* It is watched once, when it is lent. */
static void test_a_fast_peer_keeps_its_thread(void)
{
    enum { MESSAGES = 5 };
    p104_spool *spool = open_idle_spool(2);
    atomic_store(&watched, 0);
    association one = associate(spool, 1, (terms){0});
    atomic_store(&socket_of_fast, one.ours);
    p104_intake_lend(one.intake, 0);
    for (int index = 0; index < MESSAGES; index++) {
        check_stored(one, index);
        UNTIL(atomic_load(&lingering) == 1);
    }
    CHECK(atomic_load(&watched) == 1);
    finish_untold(one);
    p104_spool_close(spool);
    remove_files();
}

/* The other thread serves all others, and goes back to epoll for them after each message. */
static void test_others_are_served_meanwhile(void)
{
    p104_spool *spool = open_idle_spool(2);
    association fast = associate(spool, 1, (terms){0});
    atomic_store(&socket_of_fast, fast.ours);
    p104_intake_lend(fast.intake, 0);
    check_stored(fast, 1);
    UNTIL(atomic_load(&lingering) == 1);
    association second = associate_and_lend(spool, 2, (terms){0});
    association third = associate_and_lend(spool, 3, (terms){0});
    for (int index = 0; index < 3; index++) {
        check_stored(second, index);
        check_stored(third, index);
    }
    CHECK(atomic_load(&lingering) == 1);
    finish_untold(third);
    finish_untold(second);
    finish_untold(fast);
    p104_spool_close(spool);
    remove_files();
}

static void test_a_single_thread_never_lingers(void)
{
    p104_spool *spool = open_idle_spool(1);
    atomic_store(&lingered, 0);
    association one = associate_and_lend(spool, 1, (terms){0});
    check_stored(one, 1);
    check_stored(one, 2);
    CHECK(atomic_load(&lingered) == 0);
    finish_untold(one);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    test_a_fast_peer_keeps_its_thread();
    test_others_are_served_meanwhile();
    test_a_single_thread_never_lingers();
    remove_folders();
    printf("test_intake_lingering: 3 cases\n");
    return 0;
}
