/* encoding.h - the requestor's bytes: A-ASSOCIATE-RQ, C-STORE-RQ and a data set, as whole PDUs.
 *
 * Everything is encoded before the clock runs. What differs between two instances is patched in place, so sending
 * one costs two copies of a UID and a system call. */

#ifndef ENCODING_H
#define ENCODING_H

#include <stddef.h>
#include <stdint.h>

enum {
    UID_ROOM = 64,         /* PS3.5 9.1; shorter UIDs are padded with zeros */
    COMMAND_ROOM = 512,    /* a C-STORE-RQ takes 190 bytes */
    REQUEST_ROOM = 1024,   /* an A-ASSOCIATE-RQ with one presentation context takes 230 */
    SMALLEST_DATA_SET = 512,
    LARGEST_PDU = 1 << 20, /* sent to an acceptor that states no maximum length, or a larger one */
};

/* A PDU whose UID and message ID stand at these places. */
typedef struct {
    uint8_t *bytes;
    size_t length;
    uint8_t *uid;
    uint8_t *message_id; /* of a command only */
} patched;

uint32_t read32(const uint8_t *at);

void write16_little(uint8_t *at, uint32_t value);

/* One presentation context: Secondary Capture in explicit VR little endian. A `window` above 1 is proposed as
 * operations invoked (PS3.7 D.3.3.3). Returns the length. */
size_t encode_request(uint8_t out[REQUEST_ROOM], const char *called, uint32_t window);

/* The C-STORE-RQ, in room of COMMAND_ROOM bytes that is the caller's. */
patched encode_command(uint8_t *room);

/* A data set of `size` bytes as PDUs of at most `maximum` bytes of variable field (0: unlimited); the caller frees
 * .bytes. It has the UIDs and the patient ID that archives ask for, and pixel data that fills the rest. */
patched encode_data_set(size_t size, uint32_t maximum);

/* Write `uid` with its padding. */
void patch_uid(uint8_t *at, const char *uid);

#endif
