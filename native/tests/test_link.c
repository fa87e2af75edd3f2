/* The link: what it receives, repeats and sends. */

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>

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
    for (int index = 0; index < LINKS; index++)
        p104_link_free(links[index]);
}

static unsigned unacknowledged(int socket)
{
    struct tcp_info about;
    socklen_t size = sizeof about;
    CHECK(getsockopt(socket, IPPROTO_TCP, TCP_INFO, &about, &size) == 0);
    return about.tcpi_unacked;
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
    for (int look = 0; look < 1000 && unacknowledged(made.peer) > 0; look++)
        ;
    CHECK(unacknowledged(made.peer) == 0);
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
    pair_free(made);
}

static void test_what_a_full_socket_does_not_take_follows_in_order(void)
{
    pair made = pair_new();
    enum { PIECE = 1000 };
    uint8_t piece[PIECE];
    unsigned sent = 0;
    int result = 0;
    while (p104_link_unsent(made.link) < 5 * PIECE) {
        memset(piece, (int)(sent++ & 0xff), sizeof piece);
        result = p104_link_answer(made.link, piece, sizeof piece);
        CHECK(result == 0);
    }
    CHECK(p104_link_answers(made.link) == sent);
    CHECK(p104_link_flush(made.link) == 1);
    size_t got = 0;
    uint8_t received[777];
    while (got < (size_t)sent * PIECE) {
        ssize_t some = recv(made.peer, received, sizeof received, 0);
        CHECK(some > 0);
        for (ssize_t at = 0; at < some; at++, got++)
            CHECK(received[at] == ((got / PIECE) & 0xff));
        CHECK(p104_link_flush(made.link) >= 0);
    }
    CHECK(p104_link_unsent(made.link) == 0);
    CHECK(p104_link_flush(made.link) == 0);
    pair_free(made);
}

static void test_a_peer_that_never_reads_is_found_out(void)
{
    pair made = pair_new();
    static uint8_t piece[100 * 1024];
    int result = 0;
    for (int count = 0; count < 100 && result == 0; count++)
        result = p104_link_send(made.link, piece, sizeof piece);
    CHECK(result == -ENOBUFS);
    CHECK(p104_link_send(made.link, piece, 1) == -ENOBUFS); /* nothing may follow a lost PDU */
    CHECK(p104_link_flush(made.link) == -ENOBUFS);
    pair_free(made);
}

static void test_a_peer_that_is_gone_is_told(void)
{
    pair made = pair_new();
    shutdown(made.peer, SHUT_RDWR);
    CHECK(p104_link_send(made.link, (const uint8_t *)"x", 1) == -EPIPE);
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
    test_a_full_buffer_takes_no_more();
    test_an_idle_link_holds_no_buffer();
    test_what_makes_a_peer_wait_is_acknowledged_at_once();
    test_what_a_full_socket_does_not_take_follows_in_order();
    test_a_peer_that_never_reads_is_found_out();
    test_a_peer_that_is_gone_is_told();
    printf("test_link: 14 cases\n");
    return 0;
}
