/* The link: whatever threads send and a full socket delays, the peer gets whole PDUs in order. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "peer.h"

static void test_what_a_full_socket_does_not_take_follows_in_order(void)
{
    pair made = pair_new();
    enum { PIECE = 1000 };
    uint8_t piece[PIECE];
    unsigned sent = 0;
    int result = 0;
    while (p104_link_unsent(made.link) < 5 * PIECE) {
        memset(piece, (int)(sent++ & 0xff), sizeof piece);
        result = p104_link_send(made.link, piece, sizeof piece);
        CHECK(result == 0);
    }
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

/* A byte that tells its place in the stream. */
static uint8_t byte_at(size_t place)
{
    return (uint8_t)((uint32_t)place * 2654435761u >> 24);
}

/* As an event loop does: flush when the socket takes more, until the peer has received something. */
static void flush_and_receive(pair made, size_t *received, size_t length)
{
    static uint8_t bytes[64 * 1024];
    struct pollfd either[] = {{.fd = made.peer, .events = POLLIN}, {.fd = made.ours, .events = 0}};
    ssize_t got = -1;
    while (got < 0) {
        either[1].events = p104_link_unsent(made.link) > 0 ? POLLOUT : 0;
        CHECK(poll(either, 2, 10000) > 0);
        CHECK(p104_link_flush(made.link) >= 0);
        got = recv(made.peer, bytes, length, MSG_DONTWAIT);
        CHECK(got > 0 || (got < 0 && errno == EAGAIN));
    }
    for (ssize_t at = 0; at < got; at++)
        CHECK(bytes[at] == byte_at((*received)++));
}

/* Over TCP, which takes parts: the queue is cut anywhere in a PDU, and grows behind its half-sent start. */
static void test_a_slow_peer_gets_all_in_order(void)
{
    enum { PIECE = 5000, SLOWER = 4000 };
    pair made = pair_new_tcp();
    size_t sent = 0;
    size_t received = 0;
    int grew = 0;
    CHECK(setsockopt(made.ours, SOL_SOCKET, SO_SNDBUF, &(int){8192}, sizeof(int)) == 0);
    while (grew < 100) {
        uint8_t piece[PIECE];
        for (size_t at = 0; at < PIECE; at++)
            piece[at] = byte_at(sent++);
        CHECK(p104_link_send(made.link, piece, PIECE) == 0);
        if (p104_link_unsent(made.link) == 0)
            continue;
        grew++;
        while (p104_link_unsent(made.link) > 200 * 1024)
            flush_and_receive(made, &received, SLOWER);
    }
    while (received < sent)
        flush_and_receive(made, &received, SLOWER);
    CHECK(p104_link_unsent(made.link) == 0);
    pair_free(made);
}

/* Exactly as many bytes are queued as are allowed. */
static void test_the_limit_of_the_queue(void)
{
    p104_link *link = p104_link_new(-1, -1); /* queued, and never sent */
    static uint8_t piece[128 * 1024];
    CHECK(p104_link_send(link, piece, sizeof piece) == 0);
    CHECK(p104_link_send(link, piece, sizeof piece) == 0);
    CHECK(p104_link_unsent(link) == 256 * 1024);
    CHECK(p104_link_flush(link) == 1);
    CHECK(p104_link_send(link, piece, 1) == -ENOBUFS);
    CHECK(p104_link_unsent(link) == 256 * 1024);
    p104_link_free(link);
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

enum { ANSWERS = 500, ANSWER = 100 };

typedef struct {
    p104_link *link;
    uint8_t fill;
} answerer;

static void *answer(void *argument)
{
    const answerer *own = argument;
    uint8_t bytes[ANSWER];
    memset(bytes, own->fill, sizeof bytes);
    for (int count = 0; count < ANSWERS; count++)
        CHECK(p104_link_send(own->link, bytes, sizeof bytes) == 0);
    return NULL;
}

/* Threads that answer on one link while it is flushed never mix their PDUs. */
static void test_answers_of_many_threads_stay_whole(void)
{
    enum { THREADS = 4 };
    pair made = pair_new();
    CHECK(setsockopt(made.ours, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)) == 0);
    pthread_t threads[THREADS];
    answerer answerers[THREADS];
    int counts[THREADS] = {0};
    for (int index = 0; index < THREADS; index++) {
        answerers[index] = (answerer){made.link, (uint8_t)index};
        CHECK(pthread_create(&threads[index], NULL, answer, &answerers[index]) == 0);
    }
    struct pollfd readable = {.fd = made.peer, .events = POLLIN};
    uint8_t bytes[ANSWER];
    size_t got = 0;
    for (int left = THREADS * ANSWERS; left > 0;) {
        CHECK(p104_link_flush(made.link) >= 0);
        if (poll(&readable, 1, 1) != 1)
            continue;
        ssize_t some = recv(made.peer, bytes + got, sizeof bytes - got, 0);
        CHECK(some > 0);
        got += (size_t)some;
        if (got < sizeof bytes)
            continue;
        for (size_t at = 1; at < sizeof bytes; at++)
            CHECK(bytes[at] == bytes[0]);
        counts[bytes[0]]++;
        got = 0;
        left--;
    }
    for (int index = 0; index < THREADS; index++) {
        pthread_join(threads[index], NULL);
        CHECK(counts[index] == ANSWERS);
    }
    CHECK(p104_link_unsent(made.link) == 0);
    pair_free(made);
}

int main(void)
{
    test_what_a_full_socket_does_not_take_follows_in_order();
    test_a_slow_peer_gets_all_in_order();
    test_the_limit_of_the_queue();
    test_a_peer_that_never_reads_is_found_out();
    test_a_peer_that_is_gone_is_told();
    test_answers_of_many_threads_stay_whole();
    printf("test_link_sending: 6 cases\n");
    return 0;
}
