/* What is read of File Meta Information lies within the bytes, is made of UIDs, and stays when more bytes follow a group
 * that is not its own.
 *
 * Input: what follows a preamble. */

#include "fuzz.h"

#include "command.h"
#include "file_meta.h"

enum { PREAMBLE = 128 };

static void holds(const uint8_t *uid)
{
    HOLDS(uid[0] == 0 || p104_is_uid(uid + 1, uid[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    p104_file_meta meta;
    p104_file_meta longer;
    uint8_t *head = calloc(1, PREAMBLE + size + 1);
    memcpy(head + PREAMBLE, data, size);
    size += PREAMBLE;
    uint8_t *exact = malloc(size);
    memcpy(exact, head, size);
    int fault = p104_read_file_meta(exact, size, &meta);
    HOLDS(fault == 0 || fault == P104_META_NO_DICOM || fault == P104_META_CUT_OFF);
    if (fault == 0) {
        HOLDS(meta.data_set_at >= PREAMBLE + 4 && (size_t)meta.data_set_at <= size);
        holds(meta.sop_class);
        holds(meta.sop_instance);
        holds(meta.transfer_syntax);
        head[size] = 0xff;
        if ((size_t)meta.data_set_at + 2 <= size)
            HOLDS(p104_read_file_meta(head, size + 1, &longer) == 0 && memcmp(&meta, &longer, sizeof meta) == 0);
    }
    free(exact);
    free(head);
    return 0;
}
