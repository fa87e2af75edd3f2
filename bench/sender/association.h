/* association.h - one association of a storage SCU, by blocking calls.
 *
 * Made to cost little and to owe the acceptor nothing: what is sent goes out in one write with TCP_NODELAY, what
 * comes is read by one call however many responses it holds, and is acknowledged at once (TCP_QUICKACK), so that no
 * acceptor waits for a delayed acknowledgement. Every failure ends the process with a message. */

#ifndef ASSOCIATION_H
#define ASSOCIATION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "channel.h"

enum { INPUT_ROOM = 64 * 1024 };

typedef struct {
    int socket;
    channel *through;
    uint32_t maximum_length; /* that the acceptor receives; 0: unlimited */
    uint32_t window;         /* operations that it lets be outstanding; 0: unlimited */
    uint8_t *input;          /* received, not yet read: [start, end) */
    size_t start;
    size_t end;
} association;

typedef struct {
    const char *host;
    int port;
    const char *called;
    uint32_t window; /* proposed */
} target;

association associate(const target *whom);

/* Send all of `vector`, which is changed. */
void transmit(const association *over, struct iovec *vector, int count);

/* Read one C-STORE-RSP, of as many PDUs as it takes. Returns its status; *message_id is whom it answers. */
uint32_t read_response(association *over, uint32_t *message_id);

/* Release, wait for the answer, close. */
void release(association *over);

_Noreturn void die(const char *what);

#endif
