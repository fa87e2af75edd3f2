#include "channel.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most that one TLS record holds (RFC 8446 5.1). */
enum { RECORD = 16 * 1024 };

struct channel {
    SSL *session;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "%s: ", what);
    ERR_print_errors_fp(stderr);
    fputc('\n', stderr);
    exit(1);
}

/* PORT104_BENCH_TLS names certificate and key of the sender, in one file, which is also the only authority that it
 * trusts. TLS 1.2 with one suite, which every receiver has: they are to be compared in the same work. */
static SSL_CTX *context(void)
{
    const char *file = getenv("PORT104_BENCH_TLS");
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());
    if (!file || !made || SSL_CTX_use_certificate_chain_file(made, file) != 1
        || SSL_CTX_use_PrivateKey_file(made, file, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_load_verify_file(made, file) != 1
        || SSL_CTX_set_max_proto_version(made, TLS1_2_VERSION) != 1
        || SSL_CTX_set_cipher_list(made, "ECDHE-RSA-AES128-GCM-SHA256") != 1)
        fail("cannot prepare TLS from the file in PORT104_BENCH_TLS");
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
    return made;
}

channel *channel_open(int socket)
{
    static SSL_CTX *shared;
    channel *made = malloc(sizeof *made);
    if (!shared)
        shared = context();
    if (!made || !(made->session = SSL_new(shared)) || SSL_set_fd(made->session, socket) != 1)
        fail("cannot begin TLS");
    if (SSL_connect(made->session) != 1)
        fail("cannot agree on TLS");
    return made;
}

/* What fits one record goes out as one: a command and a small data set take one system call, as without TLS. */
size_t channel_write(channel *through, int socket, const struct iovec *vector, int count)
{
    uint8_t record[RECORD];
    const void *bytes = vector->iov_base;
    size_t length = vector->iov_len;
    size_t sent;
    (void)socket;
    if (count == 2 && vector[0].iov_len + vector[1].iov_len <= RECORD) {
        memcpy(record, vector[0].iov_base, vector[0].iov_len);
        memcpy(record + length, vector[1].iov_base, vector[1].iov_len);
        bytes = record;
        length += vector[1].iov_len;
    }
    if (SSL_write_ex(through->session, bytes, length, &sent) != 1)
        fail("cannot send");
    return sent;
}

size_t channel_read(channel *through, int socket, uint8_t *into, size_t room)
{
    size_t got = 0;
    (void)socket;
    if (SSL_read_ex(through->session, into, room, &got) != 1
        && SSL_get_error(through->session, 0) != SSL_ERROR_ZERO_RETURN)
        fail("cannot receive");
    return got;
}

void channel_close(channel *through)
{
    SSL_free(through->session);
    free(through);
}
