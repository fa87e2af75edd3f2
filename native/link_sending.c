/* link_sending.c - what a link sends: at once as far as the socket takes it, and the rest from a queue. */

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "link_inside.h"

enum {
    /* Responses are some 200 bytes: a peer that leaves a thousand of them unread has stopped reading. */
    QUEUE_LIMIT = 256 * 1024,
};

static ssize_t send_once(const p104_link *link, const uint8_t *bytes, size_t length, int more)
{
    const p104_channel *channel = &link->channel;
    if (channel->send)
        return with_errno(channel->send(channel->handle, bytes, length));
    return send(link->send_to, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

/* Send from bytes on; returns how many the socket took, or -errno. */
static long send_some(const p104_link *link, const uint8_t *bytes, size_t length, int more)
{
    size_t sent = 0;
    while (sent < length && link->send_to >= 0) {
        ssize_t n = send_once(link, bytes + sent, length - sent, more);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            return -errno;
    }
    return (long)sent;
}

static int queue_append(p104_link *link, const uint8_t *bytes, size_t length)
{
    size_t waiting = link->queue_end - link->queue_start;
    if (waiting + length > QUEUE_LIMIT)
        return -ENOBUFS;
    if (link->queue_start > 0) {
        memmove(link->queue, link->queue + link->queue_start, waiting);
        link->queue_start = 0;
        link->queue_end = waiting;
    }
    if (waiting + length > link->queue_size) {
        uint8_t *larger = realloc(link->queue, waiting + length);
        if (!larger)
            return -ENOMEM;
        link->queue = larger;
        link->queue_size = waiting + length;
    }
    memcpy(link->queue + link->queue_end, bytes, length);
    link->queue_end += length;
    return 0;
}

static int send_locked(p104_link *link, const uint8_t *bytes, size_t length)
{
    long sent = 0;
    if (link->queue_start == link->queue_end) {
        sent = send_some(link, bytes, length, 0);
        if (sent < 0)
            return (int)sent;
    }
    if ((size_t)sent == length)
        return 0;
    return queue_append(link, bytes + sent, length - (size_t)sent);
}

static int flush_locked(p104_link *link)
{
    size_t waiting = link->queue_end - link->queue_start;
    if (waiting == 0)
        return 0;
    long sent = send_some(link, link->queue + link->queue_start, waiting, 0);
    if (sent < 0)
        return (int)sent;
    link->queue_start += (size_t)sent;
    if ((size_t)sent < waiting)
        return 1;
    free(link->queue); /* an association at rest holds no buffer */
    link->queue = NULL;
    link->queue_start = link->queue_end = link->queue_size = 0;
    return 0;
}

/* Remember the first failure: PDUs behind a lost one would be taken for its missing bytes. */
static int settle_send(p104_link *link, int result)
{
    if (result < 0)
        link->send_errno = -result;
    return result;
}

int p104_link_send(p104_link *link, const uint8_t *bytes, size_t length)
{
    pthread_mutex_lock(&link->lock);
    int result = link->send_errno ? -link->send_errno : settle_send(link, send_locked(link, bytes, length));
    pthread_mutex_unlock(&link->lock);
    return result;
}

long p104_link_send_some(p104_link *link, const uint8_t *bytes, size_t length, int more)
{
    pthread_mutex_lock(&link->lock);
    long result = link->send_errno ? -link->send_errno : flush_locked(link);
    if (result == 0)
        result = send_some(link, bytes, length, more);
    else if (result > 0)
        result = 0; /* what is queued goes first */
    if (result < 0)
        settle_send(link, (int)result);
    pthread_mutex_unlock(&link->lock);
    return result;
}

/* sendfile's result, as p104_link_send_file gives it. */
static long send_from_file(const p104_link *link, int file, off_t from, size_t length)
{
    ssize_t sent;
    do
        sent = sendfile(link->send_to, file, &from, length);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN ? 0 : -errno;
    return sent > 0 ? sent : -ENODATA;
}

static int is_lost(long result)
{
    return result < 0 && result != -EINVAL && result != -ENOSYS && result != -ENODATA;
}

long p104_link_send_file(p104_link *link, int file, int64_t from, size_t length)
{
    if (link->channel.send)
        return -EINVAL;
    pthread_mutex_lock(&link->lock);
    long result = link->send_errno ? -link->send_errno : flush_locked(link);
    if (result >= 0)
        result = result > 0 ? 0 : send_from_file(link, file, (off_t)from, length); /* what is queued goes first */
    if (is_lost(result))
        settle_send(link, (int)result);
    pthread_mutex_unlock(&link->lock);
    return result;
}

int p104_link_flush(p104_link *link)
{
    pthread_mutex_lock(&link->lock);
    int result = link->send_errno ? -link->send_errno : settle_send(link, flush_locked(link));
    pthread_mutex_unlock(&link->lock);
    return result;
}

size_t p104_link_unsent(p104_link *link)
{
    pthread_mutex_lock(&link->lock);
    size_t waiting = link->queue_end - link->queue_start;
    pthread_mutex_unlock(&link->lock);
    return waiting;
}
