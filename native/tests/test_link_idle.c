/* The link at rest: no buffer is kept, and what makes the peer wait is acknowledged. */

#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>

#include "peer.h"

/* Of the sanitizers' <sanitizer/allocator_interface.h>, which not every compiler installs. */
size_t __sanitizer_get_current_allocated_bytes(void);

static int next(pair made, p104_run *run)
{
    const uint8_t *data;
    return p104_link_next(made.link, run, &data);
}

/* Many links that each wait for the rest of a header: only the pool's 64 buffers remain. */
static void test_an_idle_link_holds_no_buffer(void)
{
    enum { LINKS = 200, BUFFER = 256 * 1024, POOLED = 64, AT_MOST = POOLED * 3 / 2 }; /* allocators round up */
    p104_link *links[LINKS];
    p104_run run;
    const uint8_t *data;
    size_t before = __sanitizer_get_current_allocated_bytes();
    for (int index = 0; index < LINKS; index++) {
        links[index] = p104_link_new(-1, -1);
        CHECK(p104_link_feed(links[index], (const uint8_t *)"\4", 1) == 1);
    }
    CHECK(__sanitizer_get_current_allocated_bytes() - before >= (size_t)(LINKS - POOLED) * BUFFER);
    for (int index = 0; index < LINKS; index++)
        CHECK(p104_link_next(links[index], &run, &data) == P104_WOULD_BLOCK);
    CHECK(__sanitizer_get_current_allocated_bytes() - before < (size_t)AT_MOST * BUFFER);
    for (int index = 0; index < POOLED; index++) /* the pool's own are used again */
        CHECK(p104_link_feed(links[index], (const uint8_t *)"", 1) == 1);
    CHECK(__sanitizer_get_current_allocated_bytes() - before < (size_t)AT_MOST * BUFFER);
    for (int index = 0; index < LINKS; index++)
        p104_link_free(links[index]);
}

/* Nor does one hold a buffer that an I/O thread left because nothing came. */
static void test_a_silent_link_holds_no_buffer(void)
{
    enum { LINKS = 100, BUFFER = 256 * 1024 };
    pair pairs[LINKS];
    for (int index = 0; index < LINKS; index++)
        pairs[index] = pair_new();
    size_t before = __sanitizer_get_current_allocated_bytes();
    for (int index = 0; index < LINKS; index++) {
        CHECK(p104_link_receive(pairs[index].link, 0) == 0);
        p104_link_rest(pairs[index].link);
    }
    CHECK(__sanitizer_get_current_allocated_bytes() - before < 2 * BUFFER);
    for (int index = 0; index < LINKS; index++)
        pair_free(pairs[index]);
}

/* Every thread's links share the pool of buffers. */
static void *feed_and_idle(void *argument)
{
    (void)argument;
    for (int round = 0; round < 2000; round++) {
        p104_link *link = p104_link_new(-1, -1);
        uint8_t bytes[64];
        p104_run run;
        const uint8_t *data;
        uint8_t fill = (uint8_t)round;
        p104_link_establish(link, 0);
        size_t length = pdu(bytes, 3, fill, 40);
        CHECK(p104_link_feed(link, bytes, length) == (long)length);
        CHECK(p104_link_next(link, &run, &data) == P104_COMMAND && data[0] == fill && data[39] == fill);
        CHECK(p104_link_next(link, &run, &data) == P104_WOULD_BLOCK);
        p104_link_free(link);
    }
    return NULL;
}

static void test_threads_share_the_pool(void)
{
    pthread_t threads[3];
    for (int index = 0; index < 3; index++)
        CHECK(pthread_create(&threads[index], NULL, feed_and_idle, NULL) == 0);
    for (int index = 0; index < 3; index++)
        pthread_join(threads[index], NULL);
}

static unsigned unacknowledged(int socket)
{
    struct tcp_info about;
    socklen_t size = sizeof about;
    CHECK(getsockopt(socket, IPPROTO_TCP, TCP_INFO, &about, &size) == 0);
    return about.tcpi_unacked;
}

static void check_acknowledged(pair made)
{
    for (int look = 0; look < 1000 && unacknowledged(made.peer) > 0; look++)
        ;
    CHECK(unacknowledged(made.peer) == 0);
}

