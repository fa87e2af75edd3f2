/* The link: what it receives, repeats, acknowledges and keeps. */

#include <errno.h>
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

static void test_nothing_comes(void)
{
    pair made = pair_new();
    p104_run run;
    CHECK(next(made, &run) == P104_WOULD_BLOCK);
    CHECK(next(made, &run) == P104_WOULD_BLOCK);
    CHECK(!p104_link_in_message(made.link));
    pair_free(made);
}

static void test_the_end_is_repeated(void)
{
    pair made = pair_new();
    p104_run run;
    shutdown(made.peer, SHUT_WR);
    CHECK(next(made, &run) == P104_END_OF_STREAM);
    CHECK(next(made, &run) == P104_END_OF_STREAM);
    pair_free(made);
}

static void test_a_socket_error_is_repeated(void)
{
    p104_link *link = p104_link_new(open("/dev/null", O_RDONLY | O_CLOEXEC), -1);
    p104_run run;
    const uint8_t *data;
    CHECK(p104_link_next(link, &run, &data) == P104_FAULT_SOCKET);
    CHECK(p104_link_errno(link) == ENOTSOCK);
    CHECK(p104_link_next(link, &run, &data) == P104_FAULT_SOCKET);
    p104_link_free(link);
}

static void test_a_reset_is_repeated(void)
{
    pair made = pair_new_tcp();
    p104_run run;
    CHECK(setsockopt(made.peer, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)) == 0);
    close(made.peer);
    int result;
    while ((result = next(made, &run)) == P104_WOULD_BLOCK)
        ;
    CHECK(result == P104_FAULT_SOCKET && p104_link_errno(made.link) == ECONNRESET);
    CHECK(next(made, &run) == P104_FAULT_SOCKET);
    CHECK(p104_link_receive(made.link, 0) == -1);
    CHECK(p104_link_errno(made.link) == ECONNRESET);
    p104_link_free(made.link);
    close(made.ours);
}

static void test_what_came_before_the_end_is_told_first(void)
{
    pair made = pair_new();
    uint8_t bytes[64];
    p104_run run;
    transmit(made.peer, bytes, pdu(bytes, 1, 'c', 4));
    shutdown(made.peer, SHUT_WR);
    CHECK(next(made, &run) == P104_COMMAND && run.length == 4 && !run.ends);
    int result;
    while ((result = next(made, &run)) == P104_WOULD_BLOCK)
        ;
    CHECK(result == P104_END_OF_STREAM && p104_link_in_message(made.link));
    pair_free(made);
}

static void test_a_fault_is_repeated(void)
{
    pair made = pair_new();
    uint8_t bytes[64];
    p104_run run;
    transmit(made.peer, bytes, pdu(bytes, 2, 'd', 4)); /* a data set without its command */
    CHECK(next(made, &run) == P104_FAULT_FRAGMENT);
    CHECK(next(made, &run) == P104_FAULT_FRAGMENT);
    p104_link_discard(made.link);
    transmit(made.peer, bytes, pdu(bytes, 3, 'c', 4));
    while (next(made, &run) != P104_WOULD_BLOCK)
        ;
    shutdown(made.peer, SHUT_WR);
    int result;
    while ((result = next(made, &run)) == P104_WOULD_BLOCK)
        ;
    CHECK(result == P104_END_OF_STREAM);
    pair_free(made);
}

static void test_a_data_set_stops_before_another_pdu(void)
{
    pair made = pair_new();
    uint8_t bytes[64];
    p104_run run;
    const uint8_t *data;
    command(made);
    CHECK(p104_link_in_message(made.link));
    size_t length = pdu(bytes, 0, 'd', 4);
    memcpy(bytes + length, "\7\0\0\0\0\4\0\0\2\0", 10);
    transmit(made.peer, bytes, length + 10);
    CHECK(p104_link_receive(made.link, 100) == (long)length + 10);
    CHECK(p104_link_next_data_set(made.link, &run, &data) == P104_DATA_SET && !run.ends && run.length == 4);
    CHECK(p104_link_next_data_set(made.link, &run, &data) == P104_PDU_HEADER);
    CHECK(p104_link_next_data_set(made.link, &run, &data) == P104_PDU_HEADER);
    CHECK(p104_link_at_hand(made.link) == 10);
    CHECK(next(made, &run) == P104_PDU_HEADER && run.pdu_type == 7 && run.pdu_length == 4);
    CHECK(next(made, &run) == P104_PDU_BODY && run.ends);
    pair_free(made);
}

static void test_feeding(void)
{
    p104_link *link = p104_link_new(-1, -1);
    uint8_t bytes[64];
    p104_run run;
    const uint8_t *data;
    p104_link_establish(link, 0);
    size_t length = pdu(bytes, 3, 'c', 8);
    CHECK(p104_link_next(link, &run, &data) == P104_WOULD_BLOCK);
    for (size_t at = 0; at < length - 1; at++) {
        CHECK(p104_link_feed(link, bytes + at, 1) == 1);
        while (p104_link_next(link, &run, &data) == P104_COMMAND)
            CHECK(!run.ends);
    }
    CHECK(p104_link_feed(link, bytes + length - 1, 1) == 1);
    CHECK(p104_link_next(link, &run, &data) == P104_COMMAND && run.ends);
    CHECK(p104_link_receive(link, 0) == 0);
    p104_link_end(link);
    CHECK(p104_link_next(link, &run, &data) == P104_END_OF_STREAM);
    CHECK(p104_link_receive(link, 0) == -1);
    CHECK(p104_link_next(link, &run, &data) == P104_END_OF_STREAM);
    p104_link_free(link);
}

