/* link.h - one connection as the native side sees it: its socket, its scanner, its buffers.
 *
 * Ownership. A link belongs to the event loop until it is lent to an intake (intake.h), whose threads then call
 * what stands at the end. p104_link_send, _flush, _unsent, _received, _owed and _interrupt may be called from any
 * thread at any time. The socket is never closed here: the caller closes it, and frees the link, when the link is
 * not lent and nothing of it is under way. */

typedef struct p104_link p104_link;

enum p104_link_result {
    /* p104_link_next returns these beside enum p104_scan_result */
    P104_WOULD_BLOCK = 16, /* nothing is there now: wait until the socket is readable */
    P104_END_OF_STREAM = 17, /* the peer closed its side */
    P104_FAULT_SOCKET = -16  /* receive failed; p104_link_errno tells why */
};

/* How bytes come and go where they are not the socket's own (TLS): instead of recv and send, and as they do, without
 * waiting. handle is the caller's. Two threads may be in a link's two functions at one time. */
typedef struct {
    /* Receive up to room bytes, 16 KiB and more. Returns how many, 0 at the end of the stream, or -errno: -EAGAIN when
     * none is there now. Nothing may stay behind of which the socket does not tell by being readable. */
    long (*receive)(void *handle, uint8_t *into, size_t room);
    /* Send some of length bytes. Returns how many, or -errno: -EAGAIN when none is taken now. */
    long (*send)(void *handle, const uint8_t *bytes, size_t length);
    void *handle;
} p104_channel;

/* receive_from, send_to: a non-blocking stream socket that stays open as long as the link, or -1: bytes
 * come by p104_link_feed only, or are queued and never sent. Returns NULL when memory is short. */
p104_link *p104_link_new(int receive_from, int send_to);
void p104_link_free(p104_link *link);

/* Receive and send through a channel, which is copied, whose sockets are the link's. Before anything else. */
void p104_link_channel(p104_link *link, const p104_channel *channel);

/* Scan on from the bytes at hand; with none left, receive once and scan those. A run's bytes are at
 * *data and stay valid until the next call on the link. An idle link holds no buffer. A fault is
 * repeated by every later call. The empty body of a PDU of length 0 is told with the bytes that follow
 * it. A link without a socket to receive from returns P104_WOULD_BLOCK when it has no byte left. */
int p104_link_next(p104_link *link, p104_run *run, const uint8_t **data);

/* Append bytes that came by another way (TLS, tests). Returns how many were taken: fewer than length
 * when the buffer is full, in which case p104_link_next must be called first. -1: memory is short. */
long p104_link_feed(p104_link *link, const uint8_t *input, size_t length);

/* No byte follows those that were fed. */
void p104_link_end(p104_link *link);

/* Break off a lent link: p104_link_receive ends as at the end of the stream from now on. It wakes nobody: shut
 * the socket's receiving side down as well. */
void p104_link_interrupt(p104_link *link);

/* Bytes that came so far: grows while the peer is not silent. */
uint64_t p104_link_received(const p104_link *link);

/* 1: when every byte that had come was scanned last, the peer owed the rest of a PDU or message. */
int p104_link_owed(const p104_link *link);

/* Scan no more: whatever is at hand or comes is thrown away, until the end of the stream. */
void p104_link_discard(p104_link *link);

void p104_link_establish(p104_link *link, uint32_t maximum_length);
void p104_link_expect_data_set(p104_link *link);
/* 1: a message is in progress: a command set or a data set has begun or is due, and has not ended. */
int p104_link_in_message(const p104_link *link);
int p104_link_errno(const p104_link *link);

/* Send a whole PDU in one write where the socket takes it; what it does not take is queued behind
 * what is queued already. Returns 0, or -errno: ENOBUFS when more than 256 KiB would be queued (a
 * peer that does not read its responses), else the socket's error. */
int p104_link_send(p104_link *link, const uint8_t *bytes, size_t length);

/* Send queued bytes on. Returns 0 when none is left, 1 when the socket is full, or -errno. */
int p104_link_flush(p104_link *link);

/* Send what the socket takes now, behind what is queued, and queue nothing. more: what follows comes at once. Returns how
 * many bytes it took, or -errno. */
long p104_link_send_some(p104_link *link, const uint8_t *bytes, size_t length, int more);

/* The same of a file's bytes, without a copy. Returns -EINVAL or -ENOSYS where that is not possible, as over TLS, and
 * -ENODATA where the file ends before; then nothing was sent. */
long p104_link_send_file(p104_link *link, int file, int64_t from, size_t length);

/* Bytes queued and not sent. */
size_t p104_link_unsent(p104_link *link);

/* The rest is for the I/O thread that a link is lent to. */

/* Scan the bytes at hand as p104_link_next does, but for one kind of run only, P104_COMMAND or P104_DATA_SET.
 * Returns that kind, P104_NEED_INPUT, or any other result with the link left standing before what gave it. */
int p104_link_next_of(p104_link *link, int kind, p104_run *run, const uint8_t **data);

/* Bytes received and not scanned yet. */
size_t p104_link_at_hand(const p104_link *link);

/* The link rests until bytes come: it keeps no buffer, and what came is acknowledged at once where the peer
 * owes the rest of a message. Only when every byte at hand was scanned. */
void p104_link_rest(p104_link *link);

/* Give up reading, as after a failed receive. */
void p104_link_fail(p104_link *link, int error);

/* The socket to receive from, or -1. */
int p104_link_socket(const p104_link *link);

/* Whether there is a socket to receive from, or an end to meet. */
int p104_link_receives(const p104_link *link);

/* Receive once, at most limit bytes (0: as many as fit). Only when every byte at hand was scanned. Returns how
 * many bytes came, 0 when none is there, or -1 at the end of the stream or on an error, which
 * p104_link_next repeats. */
long p104_link_receive(p104_link *link, size_t limit);

/* Bytes of a data set that p104_link_splice may take now: 0 when some are at hand, or there is no socket. */
size_t p104_link_spliceable(const p104_link *link);

/* Move up to limit of them, at least one, into a pipe without copying them. Returns as p104_link_receive does; where
 * bytes came, run tells of them as if p104_link_next_of had. */
long p104_link_splice(p104_link *link, int pipe, size_t limit, p104_run *run);

/* Put command set bytes back that p104_link_next_of gave: p104_link_next gives them once more, as one
 * run. Returns 0, or -1 when memory is short. */
int p104_link_hold(p104_link *link, const uint8_t *bytes, size_t length, uint8_t context_id, int ends);
