/* peer.h - the other end of a link: a socket pair, and messages to send through it. */

#ifndef P104_PEER_H
#define P104_PEER_H

#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "pdata.h"

#include "link.h"

#include "check.h"

typedef struct {
    int peer;
    int ours;
    p104_link *link;
} pair;

static inline pair pair_of(int peer, int ours)
{
    CHECK(fcntl(ours, F_SETFL, O_NONBLOCK) == 0);
    pair made = {peer, ours, p104_link_new(ours, ours)};
    CHECK(made.link);
    p104_link_establish(made.link, 0);
    return made;
}

static inline pair pair_new(void)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    return pair_of(ends[0], ends[1]);
}

/* Over the loopback interface, for what a socket pair does not do. */
static inline pair pair_new_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    CHECK(connect(peer, (struct sockaddr *)&address, size) == 0);
    int ours = accept(listener, NULL, NULL);
    close(listener);
    return pair_of(peer, ours);
}

static inline void pair_free(pair made)
{
    p104_link_free(made.link);
    close(made.peer);
    close(made.ours);
}

/* A P-DATA-TF PDU with one PDV of length bytes `fill`. Returns its size. */
static inline size_t pdu(uint8_t *out, uint8_t control, uint8_t fill, uint32_t length)
{
    uint32_t lengths[2] = {length + 6, length + 2};
    memset(out, 0, 12);
    out[0] = 4;
    for (int index = 0; index < 4; index++) {
        out[2 + index] = (uint8_t)(lengths[0] >> (24 - 8 * index));
        out[6 + index] = (uint8_t)(lengths[1] >> (24 - 8 * index));
    }
    out[10] = 1;
    out[11] = control;
    memset(out + 12, fill, length);
    return 12 + (size_t)length;
}

static inline void transmit(int socket, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(socket, bytes, length, MSG_NOSIGNAL);
        CHECK(sent > 0);
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* Send a command and have the link read it: it expects the data set from then on. */
static inline void command(pair made)
{
    uint8_t bytes[64];
    p104_run run;
    const uint8_t *data;
    int result;
    transmit(made.peer, bytes, pdu(bytes, 3, 'c', 8));
    while ((result = p104_link_next(made.link, &run, &data)) == P104_WOULD_BLOCK)
        ;
    CHECK(result == P104_COMMAND && run.ends && run.length == 8 && data[0] == 'c');
    p104_link_expect_data_set(made.link);
}

#endif
