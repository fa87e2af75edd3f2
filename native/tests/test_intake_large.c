/* Large data sets, whose bytes may go from socket to file without being looked at: none is lost, doubled or
 * displaced, whatever their fragments and whatever comes behind them. */

#include "spool_peer.h"

/* Elements that are picked, of which one is told beside them, then one that is beyond all wanted ones. */
static const char START[] = "\x08\0\x18\0UI\6\0" "1.2.3\0" "\x08\0\x30\x10LO\2\0CT" "\xe0\x7f\x10\0OW\0\0\xff\xff\xff";

static uint8_t content[LARGE];

/* A byte that tells its place. */
static void fill_content(void)
{
    for (size_t at = 0; at < sizeof content; at++)
        content[at] = (uint8_t)((uint32_t)at * 2654435761u >> 24);
    memcpy(content, START, sizeof START);
}

/* Send length bytes of content in fragments of this size; `whole`: the last one ends the data set. */
static void transmit_content(association one, size_t length, size_t fragment, int whole)
{
    for (size_t at = 0; at < length; at += fragment) {
        size_t part = length - at < fragment ? length - at : fragment;
        uint8_t control = whole && at + part == length ? LAST_DATA : DATA;
        transmit(one.peer, stream, put_pdu(stream, 1, control, content + at, part));
    }
}

static void check_content(size_t length)
{
    static uint8_t stored[P104_META_ROOM + LARGE + 100];
    FILE *file = fopen(file_path(""), "rb");
    CHECK(file);
    size_t got = fread(stored, 1, sizeof stored, file);
    fclose(file);
    CHECK(got > length && got < length + P104_META_ROOM);
    CHECK(memcmp(stored + got - length, content, length) == 0);
}

/* One instance, and a small one right behind it. */
static void test_fragments_of(int durability, size_t fragment, size_t length, int flags)
{
    p104_spool *spool = open_spool(durability, 2);
    association one = associate_and_lend(spool, 7, (terms){.flags = flags});
    transmit(one.peer, stream, put_command(stream, store_request(1, INSTANCE)));
    transmit_content(one, length, fragment, 1);
    transmit(one.peer, stream, message(stream, 2, "1.2.4", 'b', 10));
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_STORED && told.id == 7 && told.bytes == length);
    CHECK(told.pick_state == (flags ? P104_PICK_DONE : P104_PICK_UNREADABLE) && told.picked_length == (flags ? 8 : 0));
    CHECK(!flags || memcmp(told.picked, "\x30\x10\x08\0\2\0CT", 8) == 0);
    check_answer(one, 1, 0);
    check_content(length);
    told = next_completion(spool);
    CHECK(told.kind == P104_STORED && told.bytes == 10);
    check_answer_for(one, 2, "1.2.4", 0);
    CHECK(counts_of(one).bytes == length + 10 && p104_link_received(one.link) > length);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* It ends before its fragment does, or behind it something else follows. */
static void test_what_breaks_one_off(int durability, size_t sent, const char *behind, size_t behind_length, int expected)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(durability, 1);
    association one = associate_and_lend(spool, 1, (terms){0});
    transmit(one.peer, stream, put_command(stream, store_request(1, INSTANCE)));
    put_pdu(stream, 1, DATA, content, 1024 * 1024);
    transmit(one.peer, stream, sent);
    UNTIL(files_in("parts") == 1);
    transmit(one.peer, (const uint8_t *)behind, behind_length);
    shutdown(one.peer, SHUT_WR);
    check_returned(one, P104_RETURN_OTHER);
    CHECK(next_on(one, &run, &data) == expected);
    CHECK(files_in("parts") == 0 && named_files() == 0);
    check_no_answer(one);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

static void test_interrupting(int durability)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(durability, 1);
    association one = associate_and_lend(spool, 1, (terms){0});
    transmit(one.peer, stream, put_command(stream, store_request(1, INSTANCE)));
    put_pdu(stream, 1, LAST_DATA, content, 4 * 1024 * 1024);
    transmit(one.peer, stream, 1024 * 1024);
    UNTIL(files_in("parts") == 1);
    p104_link_interrupt(one.link);
    shutdown(one.ours, SHUT_RD);
    check_returned(one, P104_RETURN_OTHER);
    CHECK(next_on(one, &run, &data) == P104_END_OF_STREAM || p104_link_in_message(one.link));
    CHECK(files_in("parts") == 0 && named_files() == 0);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    fill_content();
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        test_fragments_of(durability, LARGE, LARGE, 0);
        test_fragments_of(durability, LARGE, LARGE, P104_EXPLICIT_VR);
        test_fragments_of(durability, 4000, LARGE, P104_EXPLICIT_VR);
        test_fragments_of(durability, 64 * 1024, 1000 * 1000, P104_EXPLICIT_VR);
        test_fragments_of(durability, 64 * 1024 + 1, 1000 * 1000, 0);
        test_fragments_of(durability, 100 * 1000, 3 * 1000 * 1000, 0);
        test_fragments_of(durability, 1024 * 1024 + 3, 3 * 1024 * 1024 + 9, P104_EXPLICIT_VR);
        test_what_breaks_one_off(durability, 12 + 500 * 1024, "", 0, P104_END_OF_STREAM);
        test_what_breaks_one_off(durability, 12 + 1024 * 1024, "", 0, P104_END_OF_STREAM);
        test_what_breaks_one_off(durability, 12 + 1024 * 1024, "\7\0\0\0\0\4\0\0\2\0", 10, P104_PDU_HEADER);
        test_what_breaks_one_off(durability, 12 + 1024 * 1024, "\4\0\0\0\0\7\0\0\0\3\3\2d", 13, P104_FAULT_FRAGMENT);
        test_interrupting(durability);
    }
    remove_folders();
    printf("test_intake_large: 24 cases\n");
    return 0;
}
