/* File Meta Information and file names. tests/native/test_commands.py has pydicom read the header. */

#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "meta.h"

#include "check.h"

static p104_uid uid(const char *text)
{
    return (p104_uid){(const uint8_t *)text, strlen(text)};
}

static void test_every_byte(void)
{
    static const uint8_t expected[] = "DICM"
        "\2\0\0\0UL\4\0\x40\0\0\0"
        "\2\0\1\0OB\0\0\2\0\0\0\0\1"
        "\2\0\2\0UI\4\0" "1.2\0"
        "\2\0\3\0UI\4\0" "1.34"
        "\2\0\x10\0UI\2\0" "1\0"
        "\2\0\x12\0UI\x08\0" "origin\0\0";
    const uint8_t *origin = expected + sizeof expected - 1 - 16;
    uint8_t out[P104_META_ROOM];
    size_t identity_end = 0;
    memset(out, 'x', sizeof out);
    size_t length = p104_encode_meta(out, uid("1.2"), uid("1.34"), uid("1"), origin, 16, &identity_end);
    for (int index = 0; index < 128; index++)
        CHECK(out[index] == 0);
    CHECK(length == 128 + sizeof expected - 1 && memcmp(out + 128, expected, sizeof expected - 1) == 0);
    CHECK(identity_end == length - 16);
    CHECK(out[length] == 'x');
}

/* The longest of everything fits into the room; inputs end at guard pages, and so does the output. */
static void test_the_longest(void)
{
    static const char longest[] = "1.2.840.113619.2.55.3.604688119.971.1272348371.12345678901234567";
    static uint8_t origin[P104_ORIGIN_LENGTH];
    guarded uids = guarded_new(P104_UID_LENGTH);
    guarded origins = guarded_new(P104_ORIGIN_LENGTH);
    guarded room = guarded_new(P104_META_ROOM);
    CHECK(sizeof longest - 1 == P104_UID_LENGTH);
    p104_uid one = {guarded_at_end(uids, (const uint8_t *)longest, P104_UID_LENGTH), P104_UID_LENGTH};
    uint8_t *out = room.pages + room.size - P104_META_ROOM;
    size_t identity_end;
    size_t length = p104_encode_meta(out, one, one, one, guarded_at_end(origins, origin, sizeof origin),
                                     sizeof origin, &identity_end);
    CHECK(length == 144 + 14 + 3 * 72 + P104_ORIGIN_LENGTH && length <= P104_META_ROOM);
    CHECK(identity_end == 144 + 14 + 3 * 72);
    CHECK(out[140] + (out[141] << 8) == (int)length - 144);
    length = p104_encode_meta(out, one, one, one, origin, 0, &identity_end);
    CHECK(length == identity_end);
}

/* What was encoded is measured; what ends too early, or is something else, is not. */
static void test_measuring(void)
{
    uint8_t out[P104_META_ROOM];
    guarded memory = guarded_new(P104_META_ROOM);
    size_t identity_end;
    size_t found;
    size_t found_end;
    size_t length = p104_encode_meta(out, uid("1.2"), uid("1.34"), uid("1"), (const uint8_t *)"origin", 6, &identity_end);
    for (size_t had = 0; had <= length; had++) {
        int result = p104_measure_meta(guarded_at_end(memory, out, had), had, &found, &found_end);
        CHECK(result == (had == length ? 0 : -1));
    }
    CHECK(found == length && found_end == identity_end);
    for (size_t at = 144; at < 144 + 14 + 6; at++) {
        out[at] ^= 0x80;
        CHECK(p104_measure_meta(out, length, &found, &found_end) == -1);
        out[at] ^= 0x80;
    }
    out[144 + 14 + 7] = 0xff; /* the length of a UID, beyond the end */
    CHECK(p104_measure_meta(out, length, &found, &found_end) == -1);
}

static void check_name(const char *called, const char *instance, const char *expected)
{
    guarded room = guarded_new(P104_NAME_LENGTH + 1);
    guarded titles = guarded_new(16);
    char *out = (char *)room.pages + room.size - P104_NAME_LENGTH - 1;
    size_t length = strlen(called);
    p104_file_name(out, guarded_at_end(titles, (const uint8_t *)called, length), length, uid(instance));
    CHECK(strcmp(out, expected) == 0);
}

/* hashlib.blake2b(called + b"\0" + uid, digest_size=16).hexdigest() */
static void test_names(void)
{
    check_name("PORT104", "1.2.3", "cc8a87dcb6fb93171d2a8250b487ccb0");
    check_name("OTHER", "1.2.3", "e159f1131f5eaca6619b29ba8971be9f");
    check_name("", "1", "ef99db21d1179a85306af63dcf19a204");
    check_name("SIXTEENCHARACTER", "1.2.840.113619.2.55.3.604688119.971.1272348371.12345678901234567",
               "fc93e97a569305aa5518aad81e3c1ca4");
}

int main(void)
{
    test_every_byte();
    test_the_longest();
    test_measuring();
    test_names();
    printf("test_meta: 4 cases\n");
    return 0;
}
