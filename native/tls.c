/* tls.c - see tls.h. */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "pdata.h"

#include "link.h"

#include "tls.h"

enum {
    RECORD = 16 * 1024, /* the most that one holds (RFC 8446 5.1, RFC 5246 6.2.1) */
    /* SSL_get_error(3) */
    WANT_READ = 2,
    WANT_WRITE = 3
};

struct p104_tls {
    p104_openssl openssl;
    void *session;
    int socket;
    pthread_mutex_t lock; /* a session takes one call at a time; one thread may receive while another answers */
};

p104_tls *p104_tls_new(const p104_openssl *functions, void *session, int socket)
{
    p104_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->openssl = *functions;
    tls->session = session;
    tls->socket = socket;
    pthread_mutex_init(&tls->lock, NULL);
    return tls;
}

void p104_tls_free(p104_tls *tls)
{
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

void p104_tls_secure(p104_tls *tls, p104_link *link)
{
    p104_link_channel(link, &(p104_channel){p104_tls_receive, p104_tls_send, tls});
}

/* Whether a call that gave no byte may give some later. Only after ERR_clear_error is that OpenSSL's word on the
 * call, and not on one before it. */
static int may_go_on(const p104_tls *tls, int result)
{
    int why = tls->openssl.get_error(tls->session, result);
    return why == WANT_READ || why == WANT_WRITE;
}

static int bounded(size_t length)
{
    return length < INT_MAX ? (int)length : INT_MAX;
}

long p104_tls_receive(void *handle, uint8_t *into, size_t room)
{
    p104_tls *tls = handle;
    size_t received = 0;
    int got = RECORD;
    int ended = 0;
    pthread_mutex_lock(&tls->lock);
    /* After a record that is not full seldom comes another; epoll tells if one does. */
    while (got == RECORD && room - received >= RECORD) {
        tls->openssl.clear_error();
        got = tls->openssl.read(tls->session, into + received, bounded(room - received));
        if (got > 0)
            received += (size_t)got;
        else
            ended = !may_go_on(tls, got);
    }
    pthread_mutex_unlock(&tls->lock);
    if (ended && received > 0)
        shutdown(tls->socket, SHUT_RD); /* stays readable, so that the end is met behind these bytes */
    if (ended || received > 0)
        return (long)received;
    return -EAGAIN;
}

long p104_tls_send(void *handle, const uint8_t *bytes, size_t length)
{
    p104_tls *tls = handle;
    pthread_mutex_lock(&tls->lock);
    tls->openssl.clear_error();
    int sent = tls->openssl.write(tls->session, bytes, bounded(length));
    int later = sent <= 0 && may_go_on(tls, sent);
    pthread_mutex_unlock(&tls->lock);
    if (sent > 0)
        return sent;
    return later ? -EAGAIN : -EPIPE;
}
