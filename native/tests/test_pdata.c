/* The scanner: every case whole, byte by byte and cut at every place gives the same story. */

#include <stddef.h>
#include <stdint.h>

#include "pdata.h"

#include "check.h"

enum { ROOM = 4096 };

/* What the scanner told: letters for what was found, and the bytes of fragments and bodies.
 * H header, c/C command bytes / end, d/D data set, b/B body, ! fault; behind c and d the context ID. */
typedef struct {
    char text[2 * ROOM];
    size_t used;
} story;

typedef struct {
    const char *name;
    const char *input; /* hexadecimal, blanks ignored */
    const char *told;
    uint32_t maximum_length;
    int established;
} scan_case;

static const scan_case CASES[] = {
    {"a command and its data set", "04 00 0000000a 00000006 01 03 c0c1c2c3  04 00 00000008 00000004 01 02 d0d1",
     "c01:c0c1c2c3C d01:d0d1D ", 0, 1},
    {"fragments of one message in one PDU",
     "04 00 00000017 00000004 01 01 c0c1  00000003 01 03 c2  00000004 01 02 d0d1",
     "c01:c0c1c2C d01:d0d1D ", 0, 1},
    {"an empty last fragment", "04 00 0000000d 00000003 01 01 c0 00000002 01 03", "c01:c0C ", 0, 1},
    {"a PDU that holds one empty fragment", "04 00 00000006 00000002 01 03", "c01:C ", 0, 1},
    {"empty fragments that are not the last say nothing",
     "04 00 0000000d 00000002 01 01 00000003 01 03 c0", "c01:c0C ", 0, 1},
    {"control bits 2 to 7 are reserved", "04 00 00000007 00000003 01 ff c0", "c01:c0C ", 0, 1},
    {"another PDU between messages", "05 00 00000004 00000000", "H05:4 b:00000000B ", 0, 1},
    {"another PDU inside a message", "04 00 00000007 00000003 01 01 c0 07 00 00000004 00000201",
     "c01:c0 H07:4 b:00000201B ", 0, 1},
    {"a PDU without a body", "aa 00 00000000 05 00 00000001 ff", "Haa:0 b:B H05:1 b:ffB ", 0, 1},
    {"P-DATA before the association", "04 00 00000007 00000003 01 03 c0", "H04:7 b:000000030103c0B ", 0, 0},
    {"a PDU at the maximum length", "04 00 00000007 00000003 01 03 c0", "c01:c0C ", 7, 1},
    {"a PDU over the maximum length", "04 00 00000008 00000004 01 03 c0c1", "!-1", 7, 1},
    {"a PDU of length 0", "04 00 00000000", "!-2", 0, 1},
    {"a PDU of length 5", "04 00 00000005 0000000101", "!-2", 0, 1},
    {"a PDV of length 1", "04 00 00000006 00000001 01 03", "!-2", 0, 1},
    {"a PDV of length 0 before another", "04 00 0000000a 00000000 00000002 01 03", "!-2", 0, 1},
    {"a PDV of length 1 before another", "04 00 0000000b 00000001 01 00000002 01 03", "!-2", 0, 1},
    {"a PDV longer than what remains", "04 00 00000007 00000004 01 03 c0", "!-2", 0, 1},
    {"a PDV length of all ones", "04 00 00000007 ffffffff 01 03 c0", "!-2", 0, 1},
    {"bytes behind the last PDV", "04 00 00000009 00000003 01 03 c0 0000", "!-2", 0, 1},
    {"a data set before any command", "04 00 00000007 00000003 01 02 d0", "!-3", 0, 1},
    {"a data set inside a command set",
     "04 00 0000000e 00000003 01 01 c0 00000003 01 02 d0", "c01:c0 !-3", 0, 1},
    {"a command fragment inside a data set",
     "04 00 00000007 00000003 01 03 c0 04 00 0000000e 00000003 01 00 d0 00000003 01 03 c0",
     "c01:c0C d01:d0 !-3", 0, 1},
    {"another context in mid-command",
     "04 00 0000000e 00000003 01 01 c0 00000003 03 03 c1", "c01:c0 !-3", 0, 1},
    {"a data set on another context than its command",
     "04 00 00000007 00000003 01 03 c0 04 00 00000007 00000003 03 02 d0", "c01:c0C !-3", 0, 1},
    {"two messages on two contexts",
     "04 00 00000007 00000003 01 03 c0 04 00 00000007 00000003 01 02 d0"
     "04 00 00000007 00000003 05 03 c1 04 00 00000007 00000003 05 02 d1",
     "c01:c0C d01:d0D c05:c1C d05:d1D ", 0, 1},
};

static size_t unhex(const char *text, uint8_t *bytes)
{
    size_t length = 0;
    while (*text) {
        if (*text == ' ') {
            text++;
            continue;
        }
        char digits[3] = {text[0], text[1], 0};
        bytes[length++] = (uint8_t)strtoul(digits, NULL, 16);
        text += 2;
    }
    return length;
}

static void tell(story *told, const char *format, unsigned a, unsigned b)
{
    told->used += (size_t)snprintf(told->text + told->used, sizeof told->text - told->used, format, a, b);
}

/* Continue or begin the stretch of one kind, so that splits do not show. */
static void tell_run(story *told, char kind, const uint8_t *bytes, const p104_run *run)
{
    char before = told->used ? told->text[told->used - 1] : ' ';
    if (before == ' ')
        tell(told, kind == 'b' ? "b:" : "%c%02x:", (unsigned)kind, run->context_id);
    for (size_t at = 0; at < run->length; at++)
        tell(told, "%02x", bytes[run->offset + at], 0);
    if (run->ends)
        tell(told, "%c ", (unsigned)(kind - 'a' + 'A'), 0);
}