/* Nagle's algorithm holds a peer's next bytes back until these are acknowledged. The kernel would take 40 ms;
 * a thousand looks take less than one. */
static void check_acknowledged_at_once(pair made, const uint8_t *bytes, size_t length)
{
    p104_run run;
    CHECK(setsockopt(made.ours, IPPROTO_TCP, TCP_QUICKACK, &(int){0}, sizeof(int)) == 0);
    transmit(made.peer, bytes, length);
    CHECK(poll(&(struct pollfd){.fd = made.ours, .events = POLLIN}, 1, 10000) == 1);
    int result;
    while ((result = next(made, &run)) != P104_WOULD_BLOCK)
        if (result == P104_COMMAND && run.ends)
            p104_link_expect_data_set(made.link);
    check_acknowledged(made);
}

/* The same for an I/O thread that waits for the rest of a data set. */
static void check_thread_acknowledges_at_once(pair made, const uint8_t *bytes, size_t length)
{
    p104_run run;
    const uint8_t *data;
    CHECK(setsockopt(made.ours, IPPROTO_TCP, TCP_QUICKACK, &(int){0}, sizeof(int)) == 0);
    transmit(made.peer, bytes, length);
    CHECK(poll(&(struct pollfd){.fd = made.ours, .events = POLLIN}, 1, 10000) == 1);
    CHECK(p104_link_receive(made.link, 0) == (long)length);
    while (p104_link_next_of(made.link, P104_DATA_SET, &run, &data) == P104_DATA_SET)
        ;
    CHECK(p104_link_receive(made.link, 0) == 0);
    p104_link_rest(made.link);
    check_acknowledged(made);
}

static void test_what_makes_a_peer_wait_is_acknowledged_at_once(void)
{
    pair made = pair_new_tcp();
    uint8_t bytes[64];
    size_t length = pdu(bytes, 3, 'c', 8);
    check_acknowledged_at_once(made, bytes, 1);
    check_acknowledged_at_once(made, bytes + 1, 5);
    check_acknowledged_at_once(made, bytes + 6, 6);
    check_acknowledged_at_once(made, bytes + 12, 7);
    check_acknowledged_at_once(made, bytes + 19, length - 19); /* the data set is due */
    pdu(bytes, 2, 'd', 20);
    check_thread_acknowledges_at_once(made, bytes, 12);
    check_thread_acknowledges_at_once(made, bytes + 12, 10);
    pair_free(made);
}

/* Scan all that came, and rest. */
static int owed_after(p104_link *link, const uint8_t *bytes, size_t length)
{
    p104_run run;
    const uint8_t *data;
    int result;
    CHECK(p104_link_feed(link, bytes, length) == (long)length);
    while ((result = p104_link_next(link, &run, &data)) != P104_WOULD_BLOCK)
        if (result == P104_COMMAND && run.ends)
            p104_link_expect_data_set(link);
    return p104_link_owed(link);
}

static void test_what_the_peer_owes(void)
{
    uint8_t bytes[64];
    p104_link *link = p104_link_new(-1, -1);
    p104_link_establish(link, 0);
    CHECK(!p104_link_owed(link));
    size_t length = pdu(bytes, 3, 'c', 8);
    CHECK(owed_after(link, bytes, 1));
    CHECK(owed_after(link, bytes + 1, 6));
    CHECK(owed_after(link, bytes + 7, 6));
    CHECK(owed_after(link, bytes + 13, length - 13)); /* the data set */
    CHECK(owed_after(link, bytes, pdu(bytes, 0, 'd', 10)));
    length = pdu(bytes, 2, 'd', 10);
    CHECK(owed_after(link, bytes, length - 1));
    CHECK(!owed_after(link, bytes + length - 1, 1));
    CHECK(p104_link_received(link) == 20 + 22 + 22);
    p104_link_free(link);
}

int main(void)
{
    test_an_idle_link_holds_no_buffer();
    test_a_silent_link_holds_no_buffer();
    test_threads_share_the_pool();
    test_what_makes_a_peer_wait_is_acknowledged_at_once();
    test_what_the_peer_owes();
    printf("test_link_idle: 5 cases\n");
    return 0;
}
