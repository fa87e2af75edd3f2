/* intake.h - takes instance after instance from one established association, without the event loop.
 *
 * Policy is the caller's: which presentation contexts are taken, and into what. Within it an I/O thread
 * receives, writes, has it made durable and answers; what it does not take (another command, another PDU,
 * a fault, the end of the stream) it leaves on the link and gives the link back.
 *
 * Ownership. From p104_intake_lend until a P104_RETURNED completion with the intake's id the link is lent:
 * only p104_link_send, _flush, _unsent, _received, _owed and _interrupt may be called on it. Of the intake itself
 * only p104_intake_count may be called meanwhile. All calls are the event loop's; none blocks on a disk. */

typedef struct p104_intake p104_intake;

/* For each instance that comes on a presentation context. */
enum p104_intake_flag {
    P104_OVERWRITE = 1,   /* other bytes under the same name replace it; else both are kept */
    P104_EXPLICIT_VR = 2, /* data sets are explicit VR little endian: pick elements */
    P104_IMPLICIT_VR = 4  /* data sets are implicit VR little endian: pick elements */
};

/* Why a link was returned. */
enum p104_return_reason {
    P104_RETURN_OTHER = 0,     /* it stands before what is not taken: p104_link_next tells what */
    P104_RETURN_DUPLICATE = 1, /* the same, and it is a C-STORE-RQ whose message ID is under way */
    P104_RETURN_BYTES = 2      /* a link without a socket to receive from needs bytes: feed it, lend it again */
};

/* What came of one association so far. */
typedef struct {
    uint64_t stored;     /* duplicates included */
    uint64_t duplicates;
    uint64_t failed;     /* received and answered with a failure: not kept */
    uint64_t bytes;      /* of the stored data sets */
    uint32_t under_way;  /* received and not answered yet */
} p104_intake_counts;

/* window: instances that the peer may have sent without an answer, 1 or more. peer_maximum_length: of the
 * PDUs that the peer receives, 0 = unlimited, else at least P104_SMALLEST_PDU. maximum_size: bytes of the longest data
 * set that is kept, 0 = any; a longer one is read to its end and answered A700. called: AE title that names the files,
 * at most 16 bytes. origin: as p104_encode_meta takes it. Both are copied. Returns NULL when memory is short. */
p104_intake *p104_intake_new(p104_spool *spool, p104_link *link, uint64_t id, uint32_t window,
                             uint32_t peer_maximum_length, uint64_t maximum_size, const uint8_t *called,
                             size_t called_length, const uint8_t *origin, size_t origin_length);

/* Free an intake that is not lent and has nothing under way. The link stays. */
void p104_intake_free(p104_intake *intake);

/* Take instances of sop_class that come on context_id (odd). UIDs have at most P104_UID_LENGTH characters.
 * flags: enum p104_intake_flag. Returns 0, or -1 when memory is short. */
int p104_intake_allow(p104_intake *intake, uint8_t context_id, const char *sop_class,
                      const char *transfer_syntax, int flags);

/* Lend the link. With give_up, what is being received is broken off, its part file removed, and the link returned
 * as soon as nothing is under way. */
void p104_intake_lend(p104_intake *intake, int give_up);

void p104_intake_count(p104_intake *intake, p104_intake_counts *out);
