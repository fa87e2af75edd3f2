/* The channel between TLS and the link, with a session played here: what stays behind, what ends, what waits. */

#include <errno.h>

#include "peer.h"

#include "tls.h"

enum { RECORD = 16 * 1024, WANT_READ = 2, WANT_WRITE = 3, ZERO_RETURN = 6 };

/* A session whose records come in turn. A length of 0 or less is a call that gives none, and why. */
typedef struct {
    const int *turns;
    int why;
    int cleared;
    int written;
    uint8_t next;
} session;

static session *current;

static int play_read(void *handle, void *into, int room)
{
    session *played = handle;
    CHECK(played->cleared);
    played->cleared = 0;
    int length = *played->turns++;
    if (length <= 0) {
        played->why = -length;
        return length == 0 ? 0 : -1;
    }
    CHECK(room >= length);
    memset(into, played->next++, (size_t)length);
    return length;
}

static int play_write(void *handle, const void *bytes, int length)
{
    session *played = handle;
    (void)bytes;
    CHECK(played->cleared);
    played->cleared = 0;
    int taken = *played->turns++;
    if (taken <= 0) {
        played->why = -taken;
        return -1;
    }
    played->written += taken < length ? taken : length;
    return taken < length ? taken : length;
}

static int play_get_error(const void *handle, int result)
{
    const session *played = handle;
    CHECK(result <= 0);
    return played->why;
}

static void play_clear_error(void)
{
    current->cleared = 1;
}

static const p104_openssl PLAYED = {play_read, play_write, play_get_error, play_clear_error};

static p104_tls *begin(session *played, const int *turns, int socket)
{
    *played = (session){.turns = turns};
    current = played;
    p104_tls *tls = p104_tls_new(&PLAYED, played, socket);
    CHECK(tls);
    return tls;
}

static long receive(const int *turns, size_t room)
{
    session played;
    guarded memory = guarded_new(room);
    uint8_t *into = memory.pages + memory.size - room;
    p104_tls *tls = begin(&played, turns, -1);
    long got = p104_tls_receive(tls, into, room);
    p104_tls_free(tls);
    return got;
}

static void test_records_are_taken_until_one_is_not_full(void)
{
    CHECK(receive((int[]){RECORD, RECORD, 5, RECORD}, 10 * RECORD) == 2 * RECORD + 5);
    CHECK(receive((int[]){7, RECORD}, 10 * RECORD) == 7);
}

static void test_a_record_is_never_taken_in_part(void)
{
    CHECK(receive((int[]){RECORD, RECORD, RECORD}, 3 * RECORD - 1) == 2 * RECORD);
}

static void test_nothing_now_is_not_the_end(void)
{
    CHECK(receive((int[]){-WANT_READ}, RECORD) == -EAGAIN);
    CHECK(receive((int[]){-WANT_WRITE}, RECORD) == -EAGAIN);
    CHECK(receive((int[]){RECORD, -WANT_READ}, 4 * RECORD) == RECORD);
}

static void test_every_end_is_the_end(void)
{
    for (int why = 0; why <= ZERO_RETURN; why++)
        if (why != WANT_READ && why != WANT_WRITE)
            CHECK(receive((int[]){-why}, RECORD) == 0);
}

static void test_bytes_before_the_end_come_first_and_the_socket_tells_of_it(void)
{
    int ends[2];
    uint8_t room[2 * RECORD];
    uint8_t byte;
    session played;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    p104_tls *tls = begin(&played, (int[]){RECORD, -ZERO_RETURN, -ZERO_RETURN}, ends[0]);
    CHECK(recv(ends[0], &byte, 1, 0) < 0);
    CHECK(p104_tls_receive(tls, room, sizeof room) == RECORD);
    CHECK(recv(ends[0], &byte, 1, 0) == 0);
    CHECK(p104_tls_receive(tls, room, sizeof room) == 0);
    p104_tls_free(tls);
    close(ends[0]);
    close(ends[1]);
}

static long send_of(const int *turns, size_t length)
{
    static uint8_t bytes[100];
    session played;
    p104_tls *tls = begin(&played, turns, -1);
    long sent = p104_tls_send(tls, bytes, length);
    CHECK(sent < 0 || sent == played.written);
    p104_tls_free(tls);
    return sent;
}

static void test_sending_tells_how_much_and_whether_to_wait(void)
{
    CHECK(send_of((int[]){100}, 80) == 80);
    CHECK(send_of((int[]){30}, 80) == 30);
    CHECK(send_of((int[]){-WANT_WRITE}, 80) == -EAGAIN);
    CHECK(send_of((int[]){-WANT_READ}, 80) == -EAGAIN);
    CHECK(send_of((int[]){-1}, 80) == -EPIPE);
}

/* One A-RELEASE-RQ over records, and what a link answers. */
static void test_a_link_receives_and_sends_through_it(void)
{
    pair made = pair_new();
    session played;
    p104_run run;
    const uint8_t *data;
    p104_tls *tls = begin(&played, (int[]){10, -WANT_READ, 4, -WANT_WRITE, 4, 4, -ZERO_RETURN}, made.ours);
    played.next = 9; /* an unknown PDU type, which is the association's to judge */
    p104_tls_secure(tls, made.link);
    CHECK(p104_link_next(made.link, &run, &data) == P104_PDU_HEADER);
    CHECK(run.pdu_type == 9);
    p104_link_discard(made.link);
    CHECK(p104_link_next(made.link, &run, &data) == P104_WOULD_BLOCK);
    CHECK(p104_link_next(made.link, &run, &data) == P104_WOULD_BLOCK);
    CHECK(p104_link_spliceable(made.link) == 0);
    CHECK(p104_link_send(made.link, (const uint8_t *)"12345678", 8) == 0);
    CHECK(p104_link_unsent(made.link) == 4);
    CHECK(p104_link_flush(made.link) == 0);
    CHECK(played.written == 8);
    p104_tls_free(tls);
    pair_free(made);
}

int main(void)
{
    test_records_are_taken_until_one_is_not_full();
    test_a_record_is_never_taken_in_part();
    test_nothing_now_is_not_the_end();
    test_every_end_is_the_end();
    test_bytes_before_the_end_come_first_and_the_socket_tells_of_it();
    test_sending_tells_how_much_and_whether_to_wait();
    test_a_link_receives_and_sends_through_it();
    return 0;
}
