/* courier.c - see courier.h. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "parcel.h"

#include "command.h"

enum {
    /* As the rest of port104 cuts where the peer states no maximum. */
    UNLIMITED = 256 * 1024,
    /* Of a peer that states more: each PDU costs both sides calls, and its receiver may not copy what is within one. */
    LONGEST = 1024 * 1024,
    BUFFER = UNLIMITED + P104_COMMAND_ROOM + 2 * P104_FRAGMENT_HEADER,
    /* Messages up to this are copied, several of them sent in one call; longer ones go from their file. */
    SHORT = 32 * 1024,
    /* Outstanding at the most: with that many on the way nobody waits, and their responses fit any socket's buffer. */
    MOST = 256,
    /* Made ready at one time: more would keep the peer waiting. */
    AHEAD = 8,
    /* A peer that takes longer than this to respond is waited for by the loop, which holds no thread for it. */
    PATIENCE_MS = 50,
    /* A fast peer responds within this: it is looked for, as to sleep and be woken takes both sides longer. */
    LINGER_MICROSECONDS = 100,
    NOT_FROM_FILES = -1, /* beside enum p104_courier_end */
};

typedef struct {
    p104_link *link;
    const p104_courier_terms *terms;
    p104_parcel *parcels;
    size_t count;    /* parcels that are to be sent; those before one that cannot be */
    size_t packed;   /* of them, those whose message is in the buffer, or was sent */
    size_t begun;    /* those whose message was sent, or a part of it */
    size_t answered; /* how many of these */
    size_t first;    /* the first of these that is not */
    size_t window;
    size_t room; /* bytes of a data set in one PDU */
    int file;    /* of parcels[packed], whose message is long; or -1 */
    int copies;  /* long messages go through the buffer too */
    int quick;   /* the last response came soon */
    int end;     /* why no more parcels are sent */
    size_t from; /* the buffer's bytes that are to be sent, the messages of [begun, packed) */
    size_t to;
    size_t ends[MOST]; /* where they end, each by its parcel's index */
    uint8_t buffer[BUFFER];
} courier;

/* ---- messages made ready ---- */

/* Send nothing more than was begun. */
static void stop(courier *self, int end)
{
    if (self->file >= 0)
        close(self->file);
    self->file = -1;
    self->count = self->packed;
    self->end = end;
}

/* Put the next message into the buffer, or have its file open where it is long. Returns 0: there is no more room. */
static int pack(courier *self)
{
    const p104_parcel *next = &self->parcels[self->packed];
    size_t needed = p104_message_length(next, self->room);
    if (needed <= SHORT && needed > BUFFER - self->to)
        return 0;
    int file = p104_parcel_open(next);
    uint8_t *end = NULL;
    if (file >= 0 && needed > SHORT) {
        posix_fadvise(file, 0, 0, POSIX_FADV_WILLNEED);
        self->file = file;
        return 0;
    }
    if (file >= 0) {
        end = p104_parcel_fill(self->buffer + self->to, self->room, next, file);
        close(file);
    }
    if (!end) {
        stop(self, P104_COURIER_FILE);
        return 0;
    }
    self->to = (size_t)(end - self->buffer);
    self->ends[self->packed++ % MOST] = self->to;
    return 1;
}

/* Make messages ready while the peer works. */
static void prepare(courier *self)
{
    if (self->begun == self->packed)
        self->from = self->to = 0;
    while (self->file < 0 && self->packed < self->count && self->packed - self->begun < AHEAD && pack(self))
        ;
}

/* ---- sending ---- */

/* Returns 1 once the socket is ready, 0 when that takes longer than PATIENCE_MS. */
static int is_ready(const p104_link *link, short events)
{
    struct pollfd one = {.fd = p104_link_socket(link), .events = events};
    return poll(&one, 1, PATIENCE_MS) > 0;
}

/* Whether the peer may still take bytes: it has not gone, and nobody has broken off. */
static int stands(p104_link *link)
{
    return p104_link_at_hand(link) > 0 || p104_link_receive(link, 0) >= 0;
}

