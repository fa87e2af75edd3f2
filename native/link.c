/* link.c - see link.h. Receives into pooled buffers, and scans them; link_sending.c sends. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "link_inside.h"

#include "buffers.h"

/* ---- the receive buffer ---- */

static void release_buffer(p104_link *link)
{
    if (link->buffer)
        p104_buffer_give_back(link->buffer);
    link->buffer = NULL;
    link->position = link->end = 0;
}

/* Make room at the buffer's end. Scanned bytes are dropped: no run outlives the next call. */
static int prepare_buffer(p104_link *link)
{
    if (!link->buffer) {
        link->buffer = p104_buffer_take();
        return link->buffer ? 0 : -1;
    }
    if (link->position > 0) {
        memmove(link->buffer, link->buffer + link->position, link->end - link->position);
        link->end -= link->position;
        link->position = 0;
    }
    return 0;
}

/* ---- life ---- */

p104_link *p104_link_new(int receive_from, int send_to)
{
    p104_link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->receive_from = receive_from;
    link->send_to = send_to;
    pthread_mutex_init(&link->lock, NULL);
    return link;
}

void p104_link_free(p104_link *link)
{
    release_buffer(link);
    free(link->queue);
    free(link->held);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

void p104_link_channel(p104_link *link, const p104_channel *channel)
{
    link->channel = *channel;
}

void p104_link_end(p104_link *link)
{
    link->end_of_stream = 1;
}

void p104_link_interrupt(p104_link *link)
{
    atomic_store(&link->interrupted, 1);
}

uint64_t p104_link_received(const p104_link *link)
{
    return atomic_load_explicit(&link->received, memory_order_relaxed);
}

int p104_link_owed(const p104_link *link)
{
    return atomic_load_explicit(&link->owed, memory_order_relaxed);
}

void p104_link_discard(p104_link *link)
{
    link->discarding = 1;
}

void p104_link_establish(p104_link *link, uint32_t maximum_length)
{
    p104_scanner_establish(&link->scanner, maximum_length);
}

void p104_link_expect_data_set(p104_link *link)
{
    p104_scanner_expect_data_set(&link->scanner);
}

int p104_link_in_message(const p104_link *link)
{
    return link->scanner.expectation != P104_EXPECT_MESSAGE || link->scanner.in_pdv;
}

int p104_link_errno(const p104_link *link)
{
    return link->receive_errno;
}

/* ---- receiving ---- */

static void count_received(p104_link *link, size_t length)
{
    atomic_store_explicit(&link->received, p104_link_received(link) + length, memory_order_relaxed);
}

long p104_link_feed(p104_link *link, const uint8_t *input, size_t length)
{
    if (prepare_buffer(link) < 0)
        return -1;
    size_t room = P104_BUFFER_SIZE - link->end;
    size_t taken = length < room ? length : room;
    memcpy(link->buffer + link->end, input, taken);
    link->end += taken;
    count_received(link, taken);
    return (long)taken;
}

/* A peer may write a PDU's header and body apart, or a command set and its data set, and by Nagle's algorithm
 * hold the second back until the first is acknowledged; the kernel would delay that by 40 ms. While the peer
 * owes us the rest, it must not. */
static void acknowledge_now(const p104_link *link)
{
    if (p104_link_owed(link) && link->receive_from >= 0)
        setsockopt(link->receive_from, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
}

static ssize_t receive_some(const p104_link *link, uint8_t *into, size_t room)
{
    const p104_channel *channel = &link->channel;
    if (channel->receive)
        return with_errno(channel->receive(channel->handle, into, room));
    return recv(link->receive_from, into, room, MSG_DONTWAIT);
}

/* What a receiving call came to: bytes, 0 for none now, -1 for the end or an error. */
static long received(p104_link *link, ssize_t got)
{
    if (got > 0) {
        count_received(link, (size_t)got);
        return got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (got < 0)
        link->receive_errno = errno;
    else
        link->end_of_stream = 1;
    return -1;
}

/* One recv into the buffer's free end. */
static long receive_once(p104_link *link, size_t limit)
{
    if (link->end_of_stream || link->receive_errno)
        return -1;
    if (prepare_buffer(link) < 0) {
        link->receive_errno = ENOMEM;
        return -1;
    }
    size_t room = P104_BUFFER_SIZE - link->end;
    if (limit > 0 && limit < room)
        room = limit;
    ssize_t got;
    do
        got = receive_some(link, link->buffer + link->end, room);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        link->end += (size_t)got;
        link->drained = (size_t)got < room;
    }
    return received(link, got);
}

size_t p104_link_at_hand(const p104_link *link)
{
    return link->end - link->position;
}

int p104_link_socket(const p104_link *link)
{
    return link->receive_from;
}

int p104_link_receives(const p104_link *link)
{
    return link->receive_from >= 0 || link->end_of_stream || link->receive_errno != 0;
}

void p104_link_rest(p104_link *link)
{
    const p104_scanner *scanner = &link->scanner;
    int owed = scanner->header_used > 0 || scanner->pdu_left > 0 || p104_link_in_message(link);
    atomic_store_explicit(&link->owed, owed, memory_order_relaxed);
    release_buffer(link);
    acknowledge_now(link);
}

void p104_link_fail(p104_link *link, int error)
{
    link->receive_errno = error;
    link->position = link->end;
}

long p104_link_receive(p104_link *link, size_t limit)
{
    return atomic_load(&link->interrupted) ? -1 : receive_once(link, limit);
}

size_t p104_link_spliceable(const p104_link *link)
{
    int possible = link->receive_from >= 0 && !link->channel.receive && link->position == link->end && !link->discarding;
    return possible ? p104_scanner_passable(&link->scanner) : 0;
}

long p104_link_splice(p104_link *link, int pipe, size_t limit, p104_run *run)
{
    size_t passable = p104_link_spliceable(link);
    size_t length = limit < passable ? limit : passable;
    if (link->end_of_stream || link->receive_errno || atomic_load(&link->interrupted))
        return -1;
    ssize_t got;
    do
        got = splice(link->receive_from, NULL, pipe, NULL, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        p104_scanner_pass(&link->scanner, (uint32_t)got, run);
    return received(link, got);
}

int p104_link_hold(p104_link *link, const uint8_t *bytes, size_t length, uint8_t context_id, int ends)
{
    free(link->held);
    link->held = malloc(length > 0 ? length : 1);
    if (!link->held)
        return -1;
    link->held_given = 0;
    memcpy(link->held, bytes, length);
    link->held_length = length;
    link->held_context = context_id;
    link->held_ends = ends;
    return 0;
}

enum { ANY_KIND = 0 };

/* Scan the bytes at hand. A fault or a result of another kind leaves the link as it was. */
static int scan(p104_link *link, int kind, p104_run *run, const uint8_t **data)
{
    if (link->discarding)
        link->position = link->end;
    if (link->position == link->end)
        return P104_NEED_INPUT;
    p104_scanner before = link->scanner;
    const uint8_t *input = link->buffer + link->position;
    int result = p104_scan(&link->scanner, input, link->end - link->position, run);
    if (result < 0 || (kind != ANY_KIND && result != kind && result != P104_NEED_INPUT)) {
        link->scanner = before;
        return result;
    }
    *data = input + run->offset;
    link->position += run->consumed;
    return result;
}

int p104_link_next_of(p104_link *link, int kind, p104_run *run, const uint8_t **data)
{
    return scan(link, kind, run, data);
}

/* Nothing is at hand and nothing comes now: say why, and keep no buffer meanwhile. */
static int idle(p104_link *link)
{
    p104_link_rest(link);
    if (link->receive_errno)
        return P104_FAULT_SOCKET;
    return link->end_of_stream ? P104_END_OF_STREAM : P104_WOULD_BLOCK;
}

/* Give what was put back. It stays where it is until the call after, as every run does. */
static int give_held(p104_link *link, p104_run *run, const uint8_t **data)
{
    *run = (p104_run){.length = link->held_length, .context_id = link->held_context,
                      .ends = (uint8_t)link->held_ends};
    *data = link->held;
    link->held_given = 1;
    return P104_COMMAND;
}

int p104_link_next(p104_link *link, p104_run *run, const uint8_t **data)
{
    if (link->held && !link->held_given)
        return give_held(link, run, data);
    free(link->held);
    link->held = NULL;
    link->held_given = 0;
    for (;;) {
        int result = scan(link, ANY_KIND, run, data);
        if (result != P104_NEED_INPUT)
            return result;
        if (link->drained || link->receive_from < 0) {
            link->drained = 0;
            return idle(link);
        }
        if (receive_once(link, 0) <= 0)
            return idle(link);
    }
}