/* However often the link was idle, the whole buffer is there for what comes. */
static void test_feeding_for_long(void)
{
    p104_link *link = p104_link_new(-1, -1);
    static uint8_t bytes[100 * 1024];
    p104_run run;
    const uint8_t *data;
    p104_link_establish(link, 0);
    size_t length = pdu(bytes, 3, 'c', 90 * 1024);
    for (int count = 0; count < 10; count++) {
        CHECK(p104_link_feed(link, bytes, length) == (long)length);
        CHECK(p104_link_next(link, &run, &data) == P104_COMMAND && run.length == 90 * 1024 && run.ends);
        CHECK(p104_link_next(link, &run, &data) == P104_WOULD_BLOCK);
    }
    p104_link_free(link);
}

/* What is not scanned yet stays when more comes, also where a full buffer takes only a part. */
static void test_feeding_behind_what_is_at_hand(void)
{
    p104_link *link = p104_link_new(-1, -1);
    static uint8_t first[200 * 1024];
    static uint8_t second[100 * 1024];
    p104_run run;
    const uint8_t *data;
    p104_link_establish(link, 0);
    size_t length = pdu(first, 1, 'a', 1000);
    length += pdu(first + length, 1, 'b', 190 * 1024);
    size_t behind = pdu(second, 3, 'c', 90 * 1024);
    CHECK(p104_link_feed(link, first, length) == (long)length);
    CHECK(p104_link_next(link, &run, &data) == P104_COMMAND && run.length == 1000 && data[999] == 'a');
    long taken = p104_link_feed(link, second, behind);
    CHECK(taken > 0 && taken < (long)behind);
    CHECK(p104_link_at_hand(link) == length - 1012 + (size_t)taken);
    CHECK(p104_link_next(link, &run, &data) == P104_COMMAND && run.length == 190 * 1024);
    CHECK(data[0] == 'b' && data[run.length - 1] == 'b');
    CHECK(p104_link_feed(link, second + taken, behind - (size_t)taken) == (long)behind - taken);
    CHECK(p104_link_next(link, &run, &data) == P104_COMMAND && run.length == 90 * 1024 && run.ends);
    CHECK(data[0] == 'c' && data[run.length - 1] == 'c');
    p104_link_free(link);
}

static void test_a_full_buffer_takes_no_more(void)
{
    p104_link *link = p104_link_new(-1, -1);
    static uint8_t bytes[512 * 1024];
    long first = p104_link_feed(link, bytes, sizeof bytes);
    CHECK(first > 0 && first < (long)sizeof bytes);
    CHECK(p104_link_feed(link, bytes, 1) == 0);
    p104_link_free(link);
}

/* Many links that each wait for the rest of a header: only the pool's 64 buffers remain. */
static void test_an_idle_link_holds_no_buffer(void)
{
    enum { LINKS = 200, BUFFER = 256 * 1024, POOLED = 64 };
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
    CHECK(__sanitizer_get_current_allocated_bytes() - before < (size_t)(POOLED + 1) * BUFFER);
    for (int index = 0; index < POOLED; index++) /* the pool's own are used again */
        CHECK(p104_link_feed(links[index], (const uint8_t *)"", 1) == 1);
    CHECK(__sanitizer_get_current_allocated_bytes() - before < (size_t)(POOLED + 1) * BUFFER);
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
    for (int index = 0; index < LINKS; index++)
        CHECK(p104_link_receive(pairs[index].link, 0) == 0);
    CHECK(__sanitizer_get_current_allocated_bytes() - before < 2 * BUFFER);
    for (int index = 0; index < LINKS; index++)
        pair_free(pairs[index]);
}

/* As an I/O thread receives: with patience it sees a byte that comes later, without it does not wait. */
static void *transmit_one_byte(void *argument)
{
    transmit(*(int *)argument, (const uint8_t *)"\7", 1);
    return NULL;
}

static void test_receiving_with_patience(void)
{
    pair made = pair_new();
    pthread_t sender;
    p104_run run;
    CHECK(p104_link_receive(made.link, 0) == 0);
    CHECK(pthread_create(&sender, NULL, transmit_one_byte, &made.peer) == 0);
    CHECK(p104_link_receive(made.link, 10000) == 1);
    pthread_join(sender, NULL);
    CHECK(next(made, &run) == P104_WOULD_BLOCK); /* one byte of a header, and no more */
    size_t before = __sanitizer_get_current_allocated_bytes();
    CHECK(p104_link_receive(made.link, 1) == 0);
    CHECK(__sanitizer_get_current_allocated_bytes() == before);
    shutdown(made.peer, SHUT_WR);
    CHECK(p104_link_receive(made.link, 10000) == -1);
    CHECK(next(made, &run) == P104_END_OF_STREAM);
    pair_free(made);
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
    CHECK(p104_link_receive(made.link, 10000) == (long)length);
    while (p104_link_next_data_set(made.link, &run, &data) == P104_DATA_SET)
        ;
    CHECK(p104_link_receive(made.link, 0) == 0);
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

int main(void)
{
    test_nothing_comes();
    test_the_end_is_repeated();
    test_a_socket_error_is_repeated();
    test_a_reset_is_repeated();
    test_what_came_before_the_end_is_told_first();
    test_a_fault_is_repeated();
    test_a_data_set_stops_before_another_pdu();
    test_feeding();
    test_feeding_for_long();
    test_feeding_behind_what_is_at_hand();
    test_an_idle_link_holds_no_buffer();
    test_a_silent_link_holds_no_buffer();
    test_receiving_with_patience();
    test_threads_share_the_pool();
    test_a_full_buffer_takes_no_more();
    test_what_makes_a_peer_wait_is_acknowledged_at_once();
    printf("test_link: 16 cases\n");
    return 0;
}
