/* dataset.c - see dataset.h.
 *
 * Depth alone tells where the reader stands: each sequence of undefined length and each item of
 * undefined length adds one, so that odd depths hold items and even ones elements. What has a defined
 * length is passed over by its length, however it is made inside. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataset.h"

enum {
    SHORT_HEADER = 8,  /* tag, VR and 16 bit length; or tag and 32 bit length */
    LONG_HEADER = 12,  /* tag, VR, two reserved bytes and 32 bit length (PS3.5 7.1.2) */
    FIRST_GROUP = 0x0008 /* below are command sets, File Meta Information and the like */
};

static const uint32_t UNDEFINED = 0xFFFFFFFF;
static const uint32_t ITEM = 0xFFFEE000;
static const uint32_t ITEM_DELIMITATION = 0xFFFEE00D;
static const uint32_t SEQUENCE_DELIMITATION = 0xFFFEE0DD;

int p104_picker_start(p104_picker *picker, int explicit_vr, const uint32_t *tags, size_t count)
{
    memset(picker, 0, sizeof *picker);
    if (count > P104_PICK_TAGS)
        return -1;
    for (size_t index = 0; index < count; index++) {
        if (tags[index] >> 16 < FIRST_GROUP || (index > 0 && tags[index] <= tags[index - 1]))
            return -1;
        picker->picked[index].tag = tags[index];
    }
    picker->count = (uint8_t)count;
    picker->explicit_vr = explicit_vr != 0;
    picker->state = count == 0 ? P104_PICK_DONE : P104_PICK_MORE;
    return 0;
}

