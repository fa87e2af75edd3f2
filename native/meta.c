/* meta.c - see meta.h. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "blake2b.h"
#include "meta.h"

enum {
    PREAMBLE = 128,
    PREFIX = 4,
    GROUP_LENGTH_ELEMENT = 12,
    AE_TITLE_LENGTH = 16,
    UID_LENGTH = 64,
};

/* (0002,0001) File Meta Information Version, OB: version 1. */
static const uint8_t VERSION[] = {2, 0, 1, 0, 'O', 'B', 0, 0, 2, 0, 0, 0, 0, 1};

static uint8_t *put_uid(uint8_t *at, uint8_t element, p104_uid uid)
{
    size_t padded = uid.length + uid.length % 2;
    memcpy(at, (uint8_t[]){2, 0, element, 0, 'U', 'I', (uint8_t)padded, 0}, 8);
    memcpy(at + 8, uid.bytes, uid.length);
    if (padded > uid.length)
        at[8 + uid.length] = 0;
    return at + 8 + padded;
}

size_t p104_encode_meta(uint8_t *out, p104_uid sop_class, p104_uid sop_instance, p104_uid transfer_syntax,
                        const uint8_t *origin, size_t origin_length, size_t *identity_end)
{
    memset(out, 0, PREAMBLE);
    memcpy(out + PREAMBLE, "DICM", PREFIX);
    uint8_t *group_length = out + PREAMBLE + PREFIX;
    uint8_t *group = group_length + GROUP_LENGTH_ELEMENT;
    memcpy(group, VERSION, sizeof VERSION);
    uint8_t *at = put_uid(group + sizeof VERSION, 0x02, sop_class);
    at = put_uid(at, 0x03, sop_instance);
    at = put_uid(at, 0x10, transfer_syntax);
    *identity_end = (size_t)(at - out);
    memcpy(at, origin, origin_length);
    at += origin_length;
    size_t length = (size_t)(at - group);
    memcpy(group_length, (uint8_t[]){2, 0, 0, 0, 'U', 'L', 4, 0, (uint8_t)length, (uint8_t)(length >> 8), 0, 0},
           GROUP_LENGTH_ELEMENT);
    return (size_t)(at - out);
}

static size_t two_bytes(const uint8_t *at)
{
    return at[0] | (size_t)at[1] << 8;
}

int p104_measure_meta(const uint8_t *bytes, size_t length, size_t *header_length, size_t *identity_end)
{
    static const uint8_t identity[] = {0x02, 0x03, 0x10};
    size_t group = PREAMBLE + PREFIX + GROUP_LENGTH_ELEMENT;
    size_t at = group + sizeof VERSION;
    if (length < at || memcmp(bytes + group, VERSION, sizeof VERSION) != 0)
        return -1;
    *header_length = group + two_bytes(bytes + group - 4);
    for (size_t index = 0; index < sizeof identity; index++) {
        if (at + 8 > length || memcmp(bytes + at, (uint8_t[]){2, 0, identity[index], 0, 'U', 'I'}, 6) != 0)
            return -1;
        at += 8 + two_bytes(bytes + at + 6);
    }
    *identity_end = at;
    return at <= *header_length && *header_length <= length ? 0 : -1;
}

void p104_file_name(char *out, const uint8_t *called, size_t called_length, p104_uid sop_instance)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t identity[AE_TITLE_LENGTH + 1 + UID_LENGTH];
    uint8_t hash[P104_NAME_LENGTH / 2];
    memcpy(identity, called, called_length);
    identity[called_length] = 0;
    memcpy(identity + called_length + 1, sop_instance.bytes, sop_instance.length);
    p104_blake2b(hash, sizeof hash, identity, called_length + 1 + sop_instance.length);
    for (size_t index = 0; index < sizeof hash; index++) {
        *out++ = digits[hash[index] >> 4];
        *out++ = digits[hash[index] & 15];
    }
    *out = 0;
}
