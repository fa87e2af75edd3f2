/* courier.h - C-STORE of files over an association that we requested: read, cut into PDUs, sent and answered in one place,
 * by a thread that may wait. As many are outstanding as both sides agreed on. What is not plain is Python's.
 *
 * The link is the courier's while it runs; the loop may interrupt it (p104_link_interrupt, and shut the socket's receiving
 * side down). SIGPIPE is ignored, as Python has it: data sets go from their files to the socket without a copy. */

/* One file, as it was when it was looked at; a file that is another by now is not taken. */
typedef struct {
    const char *path;
    int64_t size;              /* bytes of the file */
    int64_t modified;          /* nanoseconds of the epoch */
    int64_t data_set_at;       /* bytes before its data set */
    const uint8_t *command;    /* the C-STORE-RQ's command set, as whole PDUs */
    size_t command_length;
    const uint8_t *sop_instance; /* as the command set has it, without padding */
    size_t sop_instance_length;
    uint16_t message_id;       /* no two have the same */
    uint8_t context_id;
    uint8_t answered;          /* in: 0; out: 1 of those that were */
    uint16_t status;           /* out: of these */
} p104_parcel;

typedef struct {
    uint32_t peer_maximum_length; /* of its PDUs, 0 or P104_SMALLEST_PDU and more */
    uint32_t window;              /* operations outstanding, 1 or more (PS3.7 D.3.3.3) */
    int send_timeout;             /* milliseconds in which the peer takes no byte */
    int time_limit;               /* milliseconds after which no further one is begun */
} p104_courier_terms;

/* What was begun was sent whole, but for the last one after CUT, BROKEN and STUCK, or several where they are short. */
enum p104_courier_end {
    P104_COURIER_DONE = 0,     /* every parcel was answered */
    P104_COURIER_FILE = 1,     /* what was begun was answered; the next one's file cannot be read, or is another */
    P104_COURIER_RESPONSE = 2, /* no plain response came yet to what was begun: the link stands before what came */
    P104_COURIER_BROKEN = 3,   /* a message was not sent whole: the association cannot be used on */
    P104_COURIER_STUCK = 4,    /* the same, as the peer took no byte in time */
    P104_COURIER_CUT = 5,      /* the same, as a file ended while it was sent */
    P104_COURIER_TIME = 6      /* what was begun was answered; time is up */
};

/* Send count parcels, in this order. *end says why it ended. Returns how many were begun. */
size_t p104_courier(p104_link *link, p104_parcel *parcels, size_t count, const p104_courier_terms *terms, int *end);
