/* messages.h - command sets and messages, as a peer encodes them. */

#ifndef P104_MESSAGES_H
#define P104_MESSAGES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const char CLASS[] = "1.2.840.10008.5.1.4.1.1.2";
static const char INSTANCE[] = "1.2.3";

/* P-DATA-TF control headers (PS3.8 E.2). */
enum { DATA = 0, COMMAND = 1, LAST_DATA = 2, LAST_COMMAND = 3 };

/* The fields of a command set; NULL: absent. */
typedef struct {
    const char *sop_class;
    const char *sop_instance;
    uint16_t field;
    uint16_t message_id;
    uint16_t data_set_type;
} command_fields;

static inline size_t put_element(uint8_t *out, unsigned element, const void *value, size_t length)
{
    uint8_t header[8] = {0, 0, (uint8_t)element, (uint8_t)(element >> 8), (uint8_t)length, (uint8_t)(length >> 8)};
    memcpy(out, header, sizeof header);
    if (length > 0)
        memcpy(out + sizeof header, value, length);
    return sizeof header + length;
}

static inline size_t put_number(uint8_t *out, unsigned element, unsigned number)
{
    return put_element(out, element, (uint8_t[]){(uint8_t)number, (uint8_t)(number >> 8)}, 2);
}

static inline size_t put_uid(uint8_t *out, unsigned element, const char *uid)
{
    return uid ? put_element(out, element, uid, strlen(uid) + strlen(uid) % 2) : 0; /* padded with its NUL */
}

/* Elements in ascending order, group length first. */
static inline size_t command_set(uint8_t *out, command_fields fields)
{
    size_t at = put_element(out, 0x0000, "\0\0\0\0", 4);
    at += put_uid(out + at, 0x0002, fields.sop_class);
    at += put_number(out + at, 0x0100, fields.field);
    at += put_number(out + at, 0x0110, fields.message_id);
    at += put_number(out + at, 0x0700, 0);
    at += put_number(out + at, 0x0800, fields.data_set_type);
    at += put_uid(out + at, 0x1000, fields.sop_instance);
    out[8] = (uint8_t)(at - 12);
    return at;
}

static inline command_fields store_request(uint16_t message_id, const char *instance)
{
    return (command_fields){CLASS, instance, 1, message_id, 1};
}

/* One P-DATA-TF PDU with one PDV. Returns its size. */
static inline size_t put_pdu(uint8_t *out, uint8_t context_id, uint8_t control, const uint8_t *bytes, size_t length)
{
    size_t lengths[2] = {length + 6, length + 2};
    out[0] = 4;
    out[1] = 0;
    for (int index = 0; index < 4; index++) {
        out[2 + index] = (uint8_t)(lengths[0] >> (24 - 8 * index));
        out[6 + index] = (uint8_t)(lengths[1] >> (24 - 8 * index));
    }
    out[10] = context_id;
    out[11] = control;
    memmove(out + 12, bytes, length);
    return 12 + length;
}

/* The command set as one PDU on context 1. */
static inline size_t put_command(uint8_t *out, command_fields fields)
{
    uint8_t bytes[512];
    size_t length = command_set(bytes, fields);
    return put_pdu(out, 1, LAST_COMMAND, bytes, length);
}

/* A data set fragment of bytes `fill` on context 1. */
static inline size_t put_data(uint8_t *out, uint8_t control, uint8_t fill, size_t length)
{
    memset(out + 12, fill, length);
    return put_pdu(out, 1, control, out + 12, length);
}

/* A whole C-STORE: its command and a data set of length bytes `fill`, in a PDU each. */
static inline size_t message(uint8_t *out, uint16_t message_id, const char *instance, uint8_t fill, size_t length)
{
    size_t command = put_command(out, store_request(message_id, instance));
    return command + put_data(out + command, LAST_DATA, fill, length);
}

#endif
