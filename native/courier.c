/* courier.c - see courier.h. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pdata.h"

#include "link.h"

#include "command.h"

#include "courier.h"

enum {
    P_DATA_TF = 4,
    HEADER = 12,      /* of a PDU with one PDV (PS3.8 9.3.5) */
    PDV_OVERHEAD = 6, /* of it, what the PDU's length counts */
    IS_LAST = 2,      /* PS3.8 E.2 */
    /* As the rest of port104 cuts where the peer states no maximum. */
    UNLIMITED = 256 * 1024,
    /* A peer that takes longer than this to respond is waited for by the loop, which holds no thread for it. */
    PATIENCE_MS = 50,
};

typedef struct {
    uint8_t *bytes;
    size_t size;
    size_t length; /* 0: there is none */
} message;

typedef struct {
    p104_link *link;
    message messages[2]; /* the one that is sent, and the next one, which is read while the peer works */
    size_t room;         /* bytes of a data set in one PDU */
    int send_timeout;
} courier;

/* ---- the message ---- */

static void put_big_32(uint8_t *at, size_t number)
{
    for (int index = 0; index < 4; index++)
        at[index] = (uint8_t)(number >> (24 - 8 * index));
}

static void put_pdu_header(uint8_t *at, uint8_t context_id, size_t fragment, int last)
{
    at[0] = P_DATA_TF;
    at[1] = 0;
    put_big_32(at + 2, fragment + PDV_OVERHEAD);
    put_big_32(at + 6, fragment + 2);
    at[10] = context_id;
    at[11] = (uint8_t)(last ? IS_LAST : 0);
}

static int read_whole(int file, uint8_t *into, size_t length, off_t from)
{
    while (length > 0) {
        ssize_t got = pread(file, into, length, from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        into += got;
        length -= (size_t)got;
        from += got;
    }
    return 1;
}

/* Fill the message with the data set as PDUs, behind the command. Returns its length, or 0. */
static size_t fill(const message *into, size_t room, const p104_parcel *parcel, int file)
{
    size_t left = (size_t)(parcel->size - parcel->data_set_at);
    off_t from = (off_t)parcel->data_set_at;
    uint8_t *at = into->bytes + parcel->command_length;
    memcpy(into->bytes, parcel->command, parcel->command_length);
    do {
        size_t fragment = left < room ? left : room;
        if (!read_whole(file, at + HEADER, fragment, from))
            return 0;
        from += (off_t)fragment;
        left -= fragment;
        if (fragment % 2) /* only the last one is (PS3.8 E.1); a deflated data set may need it (PS3.5 A.5) */
            at[HEADER + fragment++] = 0;
        put_pdu_header(at, parcel->context_id, fragment, left == 0);
        at += HEADER + fragment;
    } while (left > 0);
    return (size_t)(at - into->bytes);
}

static int make_room(message *into, size_t room, const p104_parcel *parcel)
{
    size_t data_set = (size_t)(parcel->size - parcel->data_set_at);
    size_t needed = parcel->command_length + data_set + 1 + (data_set / room + 1) * HEADER;
    if (needed <= into->size)
        return 1;
    uint8_t *larger = realloc(into->bytes, needed);
    if (!larger)
        return 0;
    into->bytes = larger;
    into->size = needed;
    return 1;
}

static int is_the_same(int file, const p104_parcel *parcel)
{
    struct stat status;
    if (fstat(file, &status) < 0)
        return 0;
    int64_t modified = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    return status.st_size == parcel->size && modified == parcel->modified;
}

/* Make parcel's message; its length stays 0 where that cannot be. */
static void pack(message *into, size_t room, const p104_parcel *parcel)
{
    int64_t length = parcel->size - parcel->data_set_at;
    into->length = 0;
    if (length < 0 || length > P104_COURIER_LONGEST || !make_room(into, room, parcel))
        return;
    int file = open(parcel->path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    if (is_the_same(file, parcel))
        into->length = fill(into, room, parcel, file);
    close(file);
}

/* ---- the connection ---- */

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

static int send_message(courier *self, const message *sent)
{
    size_t at = 0;
    int waited = 0;
    while (at < sent->length) {
        long took = p104_link_send_some(self->link, sent->bytes + at, sent->length - at);
        if (took < 0)
            return P104_COURIER_BROKEN;
        at += (size_t)took;
        waited = took > 0 ? 0 : waited;
        if (at == sent->length || is_ready(self->link, POLLOUT))
            continue;
        waited += PATIENCE_MS;
        if (waited >= self->send_timeout)
            return P104_COURIER_STUCK;
        if (!stands(self->link))
            return P104_COURIER_BROKEN;
    }
    return P104_COURIER_DONE;
}

/* Take the response to parcel. Returns 1, or 0 where no plain one came soon. */
static int take_response(const courier *self, p104_parcel *parcel)
{
    p104_link *link = self->link;
    p104_run run;
    const uint8_t *data;
    int result;
    while ((result = p104_link_next_of(link, P104_COMMAND, &run, &data)) == P104_NEED_INPUT) {
        /* A peer that writes a response in two pieces holds the second back until the first is acknowledged. */
        setsockopt(p104_link_socket(link), IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
        if (!is_ready(link, POLLIN) || p104_link_receive(link, 0) < 0)
            return 0;
    }
    if (result != P104_COMMAND)
        return 0;
    if (run.ends && run.context_id == parcel->context_id
        && p104_read_store_response(data, run.length, parcel->message_id, parcel->sop_instance,
                                    parcel->sop_instance_length, &parcel->status))
        return 1;
    if (p104_link_hold(link, data, run.length, run.context_id, run.ends) < 0)
        p104_link_fail(link, ENOMEM);
    return 0;
}

/* ---- all of them ---- */

/* Send the packed message of parcel, pack that of next meanwhile, and take the response. */
static int deliver(courier *self, p104_parcel *parcel, const message *packed, const p104_parcel *next, message *spare)
{
    if (packed->length == 0)
        return P104_COURIER_FILE;
    int sent = send_message(self, packed);
    if (sent != P104_COURIER_DONE)
        return sent;
    if (next)
        pack(spare, self->room, next);
    return take_response(self, parcel) ? P104_COURIER_DONE : P104_COURIER_RESPONSE;
}

size_t p104_courier(p104_link *link, p104_parcel *parcels, size_t count, uint32_t peer_maximum_length, int send_timeout,
                    int *end)
{
    uint32_t longest = peer_maximum_length == 0 || peer_maximum_length > UNLIMITED ? UNLIMITED : peer_maximum_length;
    courier self = {.link = link, .room = (longest - PDV_OVERHEAD) & ~(size_t)1, .send_timeout = send_timeout};
    *end = P104_COURIER_DONE;
    if (count > 0)
        pack(&self.messages[0], self.room, &parcels[0]);
    size_t done = 0;
    while (done < count) {
        const p104_parcel *next = done + 1 < count ? &parcels[done + 1] : NULL;
        *end = deliver(&self, &parcels[done], &self.messages[done % 2], next, &self.messages[(done + 1) % 2]);
        if (*end != P104_COURIER_DONE)
            break;
        done++;
    }
    free(self.messages[0].bytes);
    free(self.messages[1].bytes);
    return done;
}
