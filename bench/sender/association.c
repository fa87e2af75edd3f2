#define _GNU_SOURCE
#include "association.h"

#include "encoding.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static _Noreturn void give_up(const char *why, size_t number)
{
    fprintf(stderr, "the acceptor %s %zu\n", why, number);
    exit(1);
}

/* ---- bytes ---- */

void transmit(const association *over, struct iovec *vector, int count)
{
    while (count > 0) {
        size_t sent = channel_write(over->through, over->socket, vector, count);
        while (count > 0 && sent >= vector->iov_len) {
            sent -= vector->iov_len;
            vector++;
            count--;
        }
        if (count > 0) {
            vector->iov_base = (uint8_t *)vector->iov_base + sent;
            vector->iov_len -= sent;
        }
    }
}

/* Have at least `need` bytes at hand. */
static uint8_t *at_hand(association *over, size_t need)
{
    if (need > INPUT_ROOM)
        give_up("sent a PDU too long, its length", need);
    if (over->start + need > INPUT_ROOM) {
        memmove(over->input, over->input + over->start, over->end - over->start);
        over->end -= over->start;
        over->start = 0;
    }
    while (over->end - over->start < need) {
        size_t got = channel_read(over->through, over->socket, over->input + over->end, INPUT_ROOM - over->end);
        if (got == 0)
            give_up("ended the connection; bytes missing:", need);
        setsockopt(over->socket, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
        over->end += got;
    }
    return over->input + over->start;
}

/* The next PDU's body, valid until the next call. It must be of `type`. */
static const uint8_t *read_pdu(association *over, int type, size_t *length)
{
    const uint8_t *header = at_hand(over, 6);
    if (header[0] != type)
        give_up("sent a PDU of type", header[0]);
    *length = read32(header + 2);
    const uint8_t *body = at_hand(over, 6 + *length) + 6;
    over->start += 6 + *length;
    if (over->start == over->end)
        over->start = over->end = 0;
    return body;
}

/* ---- negotiation ---- */

static size_t item_length(const uint8_t *item)
{
    return 4 + ((size_t)item[2] << 8 | item[3]);
}

/* What the A-ASSOCIATE-AC grants (PS3.8 9.3.3): a context that is accepted, maximum length and window. */
static void read_accept(association *made, const uint8_t *body, size_t length)
{
    made->maximum_length = 0;
    made->window = 1;
    for (size_t at = 68; at + 4 <= length;) {
        const uint8_t *item = body + at;
        if (item[0] == 0x21 && item[6] != 0)
            give_up("refused the presentation context, reason", item[6]);
        if (item[0] == 0x51)
            made->maximum_length = read32(item + 4);
        if (item[0] == 0x53)
            made->window = (uint32_t)item[4] << 8 | item[5];
        at += item[0] == 0x50 ? 4 : item_length(item); /* the user information's sub-items are walked too */
    }
}

association associate(const target *whom)
{
    association made = {.socket = socket(AF_INET, SOCK_STREAM, 0), .input = malloc(INPUT_ROOM)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)whom->port)};
    if (made.socket < 0 || !made.input || inet_pton(AF_INET, whom->host, &address.sin_addr) != 1)
        die("cannot make a socket");
    if (connect(made.socket, (struct sockaddr *)&address, sizeof address) < 0)
        die("cannot connect");
    setsockopt(made.socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    made.through = channel_open(made.socket);
    uint8_t request[REQUEST_ROOM];
    size_t length = encode_request(request, whom->called, whom->window);
    transmit(&made, &(struct iovec){request, length}, 1);
    const uint8_t *body = read_pdu(&made, 2, &length);
    read_accept(&made, body, length);
    return made;
}

void release(association *over)
{
    size_t length;
    transmit(over, &(struct iovec){"\5\0\0\0\0\4\0\0\0\0", 10}, 1);
    read_pdu(over, 6, &length);
    channel_close(over->through);
    close(over->socket);
    free(over->input);
}

/* ---- responses ---- */

/* Take status and message ID from a whole command set. */
static void read_elements(const uint8_t *command, size_t length, uint32_t *status, uint32_t *message_id)
{
    for (size_t at = 0; at + 10 <= length;) {
        const uint8_t *element = command + at;
        uint32_t value = element[8] | (uint32_t)element[9] << 8;
        if (element[2] == 0x20 && element[3] == 0x01)
            *message_id = value;
        if (element[2] == 0x00 && element[3] == 0x09)
            *status = value;
        at += 8 + (element[4] | (size_t)element[5] << 8);
    }
}

uint32_t read_response(association *over, uint32_t *message_id)
{
    uint8_t command[COMMAND_ROOM];
    uint32_t status = 0xffff;
    size_t used = 0;
    for (int last = 0; !last;) {
        size_t length;
        const uint8_t *body = read_pdu(over, 4, &length);
        if (length < 6 || used + length - 6 > sizeof command)
            give_up("sent a response too long, its length", length);
        memcpy(command + used, body + 6, length - 6);
        used += length - 6;
        last = body[5] & 2;
    }
    read_elements(command, used, &status, message_id);
    return status;
}
