/* The element picker: every case whole, byte by byte and cut at every place picks the same. */

#include <stddef.h>
#include <stdint.h>

#include "dataset.h"

#include "check.h"

enum { ROOM = 4096, IMPLICIT = 0, EXPLICIT = 1 };

static const uint32_t TAGS[] = {0x00080018, 0x00080060, 0x0020000D};

typedef struct {
    const char *name;
    int explicit_vr;
    const char *input; /* characters; \xNN for what is not text */
    size_t length;
    int state;          /* after p104_picker_end */
    const char *picked; /* values found, in order, a blank behind each */
} pick_case;

#define BYTES(text) text, sizeof(text) - 1
#define UID18 "\x08\0\x18\0UI\4\0" "1.2\0"
#define MODALITY "\x08\0\x60\0" "CS\2\0CT"
#define STUDY "\x20\0\x0d\0UI\4\0" "1.3\0"
#define BEYOND "\x28\0\x02\0US\2\0\1\0"
#define ITEM_OPEN "\xfe\xff\0\xe0\xff\xff\xff\xff"
#define ITEM_CLOSE "\xfe\xff\x0d\xe0\0\0\0\0"
#define SEQUENCE_CLOSE "\xfe\xff\xdd\xe0\0\0\0\0"
#define OPEN_SQ(tag) tag "SQ\0\0\xff\xff\xff\xff"

static const pick_case CASES[] = {
    {"every wanted element", EXPLICIT, BYTES(UID18 MODALITY STUDY BEYOND "garbage"), P104_PICK_DONE, "1.2 CT 1.3 "},
    {"implicit VR", IMPLICIT,
     BYTES("\x08\0\x18\0\4\0\0\0" "1.2\0" "\x08\0\x60\0\2\0\0\0MR" "\x20\0\x0d\0\2\0\0\0" "1\0"),
     P104_PICK_DONE, "1.2 MR 1 "},
    {"an absent element", EXPLICIT, BYTES(UID18 STUDY), P104_PICK_DONE, "1.2 1.3 "},
    {"an empty value", EXPLICIT, BYTES("\x08\0\x60\0" "CS\0\0" STUDY), P104_PICK_DONE, " 1.3 "},
    {"an empty value before another's", EXPLICIT, BYTES("\x08\0\x60\0" "CS\0\0" "\x08\0\x70\0LO\2\0xy"),
     P104_PICK_DONE, " "},
    {"an empty data set", EXPLICIT, BYTES(""), P104_PICK_DONE, ""},
    {"a long-form VR in between", EXPLICIT, BYTES(UID18 "\x09\0\x10\0OB\0\0\3\0\0\0abc" STUDY), P104_PICK_DONE, "1.2 1.3 "},
    {"a VR that is yet to come has a long form", EXPLICIT, BYTES(UID18 "\x09\0\x10\0ZZ\0\0\1\0\0\0a" STUDY),
     P104_PICK_DONE, "1.2 1.3 "},
    {"a sequence of undefined length", EXPLICIT,
     BYTES(UID18 OPEN_SQ("\x08\0\x15\x11") ITEM_OPEN STUDY ITEM_CLOSE SEQUENCE_CLOSE STUDY), P104_PICK_DONE, "1.2 1.3 "},
    {"sequences in sequences", EXPLICIT,
     BYTES(UID18 OPEN_SQ("\x08\0\x15\x11") ITEM_OPEN OPEN_SQ("\x08\0\x99\x11") ITEM_OPEN ITEM_CLOSE SEQUENCE_CLOSE
           ITEM_CLOSE "\xfe\xff\0\xe0\2\0\0\0ab" SEQUENCE_CLOSE STUDY), P104_PICK_DONE, "1.2 1.3 "},
    {"a sequence of defined length", EXPLICIT, BYTES(UID18 "\x08\0\x15\x11SQ\0\0\4\0\0\0abcd" STUDY), P104_PICK_DONE, "1.2 1.3 "},
    {"implicit VR inside of UN", EXPLICIT,
     BYTES(UID18 "\x09\0\x10\x10UN\0\0\xff\xff\xff\xff" ITEM_OPEN "\x08\0\x60\0\2\0\0\0XX" ITEM_CLOSE SEQUENCE_CLOSE STUDY),
     P104_PICK_DONE, "1.2 1.3 "},
    {"two items inside of UN, and explicit VR behind it", EXPLICIT,
     BYTES(UID18 "\x09\0\x10\x10UN\0\0\xff\xff\xff\xff" ITEM_OPEN "\x08\0\x60\0\2\0\0\0XX" ITEM_CLOSE
           ITEM_OPEN "\x08\0\x60\0\2\0\0\0YY" ITEM_CLOSE SEQUENCE_CLOSE STUDY), P104_PICK_DONE, "1.2 1.3 "},
    {"encapsulated icons", EXPLICIT,
     BYTES(UID18 OPEN_SQ("\x08\0\x15\x11") ITEM_OPEN "\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" "\xfe\xff\0\xe0\0\0\0\0"
           "\xfe\xff\0\xe0\2\0\0\0zz" SEQUENCE_CLOSE ITEM_CLOSE SEQUENCE_CLOSE STUDY), P104_PICK_DONE, "1.2 1.3 "},
    {"tags that descend", EXPLICIT, BYTES(MODALITY UID18), P104_PICK_UNREADABLE, "CT "},
    {"a tag that comes twice", EXPLICIT, BYTES(UID18 UID18), P104_PICK_UNREADABLE, "1.2 "},
    {"group 0002 inside", EXPLICIT, BYTES("\x02\0\x10\0UI\4\0" "1.2\0"), P104_PICK_UNREADABLE, ""},
    {"no VR", EXPLICIT, BYTES("\x08\0\x18\0\4\0\0\0" "1.2\0"), P104_PICK_UNREADABLE, ""},
    {"a VR in small letters", EXPLICIT, BYTES("\x08\0\x18\0ui\0\0\4\0\0\0" "1.2\0"), P104_PICK_UNREADABLE, ""},
    {"an item at top level", EXPLICIT, BYTES(ITEM_OPEN), P104_PICK_UNREADABLE, ""},
    {"an element where an item belongs", EXPLICIT, BYTES(OPEN_SQ("\x08\0\x15\x11") STUDY), P104_PICK_UNREADABLE, ""},
    {"a sequence's end inside of an item", EXPLICIT, BYTES(OPEN_SQ("\x08\0\x15\x11") ITEM_OPEN SEQUENCE_CLOSE),
     P104_PICK_UNREADABLE, ""},
    {"a sequence's end that closes nothing", EXPLICIT,
     BYTES(OPEN_SQ("\x08\0\x15\x11") ITEM_OPEN SEQUENCE_CLOSE ITEM_CLOSE SEQUENCE_CLOSE STUDY), P104_PICK_UNREADABLE, ""},
    {"a wanted element that is a sequence", EXPLICIT, BYTES(OPEN_SQ("\x08\0\x18\0")), P104_PICK_UNREADABLE, ""},
    {"a wanted element that is a sequence of defined length", EXPLICIT, BYTES("\x08\0\x18\0SQ\0\0\4\0\0\0" "1.2 "),
     P104_PICK_UNREADABLE, ""},
    {"a wanted element that is a whole sequence", IMPLICIT,
     BYTES("\x08\0\x18\0\xff\xff\xff\xff" SEQUENCE_CLOSE "\x28\0\2\0\0\0\0\0"), P104_PICK_UNREADABLE, ""},
    {"a wanted element of undefined length", IMPLICIT, BYTES("\x08\0\x18\0\xff\xff\xff\xff"), P104_PICK_UNREADABLE, ""},
    {"an end inside a value", EXPLICIT, BYTES("\x08\0\x60\0" "CS\4\0CT"), P104_PICK_UNREADABLE, ""},
    {"an end inside a header", EXPLICIT, BYTES(UID18 "\x20\0\x0d"), P104_PICK_UNREADABLE, "1.2 "},
    {"an end inside a sequence", EXPLICIT, BYTES(OPEN_SQ("\x08\0\x15\x11") ITEM_OPEN), P104_PICK_UNREADABLE, ""},
};

