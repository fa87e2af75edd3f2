/* model.h - what a stream says, looked at as a whole: an association and its messages, for the first of which that ends
 * or breaks it. */

#ifndef P104_FUZZ_MODEL_H
#define P104_FUZZ_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "spool_inside.h"

/* A command set that says whether it announces a data set takes 16 bytes. */
enum { CONTEXTS = 128, STREAM_LIMIT = 96 * 1024, MESSAGES = STREAM_LIMIT / 16 };

/* A presentation context of the A-ASSOCIATE-RQ, taken with the first transfer syntax that it names. */
typedef struct {
    p104_uid sop_class;
    p104_uid transfer_syntax;
    int usable; /* named whole, by UIDs that fit */
} offered_context;

typedef struct {
    uint8_t context_id;
    int has_command;  /* its command set came to its end */
    int has_data_set; /* and announces a data set */
    int complete;     /* which came to its end, if there is to be one */
    int readable;     /* the command set says whether it announces one */
    int storable;     /* a C-STORE-RQ that an intake takes */
    uint16_t message_id;
    p104_uid sop_instance;
    const uint8_t *command; /* joined, as the data set is */
    size_t command_length;
    const uint8_t *data_set;
    size_t data_set_length;
} message;

typedef struct {
    int established;
    offered_context contexts[CONTEXTS]; /* by ID / 2 */
    size_t count; /* of messages that came to their end; one more may have begun */
    int ending; /* what p104_scan told last: P104_NEED_INPUT where the stream runs out, P104_COMMAND before a command
                   set that breaks the association */
    size_t joined_length;
    message messages[MESSAGES + 1];
    uint8_t joined[STREAM_LIMIT];
} stream_model;

/* stream must outlive the model. */
void look_at_stream(stream_model *model, const uint8_t *stream, size_t length, uint32_t maximum_length);

/* The context of an ID, or NULL where no intake takes what comes on it. */
const offered_context *context_of(const stream_model *model, uint8_t context_id);

#endif