/* A fragment that does not end is closed by a blank when something else follows. */
static void close_run(story *told)
{
    if (told->used && told->text[told->used - 1] != ' ')
        tell(told, " ", 0, 0);
}

static int feed(p104_scanner *scanner, const uint8_t *input, size_t length, story *told)
{
    for (;;) {
        p104_run run;
        memset(&run, 0xaa, sizeof run); /* what is told is written, and not what stood there */
        int result = p104_scan(scanner, input, length, &run);
        if (result < 0) {
            close_run(told);
            tell(told, "!%d", (unsigned)result, 0);
            return 0;
        }
        CHECK(run.consumed <= length);
        CHECK(result > P104_PDU_HEADER || run.length == 0);
        if (result == P104_NEED_INPUT) {
            CHECK(run.consumed == length);
            return 1;
        }
        if (result == P104_PDU_HEADER) {
            close_run(told);
            tell(told, "H%02x:%u ", run.pdu_type, run.pdu_length);
        } else {
            CHECK(run.length > 0 || run.ends);
            CHECK(run.offset + run.length == run.consumed);
            tell_run(told, " bcd"[result - 1], input, &run);
        }
        if (result == P104_COMMAND && run.ends)
            p104_scanner_expect_data_set(scanner);
        input += run.consumed;
        length -= run.consumed;
    }
}

/* Feed the case in pieces that end at `first`, then every `step` bytes; each flush against a guard page. */
static void run_case(const scan_case *given, guarded memory, size_t first, size_t step, int at_end)
{
    uint8_t bytes[ROOM];
    size_t length = unhex(given->input, bytes);
    story told = {.used = 0};
    p104_scanner scanner = {0};
    if (given->established)
        p104_scanner_establish(&scanner, given->maximum_length);
    size_t at = 0;
    size_t piece = first < length ? first : length;
    while (at < length) {
        const uint8_t *input = at_end ? guarded_at_end(memory, bytes + at, piece)
                                      : guarded_at_start(memory, bytes + at, piece);
        if (!feed(&scanner, input, piece, &told))
            break;
        at += piece;
        piece = step < length - at ? step : length - at;
    }
    told.text[told.used] = 0;
    if (strcmp(told.text, given->told) != 0) {
        fprintf(stderr, "%s (cut at %zu, then by %zu):\n  told     %s\n  expected %s\n", given->name, first, step,
                told.text, given->told);
        exit(1);
    }
}

/* A fragment's bytes that pass by another way leave the scanner where scanning them does. */
static void test_passing(void)
{
    uint8_t bytes[ROOM];
    size_t length = unhex("04 00 00000007 00000003 01 03 c0  04 00 00000016 00000006 01 00 d0d1d2d3"
                          "00000008 01 02 d4d5d6d7d8d9", bytes);
    for (uint32_t pass = 1; pass <= 6; pass++) {
        p104_scanner scanner = {0};
        p104_run run;
        size_t at = 0;
        uint32_t data_set = 0;
        p104_scanner_establish(&scanner, 0);
        CHECK(p104_scanner_passable(&scanner) == 0);
        CHECK(p104_scan(&scanner, bytes, 13, &run) == P104_COMMAND);
        CHECK(p104_scanner_passable(&scanner) == 0);
        p104_scanner_expect_data_set(&scanner);
        CHECK(p104_scanner_passable(&scanner) == 0);
        for (at = 13; at < length;) {
            uint32_t passable = p104_scanner_passable(&scanner);
            if (passable == 0) { /* header bytes, and of the fragment the first */
                int result = p104_scan(&scanner, bytes + at, 1, &run);
                at++;
                CHECK(result == P104_NEED_INPUT || (result == P104_DATA_SET && run.length == 1));
                data_set += result == P104_DATA_SET;
                continue;
            }
            uint32_t some = pass < passable ? pass : passable;
            memset(&run, 0xaa, sizeof run);
            p104_scanner_pass(&scanner, some, &run);
            at += some;
            data_set += some;
            CHECK(run.length == some && run.context_id == 1 && run.ends == (at == length));
        }
        CHECK(data_set == 10 && scanner.expectation == P104_EXPECT_MESSAGE);
        CHECK(p104_scan(&scanner, bytes, 13, &run) == P104_COMMAND && run.ends);
    }
}

/* A command's bytes are always looked at. */
static void test_a_command_does_not_pass(void)
{
    uint8_t bytes[ROOM];
    p104_scanner scanner = {0};
    p104_run run;
    unhex("04 00 00000009 00000005 01 03 c0c1c2", bytes);
    p104_scanner_establish(&scanner, 0);
    CHECK(p104_scan(&scanner, bytes, 13, &run) == P104_COMMAND && !run.ends);
    CHECK(p104_scanner_passable(&scanner) == 0);
}

int main(void)
{
    guarded memory = guarded_new(ROOM);
    for (size_t index = 0; index < sizeof CASES / sizeof *CASES; index++) {
        uint8_t bytes[ROOM];
        size_t length = unhex(CASES[index].input, bytes);
        for (int at_end = 0; at_end < 2; at_end++) {
            run_case(&CASES[index], memory, length, length, at_end);
            run_case(&CASES[index], memory, 1, 1, at_end);
            for (size_t cut = 1; cut < length; cut++)
                run_case(&CASES[index], memory, cut, length, at_end);
        }
    }
    test_passing();
    test_a_command_does_not_pass();
    printf("test_pdata: %zu cases\n", sizeof CASES / sizeof *CASES + 2);
    return 0;
}
