/* courier.h - C-STORE of files over an association that we requested: read, cut into PDUs, sent and answered in one place,
 * one after the other, by a thread that may wait. What is not plain is Python's.
 *
 * The link is the courier's while it runs; the loop may interrupt it (p104_link_interrupt, and shut the socket's receiving
 * side down). */

enum p104_courier_limit {
    P104_COURIER_LONGEST = 1024 * 1024 /* bytes of the longest data set that is taken */
};

/* One file, as it was when it was looked at; a file that is another by now is not taken. */
typedef struct {
    const char *path;
    int64_t size;              /* bytes of the file */
    int64_t modified;          /* nanoseconds of the epoch */
    int64_t data_set_at;       /* bytes before its data set, of which P104_COURIER_LONGEST may follow */
    const uint8_t *command;    /* the C-STORE-RQ's command set, as whole PDUs */
    size_t command_length;
    const uint8_t *sop_instance; /* as the command set has it, without padding */
    size_t sop_instance_length;
    uint16_t message_id;
    uint8_t context_id;
    uint16_t status;           /* out: of those that were answered */
} p104_parcel;

enum p104_courier_end {
    P104_COURIER_DONE = 0,     /* every parcel was answered */
    P104_COURIER_FILE = 1,     /* the next one's file cannot be read, or is another: nothing was sent of it */
    P104_COURIER_RESPONSE = 2, /* the next one was sent, and no plain response came yet: the link stands before what came */
    P104_COURIER_BROKEN = 3,   /* the next one was not sent whole: the association cannot be used on */
    P104_COURIER_STUCK = 4     /* the same, as the peer took no byte in time */
};

/* Send count parcels. peer_maximum_length: of its PDUs, 0 or P104_SMALLEST_PDU and more. send_timeout: milliseconds in which
 * the peer takes no byte. *end says why it ended. Returns how many parcels were answered. */
size_t p104_courier(p104_link *link, p104_parcel *parcels, size_t count, uint32_t peer_maximum_length, int send_timeout,
                    int *end);
