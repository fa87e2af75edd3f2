/* The link: what it receives, repeats and gives back. */

#include <errno.h>
#include <poll.h>

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
    CHECK(p104_link_receive(made.link, 0) == (long)length + 10);
    CHECK(p104_link_next_of(made.link, P104_DATA_SET, &run, &data) == P104_DATA_SET && !run.ends && run.length == 4);
    CHECK(p104_link_next_of(made.link, P104_DATA_SET, &run, &data) == P104_PDU_HEADER);
    CHECK(p104_link_next_of(made.link, P104_DATA_SET, &run, &data) == P104_PDU_HEADER);
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
    CHECK(!p104_link_receives(link));
    p104_link_end(link);
    CHECK(p104_link_receives(link)); /* an end is there to be met */
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

static void test_receiving_a_part(void)
{
    pair made = pair_new();
    uint8_t bytes[64];
    p104_run run;
    const uint8_t *data;
    CHECK(p104_link_receive(made.link, 10) == 0);
    CHECK(p104_link_received(made.link) == 0);
    transmit(made.peer, bytes, pdu(bytes, 3, 'c', 8));
    CHECK(p104_link_receive(made.link, 14) == 14);
    CHECK(p104_link_next_of(made.link, P104_COMMAND, &run, &data) == P104_COMMAND && run.length == 2 && !run.ends);
    CHECK(p104_link_next_of(made.link, P104_COMMAND, &run, &data) == P104_NEED_INPUT);
    CHECK(p104_link_at_hand(made.link) == 0);
    CHECK(p104_link_receive(made.link, 14) == 6);
    CHECK(p104_link_next_of(made.link, P104_COMMAND, &run, &data) == P104_COMMAND && run.length == 6 && run.ends);
    CHECK(p104_link_received(made.link) == 20);
    shutdown(made.peer, SHUT_WR);
    CHECK(p104_link_receive(made.link, 0) == -1);
    CHECK(p104_link_received(made.link) == 20); /* the end is no byte */
    CHECK(next(made, &run) == P104_END_OF_STREAM || next(made, &run) == P104_END_OF_STREAM);
    pair_free(made);
}

/* Whether the result is of that kind or not, the link stands where it should. */
static void test_a_fault_leaves_the_link_before_it(void)
{
    pair made = pair_new();
    uint8_t bytes[64];
    p104_run run;
    const uint8_t *data;
    size_t length = pdu(bytes, 1, 'c', 4);
    length += pdu(bytes + length, 2, 'd', 4);
    transmit(made.peer, bytes, length);
    CHECK(p104_link_receive(made.link, 0) == (long)length);
    CHECK(p104_link_next_of(made.link, P104_DATA_SET, &run, &data) == P104_COMMAND);
    CHECK(p104_link_at_hand(made.link) == length);
    CHECK(p104_link_next_of(made.link, P104_COMMAND, &run, &data) == P104_COMMAND && run.length == 4);
    CHECK(p104_link_next_of(made.link, P104_COMMAND, &run, &data) == P104_FAULT_FRAGMENT);
    CHECK(p104_link_next_of(made.link, P104_COMMAND, &run, &data) == P104_FAULT_FRAGMENT);
    CHECK(p104_link_at_hand(made.link) > 0 && p104_link_in_message(made.link));
    pair_free(made);
}

/* What is put back is given once, before all else, and a second time it replaces the first. */
static void test_what_is_put_back(void)
{
    p104_link *link = p104_link_new(-1, -1);
    uint8_t bytes[64];
    p104_run run;
    const uint8_t *data;
    p104_link_establish(link, 0);
    size_t length = pdu(bytes, 3, 'n', 4);
    CHECK(p104_link_feed(link, bytes, length) == (long)length);
    for (int round = 0; round < 2; round++) {
        CHECK(p104_link_hold(link, (const uint8_t *)"lost", 4, 9, 1) == 0);
        CHECK(p104_link_hold(link, (const uint8_t *)"first", 5, 7, round) == 0);
        CHECK(p104_link_next(link, &run, &data) == P104_COMMAND);
        CHECK(run.length == 5 && run.context_id == 7 && run.ends == round && memcmp(data, "first", 5) == 0);
    }
    CHECK(p104_link_next(link, &run, &data) == P104_COMMAND && run.length == 4 && data[0] == 'n' && run.ends);
    CHECK(p104_link_next(link, &run, &data) == P104_WOULD_BLOCK);
    CHECK(p104_link_hold(link, bytes, 0, 1, 1) == 0);
    CHECK(p104_link_next(link, &run, &data) == P104_COMMAND && run.length == 0 && run.ends);
    CHECK(p104_link_hold(link, bytes, 4, 1, 1) == 0);
    p104_link_free(link); /* with what nobody asked for */
}

static void test_interrupting(void)
{
    pair made = pair_new();
    p104_run run;
    transmit(made.peer, (const uint8_t *)"\7\0\0\0\0\4", 6);
    p104_link_interrupt(made.link);
    CHECK(p104_link_receive(made.link, 0) == -1);
    CHECK(next(made, &run) == P104_PDU_HEADER); /* the event loop reads on */
    pair_free(made);
}

/* Reading is given up: what is at hand is thrown away, and the reason stays. */
static void test_giving_up_reading(void)
{
    pair made = pair_new();
    p104_run run;
    CHECK(p104_link_feed(made.link, (const uint8_t *)"\7\0\0\0\0\4", 6) == 6);
    p104_link_fail(made.link, ENOMEM);
    for (int round = 0; round < 2; round++)
        CHECK(next(made, &run) == P104_FAULT_SOCKET && p104_link_errno(made.link) == ENOMEM);
    CHECK(p104_link_receive(made.link, 0) == -1 && p104_link_receives(made.link));
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
    test_a_full_buffer_takes_no_more();
    test_receiving_a_part();
    test_a_fault_leaves_the_link_before_it();
    test_what_is_put_back();
    test_interrupting();
    test_giving_up_reading();
    printf("test_link: 16 cases\n");
    return 0;
}
