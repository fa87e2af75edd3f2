/* The sum that tells a torn file from a whole one. */

#include "../checksum.h"

#include "check.h"

static uint64_t sum_of(const uint8_t *bytes, size_t length, size_t piece)
{
    p104_sum sum;
    p104_sum_start(&sum);
    for (size_t at = 0; at < length; at += piece)
        p104_sum_add(&sum, bytes + at, length - at < piece ? length - at : piece);
    return p104_sum_of(&sum);
}

/* However the bytes come, and at whatever address. */
static void test_pieces(void)
{
    guarded memory = guarded_new(300);
    uint8_t bytes[300];
    for (size_t at = 0; at < sizeof bytes; at++)
        bytes[at] = (uint8_t)(at * 7);
    for (size_t length = 0; length <= sizeof bytes; length++)
        for (size_t piece = 1; piece <= 70; piece++)
            CHECK(sum_of(guarded_at_end(memory, bytes, length), length, piece) == sum_of(bytes, length, sizeof bytes));
}

/* More may be added after it was read. */
static void test_reading_changes_nothing(void)
{
    p104_sum sum;
    p104_sum_start(&sum);
    p104_sum_add(&sum, (const uint8_t *)"first", 5);
    CHECK(p104_sum_of(&sum) == p104_sum_of(&sum));
    p104_sum_add(&sum, (const uint8_t *)"second", 6);
    CHECK(p104_sum_of(&sum) == sum_of((const uint8_t *)"firstsecond", 11, 11));
}

/* Every byte counts, and how many there are, zeros too. */
static void test_what_it_notices(void)
{
    uint8_t bytes[200] = {0};
    uint64_t whole = sum_of(bytes, sizeof bytes, sizeof bytes);
    for (size_t at = 0; at < sizeof bytes; at++) {
        bytes[at] = 1;
        CHECK(sum_of(bytes, sizeof bytes, sizeof bytes) != whole);
        bytes[at] = 0;
        CHECK(sum_of(bytes, at, sizeof bytes) != whole);
    }
    for (size_t lost = 0; lost + 64 <= sizeof bytes; lost++) { /* a block that became zeros */
        memset(bytes, 'x', sizeof bytes);
        whole = sum_of(bytes, sizeof bytes, sizeof bytes);
        memset(bytes + lost, 0, 64);
        CHECK(sum_of(bytes, sizeof bytes, sizeof bytes) != whole);
    }
}

/* Files of a time before are read by the next: the sum of these bytes stays what it is. */
static void test_it_stays(void)
{
    CHECK(sum_of((const uint8_t *)"", 0, 1) == 0x05f96816106eb176);
    CHECK(sum_of((const uint8_t *)"port104", 7, 7) == 0xc2a94ca9917d4534);
    printf("test_checksum: 4 cases\n");
}

int main(void)
{
    test_pieces();
    test_reading_changes_nothing();
    test_what_it_notices();
    test_it_stays();
    return 0;
}
