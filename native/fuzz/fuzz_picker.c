/* However a data set is cut, the picker finds in it what it finds in the whole; what it found stands in the data set.
 *
 * Input: how it is cut, 1 for explicit VR in its lowest bit, and the data set. */

#include "fuzz.h"

#include "dataset.h"

enum { FIXED = 2 };

/* Those of routing, and one behind pixel data. */
static const uint32_t TAGS[] = {0x00080016, 0x00080018, 0x00080050, 0x00080060, 0x00100020,
                                0x0020000d, 0x0020000e, 0x7fe10010};
enum { TAG_COUNT = sizeof TAGS / sizeof *TAGS };

static void pick_all(p104_picker *picker, const uint8_t *data_set, size_t length, cuts cut, int explicit_vr)
{
    HOLDS(p104_picker_start(picker, explicit_vr, TAGS, TAG_COUNT) == 0);
    while (length > 0) {
        size_t size = next_piece(&cut, length);
        uint8_t *piece = malloc(size);
        memcpy(piece, data_set, size);
        int state = p104_pick(picker, piece, size);
        HOLDS(state == picker->state && state <= P104_PICK_UNREADABLE);
        free(piece);
        data_set += size;
        length -= size;
    }
    HOLDS(p104_picker_end(picker) != P104_PICK_MORE);
}

static int contains(const uint8_t *data_set, size_t length, const p104_picked *picked)
{
    return picked->length == 0 || memmem(data_set, length, picked->value, picked->length) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    p104_picker whole;
    p104_picker pieces;
    if (size < FIXED)
        return 0;
    const uint8_t *data_set = data + FIXED;
    size_t length = size - FIXED;
    pick_all(&whole, data_set, length, cuts_of(0), data[1] & 1);
    pick_all(&pieces, data_set, length, cuts_of(data[0] ? data[0] : 1), data[1] & 1);
    HOLDS(whole.state == pieces.state);
    for (int index = 0; index < TAG_COUNT; index++) {
        const p104_picked *picked = &whole.picked[index];
        const p104_picked *same = &pieces.picked[index];
        HOLDS(picked->found == same->found && picked->tag == TAGS[index]);
        if (!picked->found)
            continue;
        HOLDS(picked->length == same->length && picked->truncated == same->truncated);
        HOLDS(memcmp(picked->value, same->value, picked->length) == 0);
        HOLDS(picked->length <= P104_PICK_VALUE && contains(data_set, length, picked));
        HOLDS(!picked->truncated || picked->length == P104_PICK_VALUE);
    }
    return 0;
}
