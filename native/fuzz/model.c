/* model.c - see model.h. */

#include "model.h"

#include <string.h>

#include "fuzz.h"

enum { ASSOCIATE_RQ = 1, FIXED_FIELDS = 68, CONTEXT_ITEM = 0x20, ABSTRACT_SYNTAX = 0x30, TRANSFER_SYNTAX = 0x40,
       COMMAND_LIMIT = 64 * 1024 };

/* ---- the request ---- */

typedef struct {
    uint8_t type;
    const uint8_t *value;
    size_t length;
} item;

/* The next item (PS3.8 9.3.2), or 0. */
static int next_item(const uint8_t **at, const uint8_t *end, item *out)
{
    if (end - *at < 4)
        return 0;
    *out = (item){(*at)[0], *at + 4, (size_t)((*at)[2] << 8 | (*at)[3])};
    if (out->length > (size_t)(end - out->value))
        return 0;
    *at = out->value + out->length;
    return 1;
}

static p104_uid uid_in(item it)
{
    return (p104_uid){it.value, it.length};
}

/* No NUL in it, which p104_intake_allow would take for its end. */
static int is_usable(p104_uid uid)
{
    return uid.length > 0 && uid.length <= P104_UID_LENGTH && !memchr(uid.bytes, 0, uid.length);
}

static void look_at_context(stream_model *model, item proposed)
{
    item inside;
    if (proposed.length < 4 || proposed.value[0] % 2 == 0)
        return;
    offered_context *context = &model->contexts[proposed.value[0] / 2];
    const uint8_t *at = proposed.value + 4;
    memset(context, 0, sizeof *context);
    while (next_item(&at, proposed.value + proposed.length, &inside)) {
        if (inside.type == ABSTRACT_SYNTAX)
            context->sop_class = uid_in(inside);
        else if (inside.type == TRANSFER_SYNTAX && context->transfer_syntax.length == 0)
            context->transfer_syntax = uid_in(inside);
    }
    context->usable = is_usable(context->sop_class) && is_usable(context->transfer_syntax);
}

/* The stream begins with a whole A-ASSOCIATE-RQ. */
static void look_at_request(stream_model *model, const uint8_t *body, size_t length)
{
    item found;
    const uint8_t *at = body + FIXED_FIELDS;
    while (length >= FIXED_FIELDS && next_item(&at, body + length, &found))
        if (found.type == CONTEXT_ITEM)
            look_at_context(model, found);
}

const offered_context *context_of(const stream_model *model, uint8_t context_id)
{
    const offered_context *context = &model->contexts[context_id / 2];
    return context_id % 2 == 1 && context->usable ? context : NULL;
}

/* ---- messages ---- */

/* Whether a command set announces a data set: 1 or 0, -1 where it does not say (PS3.7 6.3.1). */
static int announces_data_set(const uint8_t *command, size_t length)
{
    int announces = -1;
    for (size_t at = 0; at < length;) {
        if (length - at < 8 || command[at] || command[at + 1])
            return -1;
        size_t value = command[at + 4] | (size_t)command[at + 5] << 8 | (size_t)command[at + 6] << 16
            | (size_t)command[at + 7] << 24;
        if (value > length - at - 8)
            return -1;
        if (command[at + 2] == 0 && command[at + 3] == 8)
            announces = value == 2 ? command[at + 8] != 1 || command[at + 9] != 1 : -1;
        at += 8 + value;
    }
    return announces;
}

static int is_storable(const stream_model *model, message *found)
{
    p104_store_request request;
    const offered_context *context = context_of(model, found->context_id);
    if (!context || !p104_read_store_request(found->command, found->command_length, &request))
        return 0;
    found->message_id = request.message_id;
    found->sop_instance = (p104_uid){request.sop_instance, request.sop_instance_length};
    return request.sop_class_length == context->sop_class.length
        && memcmp(request.sop_class, context->sop_class.bytes, request.sop_class_length) == 0;
}

static const uint8_t *join(stream_model *model, const uint8_t *bytes, size_t length)
{
    uint8_t *at = model->joined + model->joined_length;
    HOLDS(model->joined_length + length <= sizeof model->joined);
    memcpy(at, bytes, length);
    model->joined_length += length;
    return at;
}

static void end_message(stream_model *model)
{
    memset(&model->messages[++model->count], 0, sizeof *model->messages);
}

/* A run of a command set. Returns 0 where it breaks the association. */
static int take_command(stream_model *model, p104_scanner *scanner, const p104_run *run, const uint8_t *bytes)
{
    message *last = &model->messages[model->count];
    const uint8_t *joined = join(model, bytes, run->length);
    if (last->command_length == 0)
        last->command = joined;
    last->command_length += run->length;
    last->context_id = run->context_id;
    if (last->command_length > COMMAND_LIMIT)
        return 0;
    if (!run->ends)
        return 1;
    last->has_command = 1;
    int announces = announces_data_set(last->command, last->command_length);
    last->readable = announces >= 0;
    last->has_data_set = announces == 1;
    last->storable = is_storable(model, last);
    HOLDS(!last->storable || last->has_data_set);
    if (last->has_data_set)
        p104_scanner_expect_data_set(scanner);
    last->complete = announces == 0;
    if (announces != 1)
        end_message(model);
    return announces >= 0;
}

static void take_data_set(stream_model *model, const p104_run *run, const uint8_t *bytes)
{
    message *last = &model->messages[model->count];
    const uint8_t *joined = join(model, bytes, run->length);
    if (last->data_set_length == 0)
        last->data_set = joined;
    last->data_set_length += run->length;
    last->complete = run->ends;
    if (run->ends)
        end_message(model);
}

static void look_at_messages(stream_model *model, const uint8_t *stream, size_t length, uint32_t maximum_length)
{
    p104_scanner scanner = {0};
    p104_run run;
    int goes_on = 1;
    p104_scanner_establish(&scanner, maximum_length);
    while (goes_on) {
        model->ending = p104_scan(&scanner, stream, length, &run);
        if (model->ending == P104_COMMAND)
            goes_on = take_command(model, &scanner, &run, stream + run.offset);
        else if (model->ending == P104_DATA_SET)
            take_data_set(model, &run, stream + run.offset);
        else
            return;
        stream += run.consumed;
        length -= run.consumed;
    }
}

void look_at_stream(stream_model *model, const uint8_t *stream, size_t length, uint32_t maximum_length)
{
    p104_scanner scanner = {0};
    p104_run run;
    memset(model, 0, offsetof(stream_model, messages));
    memset(model->messages, 0, sizeof *model->messages);
    model->ending = P104_NEED_INPUT;
    if (p104_scan(&scanner, stream, length, &run) != P104_PDU_HEADER || run.pdu_type != ASSOCIATE_RQ)
        return;
    size_t at = run.consumed;
    if (run.pdu_length == 0 || run.pdu_length > length - at)
        return;
    model->established = 1;
    look_at_request(model, stream + at, run.pdu_length);
    at += run.pdu_length;
    look_at_messages(model, stream + at, length - at, maximum_length);
}
