/* link_inside.h - what the rooms of a link share: link.c (its life, receiving) and link_sending.c. For C only: cffi does not
 * read this. */

#ifndef P104_LINK_INSIDE_H
#define P104_LINK_INSIDE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pdata.h"

#include "link.h"

struct p104_link {
    int receive_from;
    int send_to;
    p104_channel channel; /* without functions: the sockets themselves */
    int receive_errno; /* sticky */
    int drained;       /* the last receive emptied the socket: wait before receiving again */
    int end_of_stream;
    int discarding;
    atomic_int interrupted;
    atomic_uint_fast64_t received; /* bytes; written by whoever has the link, read by anyone, as the next */
    atomic_int owed;
    p104_scanner scanner;
    uint8_t *buffer; /* NULL when idle */
    size_t position; /* next byte to scan */
    size_t end;      /* past the last byte received */
    uint8_t *held;   /* command set bytes that were put back, or NULL */
    size_t held_length;
    uint8_t held_context;
    int held_ends;
    int held_given;

    pthread_mutex_t lock; /* guards what follows: responses come from several threads */
    uint8_t *queue;
    size_t queue_start;
    size_t queue_end;
    size_t queue_size;
    int send_errno; /* sticky: after a part of a PDU was lost, nothing more may be sent */
};

/* The result of a channel's function as recv and send give it. */
static inline ssize_t with_errno(long result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

#endif
