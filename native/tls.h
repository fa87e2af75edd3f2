/* tls.h - TLS records of one connection: the channel (link.h) between its socket and its link.
 *
 * OpenSSL itself is not linked: its functions are handed in, of the copy that made the session and went through the
 * handshake (Python's, see port104/net/tls.py). The session is not owned, must be on the socket, non-blocking, and in
 * nobody else's hands while the link may be used; its modes must allow partial writes from a moving buffer. */

typedef struct {
    int (*read)(void *session, void *into, int room);            /* SSL_read */
    int (*write)(void *session, const void *bytes, int length);  /* SSL_write */
    int (*get_error)(const void *session, int result);           /* SSL_get_error */
    void (*clear_error)(void);                                   /* ERR_clear_error */
} p104_openssl;

typedef struct p104_tls p104_tls;

/* functions are copied. Returns NULL when memory is short. */
p104_tls *p104_tls_new(const p104_openssl *functions, void *session, int socket);
void p104_tls_free(p104_tls *tls);

/* Have link receive and send through tls, which must outlive it. Before anything else. */
void p104_tls_secure(p104_tls *tls, p104_link *link);

/* The two functions of the channel; tls is a p104_tls. Records are decrypted whole, so that of what has come nothing stays
 * behind in the session unseen. However the stream ends, it ends: what was cut off, DICOM itself tells. */
long p104_tls_receive(void *tls, uint8_t *into, size_t room);
long p104_tls_send(void *tls, const uint8_t *bytes, size_t length);