/* Wait until the peer takes more. waited: milliseconds since it did; took: it has just done so. */
static int wait_for_room(courier *self, int took, int *waited)
{
    if (took)
        *waited = 0;
    if (is_ready(self->link, POLLOUT))
        return P104_COURIER_DONE;
    *waited += PATIENCE_MS;
    if (*waited >= self->terms->send_timeout)
        return P104_COURIER_STUCK;
    return stands(self->link) ? P104_COURIER_DONE : P104_COURIER_BROKEN;
}

/* more: what follows comes at once. */
static int send_bytes(courier *self, const uint8_t *bytes, size_t length, int more)
{
    int waited = 0;
    while (length > 0) {
        long took = p104_link_send_some(self->link, bytes, length, more);
        if (took < 0)
            return P104_COURIER_BROKEN;
        bytes += took;
        length -= (size_t)took;
        int result = length > 0 ? wait_for_room(self, took > 0, &waited) : P104_COURIER_DONE;
        if (result != P104_COURIER_DONE)
            return result;
    }
    return P104_COURIER_DONE;
}

static int send_from_file(courier *self, int file, off_t from, size_t length)
{
    int waited = 0;
    while (length > 0) {
        long took = p104_link_send_file(self->link, file, from, length);
        if (took == -EINVAL || took == -ENOSYS)
            return NOT_FROM_FILES;
        if (took < 0)
            return took == -ENODATA ? P104_COURIER_CUT : P104_COURIER_BROKEN;
        from += took;
        length -= (size_t)took;
        if (length > 0) /* send what is held back for more, which there is no room for */
            setsockopt(p104_link_socket(self->link), IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        int result = length > 0 ? wait_for_room(self, took > 0, &waited) : P104_COURIER_DONE;
        if (result != P104_COURIER_DONE)
            return result;
    }
    return P104_COURIER_DONE;
}

/* Send the head bytes in the buffer, and a fragment of the file behind them, through the buffer. */
static int send_copies(courier *self, size_t head, int file, off_t from, size_t length)
{
    int result = P104_COURIER_DONE;
    while (length > 0 && result == P104_COURIER_DONE) {
        uint8_t *at = self->buffer + head;
        size_t some = length < UNLIMITED ? length : UNLIMITED;
        if (!p104_read_whole(file, at, some, from))
            return P104_COURIER_CUT;
        at[some] = 0; /* pads the last ones: the others are an even number */
        result = send_bytes(self, self->buffer, head + some + some % 2, some < length);
        from += (off_t)some;
        length -= some;
        head = 0;
    }
    return result;
}

/* Send the head bytes in the buffer, and a fragment of the file behind them. */
static int send_fragment(courier *self, size_t head, int file, off_t from, size_t length)
{
    static const uint8_t zero = 0;
    if (!self->copies) {
        int result = send_bytes(self, self->buffer, head, length > 0);
        if (result == P104_COURIER_DONE)
            result = send_from_file(self, file, from, length);
        if (result == P104_COURIER_DONE)
            return send_bytes(self, &zero, length % 2, 0);
        if (result != NOT_FROM_FILES)
            return result;
        self->copies = 1; /* of this one nothing was sent from its file: a call that took some never says so after */
        head = 0;
    }
    return send_copies(self, head, file, from, length);
}

static int send_long(courier *self, const p104_parcel *parcel, int file)
{
    size_t left = p104_parcel_length(parcel);
    size_t head = parcel->command_length;
    off_t from = (off_t)parcel->data_set_at;
    memcpy(self->buffer, parcel->command, head);
    while (left > 0) {
        size_t fragment = left < self->room ? left : self->room;
        left -= fragment;
        p104_put_pdu_header(self->buffer + head, parcel->context_id, fragment + fragment % 2, left == 0);
        int result = send_fragment(self, head + P104_FRAGMENT_HEADER, file, from, fragment);
        if (result != P104_COURIER_DONE)
            return result;
        from += (off_t)fragment;
        head = 0;
    }
    return P104_COURIER_DONE;
}

/* Send what is ready, as far as the window has room. */
static int send_ready(courier *self)
{
    size_t left = self->window - (self->begun - self->answered);
    size_t ready = self->packed - self->begun;
    size_t several = left < ready ? left : ready;
    int result = P104_COURIER_DONE;
    if (several > 0) {
        size_t from = self->from;
        self->begun += several;
        self->from = self->ends[(self->begun - 1) % MOST];
        result = send_bytes(self, self->buffer + from, self->from - from, 0);
    }
    if (result == P104_COURIER_DONE && several < left && self->file >= 0) {
        int file = self->file;
        self->file = -1;
        self->begun = ++self->packed;
        result = send_long(self, &self->parcels[self->begun - 1], file);
        close(file);
    }
    return result;
}

/* ---- responses ---- */

static int64_t microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Receive what comes soon. Returns 0 where nothing does, or no more ever. */
static int receive_soon(courier *self)
{
    long came = p104_link_receive(self->link, 0);
    int64_t begun = microseconds();
    /* A peer that writes a response in two pieces holds the second back until the first is acknowledged. */
    setsockopt(p104_link_socket(self->link), IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    while (came == 0 && self->quick && microseconds() - begun < LINGER_MICROSECONDS) {
        sched_yield(); /* whoever wants this core goes first: it may be the peer */
        came = p104_link_receive(self->link, 0);
    }
    if (came == 0 && is_ready(self->link, POLLIN))
        came = p104_link_receive(self->link, 0);
    self->quick = microseconds() - begun < 2 * LINGER_MICROSECONDS;
    return came > 0;
}

/* Take a whole command set that is a plain response to one of those outstanding. Returns 0 where it is none. */
static int take_response(courier *self, const p104_run *run, const uint8_t *data)
{
    for (size_t index = self->first; run->ends && index < self->begun; index++) {
        p104_parcel *parcel = &self->parcels[index];
        if (parcel->answered || run->context_id != parcel->context_id
            || !p104_read_store_response(data, run->length, parcel->message_id, parcel->sop_instance,
                                         parcel->sop_instance_length, &parcel->status))
            continue;
        parcel->answered = 1;
        self->answered++;
        while (self->first < self->begun && self->parcels[self->first].answered)
            self->first++;
        return 1;
    }
    return 0;
}

/* Take the responses that are at hand, one at least. Returns 0 where no plain one came soon. */
static int take_responses(courier *self)
{
    p104_link *link = self->link;
    size_t before = self->answered;
    while (self->answered < self->begun) {
        p104_run run;
        const uint8_t *data;
        int result = p104_link_next_of(link, P104_COMMAND, &run, &data);
        if (result == P104_NEED_INPUT && self->answered > before)
            return 1;
        if (result == P104_NEED_INPUT && receive_soon(self))
            continue;
        if (result != P104_COMMAND)
            return 0;
        if (take_response(self, &run, data))
            continue;
        if (p104_link_hold(link, data, run.length, run.context_id, run.ends) < 0)
            p104_link_fail(link, ENOMEM);
        return 0;
    }
    return 1;
}

/* ---- all of them ---- */

static int deliver(courier *self)
{
    int64_t time_is_up = microseconds() + (int64_t)self->terms->time_limit * 1000;
    for (;;) {
        int result = send_ready(self);
        prepare(self);
        if (result == P104_COURIER_DONE)
            result = send_ready(self);
        if (result != P104_COURIER_DONE)
            return result;
        if (self->answered == self->begun && self->begun == self->count)
            return self->end;
        if (self->begun - self->answered < self->window && self->begun < self->count)
            continue;
        if (!take_responses(self))
            return P104_COURIER_RESPONSE;
        if (microseconds() > time_is_up && self->begun < self->count) {
            self->packed = self->begun;
            stop(self, P104_COURIER_TIME);
        }
    }
}

size_t p104_courier(p104_link *link, p104_parcel *parcels, size_t count, const p104_courier_terms *terms, int *end)
{
    uint32_t longest = terms->peer_maximum_length;
    if (longest == 0)
        longest = UNLIMITED;
    if (longest > LONGEST)
        longest = LONGEST;
    courier *self = malloc(sizeof *self);
    *end = P104_COURIER_FILE;
    if (!self)
        return 0;
    *self = (courier){.link = link, .terms = terms, .parcels = parcels, .count = count, .file = -1, .quick = 1,
                      .window = terms->window < MOST ? terms->window : MOST,
                      .room = (longest - P104_PDV_OVERHEAD) & ~(size_t)1};
    *end = deliver(self);
    size_t begun = self->begun;
    if (self->file >= 0)
        close(self->file);
    free(self);
    return begun;
}