static void run_case(const pick_case *given, guarded memory, size_t first, size_t step, int at_end)
{
    static p104_picker picker;
    char picked[ROOM] = "";
    CHECK(p104_picker_start(&picker, given->explicit_vr, TAGS, 3) == 0);
    const uint8_t *bytes = (const uint8_t *)given->input;
    size_t piece = first < given->length ? first : given->length;
    for (size_t at = 0; at < given->length;) {
        const uint8_t *input = at_end ? guarded_at_end(memory, bytes + at, piece)
                                      : guarded_at_start(memory, bytes + at, piece);
        p104_pick(&picker, input, piece);
        at += piece;
        piece = step < given->length - at ? step : given->length - at;
    }
    CHECK(p104_picker_end(&picker) == picker.state);
    size_t used = 0;
    for (int index = 0; index < picker.count; index++)
        if (picker.picked[index].found)
            used += (size_t)snprintf(picked + used, sizeof picked - used, "%.*s ", picker.picked[index].length,
                                     (const char *)picker.picked[index].value);
    if (picker.state != given->state || strcmp(picked, given->picked) != 0) {
        fprintf(stderr, "%s (cut at %zu, then by %zu): state %d, picked \"%s\"\n", given->name, first, step,
                picker.state, picked);
        exit(1);
    }
}

