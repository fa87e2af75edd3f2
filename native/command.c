/* command.c - see command.h. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "command.h"

enum {
    ELEMENT_HEADER = 8, /* group, element, length of 4 (implicit VR little endian) */
    C_STORE_RQ = 0x0001,
    C_STORE_RSP = 0x8001,
    NO_DATA_SET = 0x0101, /* (0000,0800); every other value announces one (PS3.7 E.1) */
    P_DATA_TF = 4,
    PDV_OVERHEAD = 6,  /* item length, context ID and control header, which the PDU's length counts */
    IS_COMMAND = 1,    /* PS3.8 E.2 */
    IS_LAST = 2,
    COMMAND_ROOM = 256
};

/* One element's value where it was last found. */
typedef struct {
    const uint8_t *bytes;
    size_t length;
} value;

/* ---- reading ---- */

static uint16_t little_16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t little_32(const uint8_t *bytes)
{
    return little_16(bytes) | (uint32_t)little_16(bytes + 2) << 16;
}

/* Elements that are looked at, in this order; others are passed over. */
enum { SOP_CLASS, FIELD, MESSAGE_ID, RESPONDED_TO, PRIORITY, DATA_SET_TYPE, STATUS, SOP_INSTANCE, ORIGINATOR_ID,
       ELEMENTS };

static const uint16_t NUMBERS[ELEMENTS] = {0x0002, 0x0100, 0x0110, 0x0120, 0x0700,
                                           0x0800, 0x0900, 0x1000, 0x1031};

static void keep(value *values, uint16_t element, const uint8_t *bytes, size_t length)
{
    for (int index = 0; index < ELEMENTS; index++)
        if (NUMBERS[index] == element)
            values[index] = (value){bytes, length};
}

/* Split a command set into values. Returns 0 where it breaks the encoding. */
static int split(const uint8_t *bytes, size_t length, value *values)
{
    size_t at = 0;
    while (at < length) {
        if (length - at < ELEMENT_HEADER || little_16(bytes + at) != 0)
            return 0;
        size_t value_length = little_32(bytes + at + 4);
        if (value_length > length - at - ELEMENT_HEADER)
            return 0;
        keep(values, little_16(bytes + at + 2), bytes + at + ELEMENT_HEADER, value_length);
        at += ELEMENT_HEADER + value_length;
    }
    return 1;
}

/* Values of VR US have two bytes or are absent. */
static int numbers_are_sound(const value *values)
{
    for (int index = 0; index < ELEMENTS; index++)
        if (index != SOP_CLASS && index != SOP_INSTANCE && values[index].bytes && values[index].length != 2)
            return 0;
    return 1;
}

static void strip_padding(value *uid)
{
    while (uid->length > 0 && (uid->bytes[uid->length - 1] == 0 || uid->bytes[uid->length - 1] == ' '))
        uid->length--;
}

static int is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

int p104_is_uid(const uint8_t *uid, size_t length)
{
    int begins = 1; /* a component begins here */
    if (length == 0 || length > P104_UID_LENGTH)
        return 0;
    for (size_t at = 0; at < length; at++) {
        uint8_t byte = uid[at];
        if (byte == '.' && !begins)
            begins = 1;
        else if (!is_digit(byte))
            return 0;
        else if (begins && byte == '0' && at + 1 < length && uid[at + 1] != '.')
            return 0;
        else
            begins = 0;
    }
    return !begins;
}

int p104_read_store_request(const uint8_t *bytes, size_t length, p104_store_request *out)
{
    value values[ELEMENTS] = {{NULL, 0}};
    if (!split(bytes, length, values) || !numbers_are_sound(values))
        return 0;
    if (!values[FIELD].bytes || little_16(values[FIELD].bytes) != C_STORE_RQ)
        return 0;
    if (!values[DATA_SET_TYPE].bytes || little_16(values[DATA_SET_TYPE].bytes) == NO_DATA_SET)
        return 0;
    strip_padding(&values[SOP_CLASS]);
    strip_padding(&values[SOP_INSTANCE]);
    if (values[SOP_CLASS].length == 0 || !p104_is_uid(values[SOP_INSTANCE].bytes, values[SOP_INSTANCE].length))
        return 0;
    out->sop_class = values[SOP_CLASS].bytes;
    out->sop_class_length = values[SOP_CLASS].length;
    out->sop_instance = values[SOP_INSTANCE].bytes;
    out->sop_instance_length = values[SOP_INSTANCE].length;
    out->message_id = values[MESSAGE_ID].bytes ? little_16(values[MESSAGE_ID].bytes) : 0;
    return 1;
}