static uint32_t little_endian_16(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t little_endian_32(const uint8_t *bytes)
{
    return little_endian_16(bytes) | little_endian_16(bytes + 2) << 16;
}

/* The VRs whose length has 16 bits; every other one, those that are yet to come too, has 32 (PS3.5 7.1.2). */
static int has_short_length(const uint8_t *vr)
{
    static const char vrs[][3] = {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO",
                                  "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"};
    for (size_t index = 0; index < sizeof vrs / sizeof *vrs; index++)
        if (memcmp(vr, vrs[index], 2) == 0)
            return 1;
    return 0;
}

static int is_vr(const uint8_t *vr, const char *name)
{
    return memcmp(vr, name, 2) == 0;
}

static int looks_like_vr(const uint8_t *vr)
{
    return vr[0] >= 'A' && vr[0] <= 'Z' && vr[1] >= 'A' && vr[1] <= 'Z';
}

static uint32_t tag_of(const uint8_t *header)
{
    return little_endian_16(header) << 16 | little_endian_16(header + 2);
}

static int is_implicit_here(const p104_picker *picker)
{
    return !picker->explicit_vr || (picker->implicit_from > 0 && picker->depth >= picker->implicit_from);
}

/* Whether this header has a VR: items and delimiters have none in either encoding (PS3.5 7.5). */
static int has_vr(const p104_picker *picker)
{
    return !is_implicit_here(picker) && tag_of(picker->header) >> 16 != 0xFFFE;
}

static size_t header_size(const p104_picker *picker)
{
    if (picker->header_used < SHORT_HEADER || !has_vr(picker) || has_short_length(picker->header + 4))
        return SHORT_HEADER;
    return LONG_HEADER;
}

static void leave(p104_picker *picker)
{
    picker->depth--;
    if (picker->depth < picker->implicit_from)
        picker->implicit_from = 0;
}

/* A header inside a sequence of undefined length: an item, or the sequence's end. */
static int take_item(p104_picker *picker, uint32_t tag, uint32_t length)
{
    if (tag == SEQUENCE_DELIMITATION)
        leave(picker);
    else if (tag != ITEM)
        return P104_PICK_UNREADABLE;
    else if (length == UNDEFINED)
        picker->depth++;
    else
        picker->skip = length;
    return P104_PICK_MORE;
}

/* An element's value begins: pass over it, or go down into it. */
static int enter_value(p104_picker *picker, const uint8_t *vr, uint32_t length)
{
    if (length != UNDEFINED) {
        picker->skip = length;
        return P104_PICK_MORE;
    }
    picker->depth++;
    /* UN of undefined length holds a sequence in implicit VR, whatever surrounds it (PS3.5 6.2.2 note 2). */
    if (vr && is_vr(vr, "UN") && picker->implicit_from == 0)
        picker->implicit_from = picker->depth;
    return P104_PICK_MORE;
}

/* A top-level element: is it wanted, is it behind all that are? */
static int take_top_level(p104_picker *picker, uint32_t tag, const uint8_t *vr, uint32_t length)
{
    if (tag >> 16 < FIRST_GROUP || tag <= picker->last_tag || tag >> 16 == 0xFFFE)
        return P104_PICK_UNREADABLE;
    picker->last_tag = tag;
    while (picker->next < picker->count && picker->picked[picker->next].tag < tag)
        picker->next++;
    if (picker->next == picker->count)
        return P104_PICK_DONE;
    if (picker->picked[picker->next].tag == tag) {
        if (length == UNDEFINED || (vr && is_vr(vr, "SQ")))
            return P104_PICK_UNREADABLE; /* a wanted element is a value, never a sequence */
        picker->keeping = 1;
        picker->picked[picker->next].found = 1;
    }
    return enter_value(picker, vr, length);
}

static int take_header(p104_picker *picker)
{
    const uint8_t *header = picker->header;
    const uint8_t *vr = has_vr(picker) ? header + 4 : NULL;
    uint32_t tag = tag_of(header);
    uint32_t length = vr && has_short_length(vr) ? little_endian_16(header + 6)
                                                 : little_endian_32(header + (vr ? 8 : 4));
    picker->header_used = 0;
    if (picker->depth % 2 == 1)
        return take_item(picker, tag, length);
    if (vr && !looks_like_vr(vr))
        return P104_PICK_UNREADABLE;
    if (picker->depth == 0)
        return take_top_level(picker, tag, vr, length);
    if (tag == ITEM_DELIMITATION) {
        leave(picker);
        return P104_PICK_MORE;
    }
    return tag >> 16 == 0xFFFE ? P104_PICK_UNREADABLE : enter_value(picker, vr, length);
}

static void keep(p104_picker *picker, const uint8_t *input, size_t length)
{
    p104_picked *picked = &picker->picked[picker->next];
    size_t room = P104_PICK_VALUE - (size_t)picked->length;
    if (length > room) {
        picked->truncated = 1;
        length = room;
    }
    memcpy(picked->value + picked->length, input, length);
    picked->length = (uint16_t)(picked->length + length);
}

/* Pass over value bytes; returns how many of the input. */
static size_t pass(p104_picker *picker, const uint8_t *input, size_t length)
{
    size_t passed = length < picker->skip ? length : (size_t)picker->skip;
    if (picker->keeping)
        keep(picker, input, passed);
    picker->skip -= passed;
    return passed;
}

/* Collect header bytes; returns how many of the input. */
static size_t collect(p104_picker *picker, const uint8_t *input, size_t length)
{
    size_t missing = header_size(picker) - picker->header_used;
    size_t taken = length < missing ? length : missing;
    memcpy(picker->header + picker->header_used, input, taken);
    picker->header_used = (uint8_t)(picker->header_used + taken);
    return taken;
}

int p104_pick(p104_picker *picker, const uint8_t *input, size_t length)
{
    size_t position = 0;
    while (picker->state == P104_PICK_MORE && position < length) {
        if (picker->skip > 0) {
            position += pass(picker, input + position, length - position);
        } else {
            picker->keeping = 0;
            position += collect(picker, input + position, length - position);
            if (picker->header_used >= SHORT_HEADER && picker->header_used == header_size(picker))
                picker->state = (uint8_t)take_header(picker);
        }
    }
    return picker->state;
}

int p104_picker_end(p104_picker *picker)
{
    if (picker->state == P104_PICK_MORE) {
        int between = picker->header_used == 0 && picker->skip == 0 && picker->depth == 0;
        picker->state = between ? P104_PICK_DONE : P104_PICK_UNREADABLE;
    }
    return picker->state;
}
