/* Instances that are received to their end and not kept: too large, or with other UIDs than their command. */

#include "spool_peer.h"

/* Send one instance with these bytes as its data set, in fragments. */
static void transmit_instance(association one, uint16_t message_id, const void *content, size_t length, size_t fragment)
{
    size_t at = put_command(stream, store_request(message_id, INSTANCE));
    for (size_t done = 0; done < length; done += fragment) {
        size_t part = length - done < fragment ? length - done : fragment;
        uint8_t control = done + part == length ? LAST_DATA : DATA;
        at += put_pdu(stream + at, 1, control, (const uint8_t *)content + done, part);
    }
    transmit(one.peer, stream, at);
}

static void check_refused(association one, uint16_t message_id, int refusal, uint16_t status)
{
    p104_completion told = next_completion(one.spool);
    CHECK(told.kind == P104_FAILED && told.error == refusal && told.status == status);
    check_answer(one, message_id, status);
    CHECK(files_in("parts") == 0);
}

static void check_stored(association one, uint16_t message_id, size_t length)
{
    p104_completion told = next_completion(one.spool);
    CHECK(told.kind == P104_STORED && told.bytes == length);
    check_answer(one, message_id, 0);
}

/* ---- too large ---- */

/* Just as long as may be, one byte longer, and what comes behind is served. */
static void test_size(int durability, size_t maximum, size_t fragment)
{
    static uint8_t content[LARGE];
    p104_spool *spool = open_spool(durability, 2);
    association one = associate_and_lend(spool, 1, (terms){.maximum_size = maximum});
    transmit_instance(one, 1, content, maximum + 1, fragment);
    check_refused(one, 1, P104_TOO_LARGE, 0xA700);
    CHECK(named_files() == 0);
    transmit_instance(one, 2, content, maximum, fragment);
    check_stored(one, 2, maximum);
    transmit_instance(one, 3, content, maximum + 1, fragment);
    check_refused(one, 3, P104_TOO_LARGE, 0xA700);
    CHECK(named_files() == 1); /* what stood there before stands */
    p104_intake_counts counts = counts_of(one);
    CHECK(counts.stored == 1 && counts.failed == 2 && counts.bytes == maximum && counts.under_way == 0);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* What lies on the disk of one that is too large does not grow, while the rest of it comes. */
static void test_what_is_too_large_is_drained(int durability)
{
    p104_spool *spool = open_spool(durability, 1);
    association one = associate_and_lend(spool, 1, (terms){.maximum_size = 1000});
    transmit(one.peer, stream, put_command(stream, store_request(1, INSTANCE)));
    transmit(one.peer, stream, put_data(stream, DATA, 'a', 900));
    UNTIL(files_in("parts") == 1);
    for (int piece = 0; piece < 20; piece++)
        transmit(one.peer, stream, put_data(stream, DATA, 'a', 100 * 1000));
    UNTIL(files_in("parts") == 0);
    check_no_answer(one);
    transmit(one.peer, stream, put_data(stream, LAST_DATA, 'a', 0));
    check_refused(one, 1, P104_TOO_LARGE, 0xA700);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* ---- other UIDs ---- */

typedef struct {
    const char *bytes;
    size_t length;
    int kept;
} data_set;

#define DATA_SET(text, kept) {text, sizeof(text) - 1, kept}
#define CLASS_ELEMENT "\x08\0\x16\0UI\x1a\0" "1.2.840.10008.5.1.4.1.1.2\0"

static const data_set DATA_SETS[] = {
    DATA_SET("\x08\0\x18\0UI\6\0" "1.2.3\0", 1),
    DATA_SET("\x08\0\x18\0UI\6\0" "1.2.3 ", 1),
    DATA_SET("\x08\0\x18\0UI\x8\0" "1.2.3\0\0\0", 1),
    DATA_SET(CLASS_ELEMENT "\x08\0\x18\0UI\6\0" "1.2.3\0", 1),
    DATA_SET(CLASS_ELEMENT, 1),
    DATA_SET("\x08\0\x60\0" "CS\2\0CT", 1),           /* neither is there: nothing speaks against it */
    DATA_SET("\x08\0\x18\0UI\6\0" "1.2", 1),          /* ends inside the value: not seen */
    DATA_SET("\x08\0\x18\0\6\0\0\0" "1.2.4\0", 1),    /* not in the stated syntax: not seen */
    DATA_SET("\x08\0\x60\0" "CS\2\0CT\x08\0\x18\0UI\6\0" "1.2.4\0", 1), /* out of order: not seen */
    DATA_SET("\x08\0\x18\0UI\6\0" "1.2.4\0", 0),
    DATA_SET("\x08\0\x18\0UI\4\0" "1.2\0", 0),
    DATA_SET("\x08\0\x18\0UI\x8\0" "1.2.3.4\0", 0),
    DATA_SET("\x08\0\x18\0UI\6\0" "\0001.2.3", 0),
    DATA_SET("\x08\0\x18\0UI\0\0", 0),
    DATA_SET("\x08\0\x16\0UI\6\0" "1.2.3\0\x08\0\x18\0UI\6\0" "1.2.3\0", 0),
    DATA_SET("\x08\0\x16\0UI\0\0\x08\0\x18\0UI\6\0" "1.2.3\0", 0),
    DATA_SET(CLASS_ELEMENT "\x08\0\x18\0UI\6\0" "1.2.9\0", 0),
    DATA_SET("\x08\0\x18\0UI\6\0" "1.2.4\0\x08\0\x60\0!!\2\0CT", 0), /* unreadable behind it */
};

enum { DATA_SET_COUNT = sizeof DATA_SETS / sizeof DATA_SETS[0] };

static void test_uids(int durability, const data_set *sent, size_t fragment)
{
    p104_spool *spool = open_spool(durability, 1);
    association one = associate_and_lend(spool, 1, (terms){.flags = P104_EXPLICIT_VR});
    transmit_instance(one, 1, sent->bytes, sent->length, fragment);
    if (sent->kept)
        check_stored(one, 1, sent->length);
    else
        check_refused(one, 1, P104_UIDS_DIFFER, 0xA900);
    CHECK(named_files() == sent->kept);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* Seen at once, and then thousands of bytes come that go from socket to file by the shorter way. */
static void test_uids_of_a_large_one(int durability)
{
    static uint8_t content[LARGE] = "\x08\0\x18\0UI\6\0" "1.2.4\0\xe0\x7f\x10\0OW\0\0\xff\xff\xff";
    p104_spool *spool = open_spool(durability, 1);
    association one = associate_and_lend(spool, 1, (terms){.flags = P104_EXPLICIT_VR});
    transmit_instance(one, 1, content, 3 * 1000 * 1000, 1000 * 1000);
    check_refused(one, 1, P104_UIDS_DIFFER, 0xA900);
    CHECK(named_files() == 0);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        test_size(durability, 1, 1);
        test_size(durability, 1000, 1001);
        test_size(durability, 1000, 7);
        test_size(durability, 1000 * 1000, 500 * 1000);
        test_size(durability, 3 * 1000 * 1000, 3 * 1000 * 1000 + 1);
        test_what_is_too_large_is_drained(durability);
        for (int index = 0; index < DATA_SET_COUNT; index++)
            test_uids(durability, &DATA_SETS[index], index % 2 ? 5 : 1000);
        test_uids_of_a_large_one(durability);
    }
    remove_folders();
    printf("test_intake_refusals: %d cases\n", 2 * (7 + DATA_SET_COUNT));
    return 0;
}