static int is_number(const value *number, uint16_t expected)
{
    return number->bytes && little_16(number->bytes) == expected;
}

int p104_read_store_response(const uint8_t *bytes, size_t length, uint16_t message_id, const uint8_t *sop_instance,
                             size_t sop_instance_length, uint16_t *status)
{
    value values[ELEMENTS] = {{NULL, 0}};
    if (!split(bytes, length, values) || !numbers_are_sound(values))
        return 0;
    if (!is_number(&values[FIELD], C_STORE_RSP) || !is_number(&values[RESPONDED_TO], message_id)
        || !is_number(&values[DATA_SET_TYPE], NO_DATA_SET) || !values[STATUS].bytes)
        return 0;
    value *named = &values[SOP_INSTANCE];
    strip_padding(named);
    if (named->length > 0
        && (named->length != sop_instance_length || memcmp(named->bytes, sop_instance, sop_instance_length) != 0))
        return 0;
    *status = little_16(values[STATUS].bytes);
    return 1;
}

/* ---- writing ---- */

static uint8_t *put_little_16(uint8_t *at, unsigned number)
{
    *at++ = (uint8_t)number;
    *at++ = (uint8_t)(number >> 8);
    return at;
}

static uint8_t *put_header(uint8_t *at, unsigned element, size_t length)
{
    at = put_little_16(put_little_16(at, 0), element);
    return put_little_16(put_little_16(at, (unsigned)length), (unsigned)length >> 16);
}

static uint8_t *put_number(uint8_t *at, unsigned element, unsigned number)
{
    return put_little_16(put_header(at, element, 2), number);
}

static uint8_t *put_uid(uint8_t *at, unsigned element, const uint8_t *uid, size_t length)
{
    at = put_header(at, element, length + length % 2);
    memcpy(at, uid, length);
    at += length;
    if (length % 2)
        *at++ = 0;
    return at;
}

static size_t encode_command(uint8_t *out, const p104_store_request *request, uint16_t status)
{
    uint8_t *start = put_header(out, 0x0000, 4) + 4;
    uint8_t *at = put_uid(start, 0x0002, request->sop_class, request->sop_class_length);
    at = put_number(at, 0x0100, C_STORE_RSP);
    at = put_number(at, 0x0120, request->message_id);
    at = put_number(at, 0x0800, NO_DATA_SET);
    at = put_number(at, 0x0900, status);
    at = put_uid(at, 0x1000, request->sop_instance, request->sop_instance_length);
    put_little_16(put_little_16(start - 4, (unsigned)(at - start)), 0);
    return (size_t)(at - out);
}

static uint8_t *put_big_32(uint8_t *at, size_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(number >> shift);
    return at;
}

size_t p104_encode_store_response(uint8_t *out, uint8_t context_id, uint32_t peer_maximum_length,
                                  const p104_store_request *request, uint16_t status)
{
    uint8_t command[COMMAND_ROOM];
    size_t length = encode_command(command, request, status);
    size_t room = length;
    if (peer_maximum_length != 0 && peer_maximum_length - PDV_OVERHEAD < length)
        room = (peer_maximum_length - PDV_OVERHEAD) & ~(size_t)1; /* a fragment's length is even (PS3.8 E.1) */
    uint8_t *at = out;
    for (size_t done = 0; done < length; done += room) {
        size_t fragment = length - done < room ? length - done : room;
        *at++ = P_DATA_TF;
        *at++ = 0;
        at = put_big_32(at, fragment + PDV_OVERHEAD);
        at = put_big_32(at, fragment + 2);
        *at++ = context_id;
        *at++ = (uint8_t)(done + fragment == length ? IS_COMMAND | IS_LAST : IS_COMMAND);
        memcpy(at, command + done, fragment);
        at += fragment;
    }
    return (size_t)(at - out);
}
