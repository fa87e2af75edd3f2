/* channel.h - what a sender's bytes go through: a TCP socket itself (channel_plain.c), or TLS over it (channel_tls.c).
 * One of the two is linked. Both block. Every failure ends the process with a message. */

#ifndef CHANNEL_H
#define CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef struct channel channel;

/* Begin on a connected socket, which stays the caller's. May be NULL where there is nothing to remember. */
channel *channel_open(int socket);

/* Send at least a byte of `vector`; returns how many. */
size_t channel_write(channel *through, int socket, const struct iovec *vector, int count);

/* Receive at least a byte, at most `room`; 0: the peer ended the connection. */
size_t channel_read(channel *through, int socket, uint8_t *into, size_t room);

void channel_close(channel *through);

#endif
