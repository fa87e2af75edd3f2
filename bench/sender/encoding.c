#include "encoding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SOP_CLASS[] = "1.2.840.10008.5.1.4.1.1.7";
static const char TRANSFER_SYNTAX[] = "1.2.840.10008.1.2.1";
enum { SOP_CLASS_LENGTH = sizeof SOP_CLASS & ~1u, PDV_HEADERS = 12 };

/* ---- numbers ---- */

uint32_t read32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void write16_little(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

static uint8_t *put16(uint8_t *at, uint32_t value)
{
    return put(at, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, value >> 16), value & 0xffff);
}

static uint8_t *put16_little(uint8_t *at, uint32_t value)
{
    write16_little(at, value);
    return at + 2;
}

static uint8_t *put32_little(uint8_t *at, uint32_t value)
{
    return put16_little(put16_little(at, value & 0xffff), value >> 16);
}

void patch_uid(uint8_t *at, const char *uid)
{
    size_t length = strnlen(uid, UID_ROOM);
    memcpy(at, uid, length);
    memset(at + length, 0, UID_ROOM - length);
}

/* ---- negotiation (PS3.8 9.3.2) ---- */

static uint8_t *put_item(uint8_t *at, uint8_t type, const void *value, size_t length)
{
    at = put(at, (uint8_t[]){type, 0}, 2);
    return put(put16(at, (uint32_t)length), value, length);
}

static size_t encode_context(uint8_t *out)
{
    uint8_t *at = put(out, "\1\0\0\0", 4);
    at = put_item(at, 0x30, SOP_CLASS, strlen(SOP_CLASS));
    at = put_item(at, 0x40, TRANSFER_SYNTAX, strlen(TRANSFER_SYNTAX));
    return (size_t)(at - out);
}

static size_t encode_user_information(uint8_t *out, uint32_t window)
{
    uint8_t *at = put_item(out, 0x51, "\0\0\0\0", 4);
    at = put_item(at, 0x52, "1.2.3.104", 9);
    if (window > 1) {
        uint8_t operations[4];
        put16(put16(operations, window), 1);
        at = put_item(at, 0x53, operations, 4);
    }
    return (size_t)(at - out);
}

size_t encode_request(uint8_t out[REQUEST_ROOM], const char *called, uint32_t window)
{
    uint8_t part[200];
    uint8_t *at = put(out, "\1\0\0\0\0\0\0\1\0\0", 10);
    at += sprintf((char *)at, "%-16.16s%-16s", called, "BENCH");
    memset(at, 0, 32);
    at = put_item(at + 32, 0x10, "1.2.840.10008.3.1.1.1", 21);
    at = put_item(at, 0x20, part, encode_context(part));
    at = put_item(at, 0x50, part, encode_user_information(part, window));
    put32(out + 2, (uint32_t)(at - out - 6));
    return (size_t)(at - out);
}

/* ---- the command set (PS3.7 9.3.1.1) ---- */

static uint8_t *put_command_element(uint8_t *at, uint32_t element, const void *value, uint32_t length)
{
    at = put16_little(put16_little(at, 0), element);
    return put(put32_little(at, length), value, length);
}

patched encode_command(uint8_t *room)
{
    static const char blank[UID_ROOM];
    patched made = {.bytes = room};
    uint8_t *at = put_command_element(room + PDV_HEADERS, 0x0000, "\0\0\0\0", 4);
    uint8_t *group = at;
    at = put_command_element(at, 0x0002, SOP_CLASS, SOP_CLASS_LENGTH);
    at = put_command_element(at, 0x0100, "\1\0", 2);
    at = put_command_element(at, 0x0110, "\1\0", 2);
    made.message_id = at - 2;
    at = put_command_element(at, 0x0700, "\0\0", 2);
    at = put_command_element(at, 0x0800, "\0\0", 2);
    at = put_command_element(at, 0x1000, blank, UID_ROOM);
    made.uid = at - UID_ROOM;
    put32_little(group - 4, (uint32_t)(at - group));
    made.length = (size_t)(at - room);
    uint32_t length = (uint32_t)made.length - PDV_HEADERS;
    uint8_t *header = put32(put(room, "\4\0", 2), length + 6);
    put(put32(header, length + 2), "\1\3", 2);
    return made;
}

/* ---- the data set (PS3.5 7.1.2) ---- */

static uint8_t *put_element(uint8_t *at, uint32_t tag, const char *vr, const void *value, uint32_t length)
{
    at = put16_little(put16_little(at, tag >> 16), tag & 0xffff);
    return put(put16_little(put(at, vr, 2), length), value, length);
}

/* Fill `size` bytes; returns where the SOP instance UID stands. */
static size_t write_elements(uint8_t *data, size_t size)
{
    static const char blank[UID_ROOM];
    uint8_t *at = put_element(data, 0x00080016, "UI", SOP_CLASS, SOP_CLASS_LENGTH);
    at = put_element(at, 0x00080018, "UI", blank, UID_ROOM);
    size_t uid_at = (size_t)(at - data) - UID_ROOM;
    at = put_element(at, 0x00080060, "CS", "OT", 2);
    at = put_element(at, 0x00100010, "PN", "BENCH^PORT104 ", 14);
    at = put_element(at, 0x00100020, "LO", "BENCH1", 6);
    at = put_element(at, 0x0020000d, "UI", "1.2.104.1", 10);
    at = put_element(at, 0x0020000e, "UI", "1.2.104.1.1", 12);
    at = put_element(at, 0x00200013, "IS", "1 ", 2);
    at = put16_little(put16_little(at, 0x7fe0), 0x0010);
    at = put(at, "OB\0\0", 4);
    uint32_t pixels = (uint32_t)(size - (size_t)(at + 4 - data));
    at = put32_little(at, pixels);
    for (size_t index = (size_t)(at - data); index < size; index++)
        data[index] = (uint8_t)(index * 2654435761u >> 13);
    return uid_at;
}

patched encode_data_set(size_t size, uint32_t maximum)
{
    uint8_t *data = malloc(size);
    size_t room = ((maximum && maximum < LARGEST_PDU ? maximum : LARGEST_PDU) - 6) & ~(size_t)1;
    patched made = {.bytes = malloc(size + (size / room + 1) * PDV_HEADERS)};
    if (!data || !made.bytes || size < SMALLEST_DATA_SET || room < SMALLEST_DATA_SET) {
        fprintf(stderr, "cannot encode a data set of %zu bytes in PDUs of %u\n", size, maximum);
        exit(1);
    }
    size_t uid_at = write_elements(data, size);
    uint8_t *out = made.bytes;
    for (size_t done = 0; done < size; done += room) {
        size_t piece = size - done < room ? size - done : room;
        out = put32(put(out, "\4\0", 2), (uint32_t)piece + 6);
        out = put(put32(out, (uint32_t)piece + 2), done + piece == size ? "\1\2" : "\1\0", 2);
        if (done == 0)
            made.uid = out + uid_at;
        out = put(out, data + done, piece);
    }
    free(data);
    made.length = (size_t)(out - made.bytes);
    return made;
}
