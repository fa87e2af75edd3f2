/* File Meta Information of others, at the end of memory; tests/sending/test_file_meta.py holds it against pydicom. */

#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "file_meta.h"

#include "check.h"

#define PREFIX "DICM"
#define VERSION "\2\0\1\0OB\0\0\2\0\0\0\0\1"
#define CLASS "\2\0\2\0UI\4\0" "1.2\0"
#define INSTANCE "\2\0\3\0UI\4\0" "1.34"
#define SYNTAX "\2\0\x10\0UI\2\0" "1 "

static guarded memory;

/* Read a preamble and what follows it, whose last byte stands before a guard page. */
static int reads(const char *content, size_t length, p104_file_meta *meta)
{
    static uint8_t file[4096];
    memset(file, 0, sizeof file);
    memcpy(file + 128, content, length);
    return p104_read_file_meta(guarded_at_end(memory, file, 128 + length), 128 + length, meta);
}

#define READS(content, meta) reads(content, sizeof(content) - 1, meta)

static int is(const uint8_t *uid, const char *expected)
{
    return uid[0] == strlen(expected) && memcmp(uid + 1, expected, uid[0]) == 0;
}

static void test_all_that_is_asked(void)
{
    static const char all[] = PREFIX VERSION CLASS INSTANCE SYNTAX "\x08\0";
    p104_file_meta meta;
    CHECK(READS(all, &meta) == 0);
    CHECK(meta.data_set_at == 128 + sizeof all - 3);
    CHECK(is(meta.sop_class, "1.2") && is(meta.sop_instance, "1.34") && is(meta.transfer_syntax, "1"));
}

/* However many bytes there are, it is read to their end, or said to be cut off; one byte further would be seen. */
static void test_every_length(void)
{
    static const char all[] = PREFIX VERSION CLASS INSTANCE SYNTAX;
    p104_file_meta meta;
    int whole = 0;
    for (size_t length = 0; length < sizeof all; length++) {
        int fault = reads(all, length, &meta);
        CHECK(fault == (length < 4 ? P104_META_NO_DICOM : fault ? P104_META_CUT_OFF : 0));
        if (fault == 0)
            CHECK(meta.data_set_at == 128 + (int64_t)length || meta.data_set_at == 127 + (int64_t)length);
        whole += fault == 0;
    }
    CHECK(whole == 5 + 4); /* between two elements, and a byte into one */
}

static void test_what_is_none(void)
{
    p104_file_meta meta;
    CHECK(p104_read_file_meta(memory.pages, 0, &meta) == P104_META_NO_DICOM);
    CHECK(READS("DICN" CLASS, &meta) == P104_META_NO_DICOM);
    CHECK(READS(PREFIX "\2\0\2\0UI\5\0" "1.2\0", &meta) == P104_META_CUT_OFF);
    CHECK(READS(PREFIX "\2\0\1\0OB\0\0\xff\xff\xff\xff\0\1", &meta) == P104_META_CUT_OFF);
    CHECK(READS(PREFIX "\2\0\2\0UI\2\0" ".1" INSTANCE "\2\0\x10\0UI\0\0", &meta) == 0);
    CHECK(is(meta.sop_class, "") && is(meta.sop_instance, "1.34") && is(meta.transfer_syntax, ""));
    CHECK(READS(PREFIX CLASS "\2\0\2\0UI\0\0", &meta) == 0 && is(meta.sop_class, "")); /* as it came last */
}

int main(void)
{
    memory = guarded_new(4096);
    test_all_that_is_asked();
    test_every_length();
    test_what_is_none();
    return 0;
}
