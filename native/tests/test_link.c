/* The link: what it receives, repeats and sends. */

#include <errno.h>

#include "peer.h"

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
    test_a_fault_is_repeated();
    test_a_data_set_stops_before_another_pdu();
    test_feeding();
    test_a_full_buffer_takes_no_more();
    test_what_a_full_socket_does_not_take_follows_in_order();
    test_a_peer_that_never_reads_is_found_out();
    test_a_peer_that_is_gone_is_told();
    printf("test_link: 10 cases\n");
    return 0;
}
