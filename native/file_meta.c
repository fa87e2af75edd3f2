/* file_meta.c - see file_meta.h. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "command.h"
#include "dataset.h"
#include "file_meta.h"

enum {
    PREFIX_AT = 128,
    META_AT = 132,
    SHORT_HEADER = 8,
    LONG_HEADER = 12,
    SOP_CLASS = 0x0002,
    SOP_INSTANCE = 0x0003,
    TRANSFER_SYNTAX = 0x0010,
};

static size_t little_16(const uint8_t *bytes)
{
    return bytes[0] | (size_t)bytes[1] << 8;
}

/* Find an element's value. Returns 0 where it does not end here. */
static int find_value(const uint8_t *element, size_t left, size_t *value_at, size_t *length)
{
    if (left < SHORT_HEADER)
        return 0;
    int is_short = p104_has_short_length(element + 4);
    *value_at = is_short ? SHORT_HEADER : LONG_HEADER;
    if (left < *value_at)
        return 0;
    *length = is_short ? little_16(element + 6) : little_16(element + 8) | little_16(element + 10) << 16;
    return *length <= left - *value_at;
}

static void keep_uid(uint8_t *uid, const uint8_t *value, size_t length)
{
    while (length > 0 && (value[length - 1] == 0 || value[length - 1] == ' '))
        length--;
    uid[0] = 0;
    if (!p104_is_uid(value, length))
        return;
    uid[0] = (uint8_t)length;
    memcpy(uid + 1, value, length);
}

static void keep(p104_file_meta *meta, size_t number, const uint8_t *value, size_t length)
{
    if (number == SOP_CLASS)
        keep_uid(meta->sop_class, value, length);
    else if (number == SOP_INSTANCE)
        keep_uid(meta->sop_instance, value, length);
    else if (number == TRANSFER_SYNTAX)
        keep_uid(meta->transfer_syntax, value, length);
}

int p104_read_file_meta(const uint8_t *head, size_t length, p104_file_meta *meta)
{
    memset(meta, 0, sizeof *meta);
    if (length < META_AT || memcmp(head + PREFIX_AT, "DICM", 4) != 0)
        return P104_META_NO_DICOM;
    size_t at = META_AT;
    while (length - at >= 2 && little_16(head + at) == 2) {
        size_t value_at;
        size_t size;
        if (!find_value(head + at, length - at, &value_at, &size))
            return P104_META_CUT_OFF;
        keep(meta, little_16(head + at + 2), head + at + value_at, size);
        at += value_at + size;
    }
    meta->data_set_at = (int64_t)at;
    return 0;
}