static void test_start_refuses(void)
{
    static p104_picker picker;
    uint32_t many[P104_PICK_TAGS + 1];
    for (uint32_t index = 0; index <= P104_PICK_TAGS; index++)
        many[index] = 0x00100000 + index;
    CHECK(p104_picker_start(&picker, 1, many, P104_PICK_TAGS + 1) == -1);
    CHECK(p104_picker_start(&picker, 1, many, P104_PICK_TAGS) == 0);
    CHECK(p104_picker_start(&picker, 1, (uint32_t[]){0x00100010, 0x00100010}, 2) == -1);
    CHECK(p104_picker_start(&picker, 1, (uint32_t[]){0x00020010}, 1) == -1);
    CHECK(p104_picker_start(&picker, 1, NULL, 0) == 0 && picker.state == P104_PICK_DONE);
}

/* What is kept of a value of this length that comes in two pieces. */
static void check_kept(size_t length, size_t cut, int truncated)
{
    static p104_picker picker;
    uint8_t element[8 + 2 * P104_PICK_VALUE] = "\x08\0\x60\0LO";
    element[6] = length & 0xff;
    element[7] = (uint8_t)(length >> 8);
    for (size_t at = 0; at < length; at++)
        element[8 + at] = (uint8_t)at;
    CHECK(p104_picker_start(&picker, 1, TAGS, 3) == 0);
    p104_pick(&picker, element, 8 + cut);
    p104_pick(&picker, element + 8 + cut, length - cut);
    CHECK(p104_picker_end(&picker) == P104_PICK_DONE);
    const p104_picked *picked = &picker.picked[1];
    CHECK(picked->found && picked->truncated == truncated);
    CHECK(picked->length == (truncated ? P104_PICK_VALUE : length));
    CHECK(memcmp(picked->value, element + 8, picked->length) == 0);
    CHECK(!picker.picked[2].found && picker.picked[2].length == 0);
}

static void test_long_values_are_cut(void)
{
    for (size_t cut = 0; cut <= P104_PICK_VALUE; cut += 8) {
        check_kept(P104_PICK_VALUE - 1, cut < P104_PICK_VALUE ? cut : 0, 0);
        check_kept(P104_PICK_VALUE, cut, 0);
        check_kept(P104_PICK_VALUE + 1, cut, 1);
        check_kept(2 * P104_PICK_VALUE, cut, 1);
    }
}

/* PS3.5 table 7.1-2 names the VRs whose length has 16 bits; any other two capital letters have 32. */
static void test_every_vr_has_its_length(void)
{
    static const char shorts[] = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US";
    static p104_picker picker;
    for (int pair = 0; pair < 26 * 26; pair++) {
        char vr[] = {(char)('A' + pair / 26), (char)('A' + pair % 26), 0};
        uint8_t element[14] = "\x09\0\1\0";
        memcpy(element + 4, vr, 2);
        size_t length = strstr(shorts, vr) ? 8 : 12;
        element[length == 8 ? 6 : 8] = 2;
        CHECK(p104_picker_start(&picker, 1, TAGS, 3) == 0);
        p104_pick(&picker, element, length + 2);
        p104_pick(&picker, (const uint8_t *)STUDY, sizeof STUDY - 1);
        CHECK(p104_picker_end(&picker) == P104_PICK_DONE && picker.picked[2].found);
    }
}

/* As deep as memory of the peer's, not of ours, allows. */
static void test_depth_costs_nothing(void)
{
    static p104_picker picker;
    CHECK(p104_picker_start(&picker, 1, TAGS, 3) == 0);
    const uint8_t open[] = OPEN_SQ("\x08\0\x15\x11") ITEM_OPEN;
    const uint8_t close[] = ITEM_CLOSE SEQUENCE_CLOSE;
    for (int level = 0; level < 100000; level++)
        CHECK(p104_pick(&picker, open, sizeof open - 1) == P104_PICK_MORE);
    for (int level = 0; level < 100000; level++)
        CHECK(p104_pick(&picker, close, sizeof close - 1) == P104_PICK_MORE);
    CHECK(p104_picker_end(&picker) == P104_PICK_DONE);
}

int main(void)
{
    guarded memory = guarded_new(ROOM);
    for (size_t index = 0; index < sizeof CASES / sizeof *CASES; index++) {
        size_t length = CASES[index].length;
        for (int at_end = 0; at_end < 2; at_end++) {
            run_case(&CASES[index], memory, length, length, at_end);
            run_case(&CASES[index], memory, 1, 1, at_end);
            for (size_t cut = 1; cut < length; cut++)
                run_case(&CASES[index], memory, cut, length, at_end);
        }
    }
    test_start_refuses();
    test_long_values_are_cut();
    test_every_vr_has_its_length();
    test_depth_costs_nothing();
    printf("test_dataset: %zu cases\n", sizeof CASES / sizeof *CASES);
    return 0;
}
