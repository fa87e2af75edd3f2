/* What a C-STORE-RQ names lies in it, and is a UID; the response to it scans as one command set, in PDUs as short as
 * asked, that repeats what the request named.
 *
 * Input: the peer's maximum length (2 bytes), and a command set. */

#include "fuzz.h"

#include "command.h"
#include "pdata.h"

enum { FIXED = 2, STATUS = 0xa700, CONTEXT = 1 };

static int lies_in(const uint8_t *value, size_t value_length, const uint8_t *bytes, size_t length)
{
    return value >= bytes && value_length <= length && value + value_length <= bytes + length;
}

/* Join the response's fragments. Returns the length of the command set. */
static size_t join(const uint8_t *response, size_t length, uint32_t maximum_length, uint8_t *out)
{
    p104_scanner scanner = {0};
    p104_run run = {0};
    size_t joined = 0;
    p104_scanner_establish(&scanner, maximum_length);
    while (length > 0) {
        HOLDS(!run.ends && p104_scan(&scanner, response, length, &run) == P104_COMMAND);
        HOLDS(run.context_id == CONTEXT && run.length % 2 == 0);
        memcpy(out + joined, response + run.offset, run.length);
        joined += run.length;
        response += run.consumed;
        length -= run.consumed;
    }
    HOLDS(run.ends);
    return joined;
}

/* An element's value, or NULL. */
static const uint8_t *find(const uint8_t *command, size_t length, unsigned element, size_t *value_length)
{
    for (size_t at = 0; at < length; at += 8 + *value_length) {
        HOLDS(length - at >= 8);
        *value_length = command[at + 4] | (size_t)command[at + 5] << 8;
        HOLDS(command[at] == 0 && command[at + 1] == 0 && *value_length <= length - at - 8);
        if ((command[at + 2] | (unsigned)command[at + 3] << 8) == element)
            return command + at + 8;
    }
    return NULL;
}

static void check_number(const uint8_t *command, size_t length, unsigned element, unsigned expected)
{
    size_t value_length;
    const uint8_t *value = find(command, length, element, &value_length);
    HOLDS(value && value_length == 2 && (value[0] | (unsigned)value[1] << 8) == expected);
}

static void check_uid(const uint8_t *command, size_t length, unsigned element, const uint8_t *uid, size_t uid_length)
{
    size_t value_length;
    const uint8_t *value = find(command, length, element, &value_length);
    HOLDS(value && value_length == uid_length + uid_length % 2 && memcmp(value, uid, uid_length) == 0);
}

static void check_response(const p104_store_request *request, uint32_t maximum_length)
{
    uint8_t response[P104_RESPONSE_ROOM];
    uint8_t command[P104_RESPONSE_ROOM];
    size_t length = p104_encode_store_response(response, CONTEXT, maximum_length, request, STATUS);
    HOLDS(length <= sizeof response);
    length = join(response, length, maximum_length, command);
    check_number(command, length, 0x0100, 0x8001);
    check_number(command, length, 0x0120, request->message_id);
    check_number(command, length, 0x0800, 0x0101);
    check_number(command, length, 0x0900, STATUS);
    check_uid(command, length, 0x0002, request->sop_class, request->sop_class_length);
    check_uid(command, length, 0x1000, request->sop_instance, request->sop_instance_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    p104_store_request request;
    if (size < FIXED)
        return 0;
    const uint8_t *command = data + FIXED;
    size_t length = size - FIXED;
    int taken = p104_read_store_request(command, length, &request);
    HOLDS(taken == 0 || taken == 1);
    if (!taken)
        return 0;
    HOLDS(request.sop_class_length > 0);
    HOLDS(request.sop_instance_length > 0 && request.sop_instance_length <= P104_UID_LENGTH);
    HOLDS(lies_in(request.sop_class, request.sop_class_length, command, length));
    HOLDS(lies_in(request.sop_instance, request.sop_instance_length, command, length));
    for (size_t at = 0; at < request.sop_instance_length; at++)
        HOLDS(strchr("0123456789.", request.sop_instance[at]) && request.sop_instance[at]);
    uint32_t maximum_length = (uint32_t)(data[0] | data[1] << 8);
    if (maximum_length != 0 && maximum_length < P104_SMALLEST_PDU)
        maximum_length = P104_SMALLEST_PDU;
    if (request.sop_class_length <= P104_UID_LENGTH)
        check_response(&request, maximum_length);
    return 0;
}
