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

static int looks_like_vr(const uint8_t *vr)
{
    return vr[0] >= 'A' && vr[0] <= 'Z' && vr[1] >= 'A' && vr[1] <= 'Z';
}

#define LETTER(letter) (1u << ((letter) - 'A'))

/* By first letter. */
static const uint32_t SHORT_VRS[26] = {
    ['A' - 'A'] = LETTER('E') | LETTER('S') | LETTER('T'),
    ['C' - 'A'] = LETTER('S'),
    ['D' - 'A'] = LETTER('A') | LETTER('S') | LETTER('T'),
    ['F' - 'A'] = LETTER('D') | LETTER('L'),
    ['I' - 'A'] = LETTER('S'),
    ['L' - 'A'] = LETTER('O') | LETTER('T'),
    ['P' - 'A'] = LETTER('N'),
    ['S' - 'A'] = LETTER('H') | LETTER('L') | LETTER('S') | LETTER('T'),
    ['T' - 'A'] = LETTER('M'),
    ['U' - 'A'] = LETTER('I') | LETTER('L') | LETTER('S'),
};

int p104_has_short_length(const uint8_t *vr)
{
    return looks_like_vr(vr) && (SHORT_VRS[vr[0] - 'A'] & LETTER(vr[1])) != 0;
}

static int is_vr(const uint8_t *vr, const char *name)
{
    return memcmp(vr, name, 2) == 0;
}

static uint32_t tag_of(const uint8_t *header)
{
    return little_endian_16(header) << 16 | little_endian_16(header + 2);
}

/* Whether this header has a VR: items and delimiters have none in either encoding (PS3.5 7.5). */
static int has_vr(const p104_picker *picker, const uint8_t *header)
{
    return picker->explicit_vr && picker->implicit_from == 0 && tag_of(header) >> 16 != 0xFFFE;
}

/* header: at least its first SHORT_HEADER bytes. */
static size_t header_size(const p104_picker *picker, const uint8_t *header)
{
    return !has_vr(picker, header) || p104_has_short_length(header + 4) ? SHORT_HEADER : LONG_HEADER;
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
    if (vr && is_vr(vr, "UN"))
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
        picker->keeping = length > 0;
        picker->picked[picker->next].found = length == 0;
    }
    return enter_value(picker, vr, length);
}

static int take_header(p104_picker *picker, const uint8_t *header)
{
    const uint8_t *vr = has_vr(picker, header) ? header + 4 : NULL;
    uint32_t tag = tag_of(header);
    uint32_t length = vr && p104_has_short_length(vr) ? little_endian_16(header + 6)
                                                 : little_endian_32(header + (vr ? 8 : 4));
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

/* Keep these bytes of a wanted value; it is found once its last byte has passed. */
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
    if (picker->skip == 0) {
        picked->found = 1;
        picker->keeping = 0;
    }
}

/* Pass over value bytes; returns how many of the input. */
static size_t pass(p104_picker *picker, const uint8_t *input, size_t length)
{
    size_t passed = length < picker->skip ? length : (size_t)picker->skip;
    picker->skip -= passed;
    if (picker->keeping)
        keep(picker, input, passed);
    return passed;
}

/* The next element header, straight from the input where it lies whole in it; NULL when it is not all
 * there yet. *used counts the input bytes taken. */
static const uint8_t *next_header(p104_picker *picker, const uint8_t *input, size_t left, size_t *used)
{
    if (picker->header_used == 0 && left >= LONG_HEADER) {
        *used = header_size(picker, input);
        return input;
    }
    for (*used = 0; *used < left;) {
        picker->header[picker->header_used++] = input[(*used)++];
        if (picker->header_used >= SHORT_HEADER
            && picker->header_used == header_size(picker, picker->header)) {
            picker->header_used = 0;
            return picker->header;
        }
    }
    return NULL;
}

int p104_pick(p104_picker *picker, const uint8_t *input, size_t length)
{
    size_t position = 0;
    while (picker->state == P104_PICK_MORE && position < length) {
        size_t used;
        if (picker->skip > 0) {
            used = pass(picker, input + position, length - position);
        } else {
            const uint8_t *header = next_header(picker, input + position, length - position, &used);
            if (header)
                picker->state = (uint8_t)take_header(picker, header);
        }
        position += used;
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
