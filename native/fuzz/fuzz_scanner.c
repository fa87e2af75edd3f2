/* However a stream is cut, the scanner tells of it what it tells of the whole; a run lies in its input; a fault is the
 * last word.
 *
 * Input: how it is cut, the maximum length (2 bytes, 0: unlimited), and the stream. */

#include "fuzz.h"

#include "pdata.h"

enum { FIXED = 3, ROOM = 1 << 16 };

/* What was told, without the cuts: runs of one fragment joined, and a mark where something begins or ends. */
typedef struct {
    uint8_t text[3 * ROOM];
    size_t used;
    int last; /* the kind that goes on, or 0 */
} story;

static void tell(story *told, const void *bytes, size_t length)
{
    HOLDS(told->used + length <= sizeof told->text);
    if (length > 0)
        memcpy(told->text + told->used, bytes, length);
    told->used += length;
}

static void tell_mark(story *told, char mark, unsigned detail)
{
    char text[16];
    tell(told, text, (size_t)snprintf(text, sizeof text, "[%c%x]", mark, detail));
}

static void tell_run(story *told, int kind, const uint8_t *bytes, const p104_run *run)
{
    if (told->last != kind && (run->length > 0 || run->ends))
        tell_mark(told, (char)('0' + kind), run->context_id);
    tell(told, bytes + run->offset, run->length);
    told->last = run->ends ? 0 : kind;
    if (run->ends)
        tell_mark(told, '.', 0);
}

/* Scan one piece. Returns 0 at a fault. */
static int scan(p104_scanner *scanner, const uint8_t *piece, size_t length, story *told, unsigned *command_bytes)
{
    for (;;) {
        p104_run run;
        memset(&run, 0xaa, sizeof run);
        int found = p104_scan(scanner, piece, length, &run);
        if (found < 0) {
            HOLDS(found >= P104_FAULT_FRAGMENT);
            tell_mark(told, '!', (unsigned)-found);
            return 0;
        }
        HOLDS(run.consumed <= length && run.offset + run.length == run.consumed);
        if (found == P104_NEED_INPUT) {
            HOLDS(run.consumed == length);
            return 1;
        }
        if (found == P104_PDU_HEADER) {
            told->last = P104_PDU_BODY;
            tell_mark(told, 'h', run.pdu_type);
            tell_mark(told, 'l', run.pdu_length);
        } else {
            run.context_id = found == P104_PDU_BODY ? 0 : run.context_id;
            tell_run(told, found, piece, &run);
        }
        *command_bytes += found == P104_COMMAND ? (unsigned)run.length : 0;
        if (found == P104_COMMAND && run.ends) {
            if (*command_bytes % 2 == 1) /* stands for what a command set says */
                p104_scanner_expect_data_set(scanner);
            *command_bytes = 0;
        }
        piece += run.consumed;
        length -= run.consumed;
    }
}

/* Pieces stand in memory of their own, so that a byte read beyond is seen. */
static void scan_all(const uint8_t *stream, size_t length, cuts cut, uint32_t maximum_length, story *told)
{
    p104_scanner scanner = {0};
    unsigned command_bytes = 0;
    told->used = 0;
    told->last = 0;
    p104_scanner_establish(&scanner, maximum_length);
    int goes_on = 1;
    while (length > 0 && goes_on) {
        size_t size = next_piece(&cut, length);
        uint8_t *piece = malloc(size);
        memcpy(piece, stream, size);
        goes_on = scan(&scanner, piece, size, told, &command_bytes);
        free(piece);
        stream += size;
        length -= size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static story whole;
    static story pieces;
    if (size < FIXED || size > ROOM / 4)
        return 0;
    uint32_t maximum_length = (uint32_t)(data[1] | data[2] << 8);
    scan_all(data + FIXED, size - FIXED, cuts_of(0), maximum_length, &whole);
    scan_all(data + FIXED, size - FIXED, cuts_of(data[0] ? data[0] : 1), maximum_length, &pieces);
    HOLDS(whole.used == pieces.used && memcmp(whole.text, pieces.text, whole.used) == 0);
    return 0;
}
