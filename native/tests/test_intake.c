/* The intake, with both durabilities: from the socket to the file and the answer. */

#include "spool_peer.h"

static void test_small(int durability)
{
    p104_spool *spool = open_spool(durability, 3);
    association one = associate_and_lend(spool, 5, (terms){0});
    p104_completion told = store_small(one, 1, 'a');
    CHECK(told.kind == P104_STORED && told.id == 5 && told.bytes == 1000 && told.status == 0 && !told.unsent);
    CHECK(!told.duplicate && !told.replaced && told.copy == 0 && told.error == 0);
    CHECK(strcmp(told.sop_instance, INSTANCE) == 0 && strcmp(told.name, name_of(INSTANCE)) == 0);
    check_answer(one, 1, 0);
    check_file("", 's', 'a', 1000);

    association other = associate_and_lend(spool, 6, (terms){.sender = 't'});
    told = store_small(other, 1, 'a');
    CHECK(told.kind == P104_STORED && told.id == 6 && told.duplicate && named_files() == 1);
    check_file("", 's', 'a', 1000);

    told = store_small(one, 2, 'b');
    CHECK(told.kind == P104_STORED && told.copy == 1 && !told.replaced);
    check_file(".1", 's', 'b', 1000);
    check_file("", 's', 'a', 1000);

    association overwriting = associate_and_lend(spool, 7, (terms){.flags = P104_OVERWRITE});
    told = store_small(overwriting, 3, 'c');
    CHECK(told.kind == P104_STORED && told.replaced && told.copy == 0);
    check_file("", 's', 'c', 1000);

    CHECK(named_files() == 2 && files_in("parts") == 0);
    p104_intake_counts counts = counts_of(one);
    CHECK(counts.stored == 2 && counts.duplicates == 0 && counts.failed == 0 && counts.bytes == 2000);
    CHECK(counts_of(other).duplicates == 1 && counts_of(other).stored == 1 && under_way(other) == 0);
    p104_spool_counts all;
    p104_spool_count(spool, &all);
    CHECK(all.stored == 4 && all.failed == 0 && all.broken == 0);
    CHECK(all.barriers == (durability == P104_DURABILITY_SYNC ? 4 : 0) && all.barrier_files == all.barriers);
    finish(one);
    finish(other);
    finish(overwriting);
    p104_spool_close(spool);
    remove_files();
}

/* Message upon message at once, read in few turns; each is stored and answered, in order. */
static void test_many_messages_at_once(int durability)
{
    enum { MESSAGES = 40 };
    char instance[20];
    p104_spool *spool = open_spool(durability, 3);
    association one = associate(spool, 1, (terms){0});
    size_t length = 0;
    for (int index = 0; index < MESSAGES; index++) {
        snprintf(instance, sizeof instance, "1.2.%d", index);
        length += message(stream + length, (uint16_t)index, instance, (uint8_t)index, 100);
    }
    transmit(one.peer, stream, length);
    p104_intake_lend(one.intake, 0);
    for (int index = 0; index < MESSAGES; index++) {
        p104_completion told = next_completion(spool);
        snprintf(instance, sizeof instance, "1.2.%d", index);
        CHECK(told.kind == P104_STORED && strcmp(told.sop_instance, instance) == 0);
        check_answer_for(one, (uint16_t)index, instance, 0);
    }
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* A data set may be empty: then the file is its header alone. */
static void test_an_empty_data_set(int durability)
{
    p104_spool *spool = open_spool(durability, 1);
    association one = associate_and_lend(spool, 1, (terms){0});
    transmit(one.peer, stream, message(stream, 1, INSTANCE, 0, 0));
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_STORED && told.bytes == 0);
    check_answer(one, 1, 0);
    check_file("", 's', 0, 0);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* However the bytes are cut, down to single ones: commands and data sets in several fragments. */
static void test_bytes_come_one_by_one(int durability)
{
    uint8_t bytes[1024];
    uint8_t command[512];
    p104_spool *spool = open_spool(durability, 2);
    association one = associate_and_lend(spool, 1, (terms){0});
    size_t command_length = command_set(command, store_request(1, INSTANCE));
    size_t length = 0;
    for (size_t at = 0; at < command_length; at += 10) {
        size_t part = command_length - at < 10 ? command_length - at : 10;
        uint8_t control = at + part < command_length ? COMMAND : LAST_COMMAND;
        length += put_pdu(bytes + length, 1, control, command + at, part);
    }
    length += put_data(bytes + length, DATA, 'x', 20);
    length += put_data(bytes + length, LAST_DATA, 'x', 0);
    for (size_t at = 0; at < length; at++)
        transmit(one.peer, bytes + at, 1);
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_STORED && told.bytes == 20);
    check_answer(one, 1, 0);
    check_file("", 's', 'x', 20);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* The response as PDUs that the peer can receive. */
static void test_a_peer_that_receives_short_pdus(int durability)
{
    uint32_t lengths[] = {8, 31, 100};
    p104_spool *spool = open_spool(durability, 1);
    for (uint64_t index = 0; index < 3; index++) {
        association one = associate_and_lend(spool, index, (terms){.peer_maximum_length = lengths[index]});
        CHECK(store_small(one, 513, 'a').kind == P104_STORED);
        check_answer(one, 513, 0);
        check_no_answer(one);
        finish(one);
    }
    p104_spool_close(spool);
    remove_files();
}

/* The same UID, but not the same instance: another SOP class or syntax, or a longer file. */
static void test_what_is_no_duplicate(int durability)
{
    p104_spool *spool = open_spool(durability, 1);
    association one = associate(spool, 1, (terms){0});
    CHECK(p104_intake_allow(one.intake, 3, CLASS, "1.2.840.10008.1.2", 0) == 0);
    CHECK(p104_intake_allow(one.intake, 255, "1.2.3.4", SYNTAX, 0) == 0);
    p104_intake_lend(one.intake, 0);
    CHECK(store_small(one, 1, 'a').copy == 0);
    check_answer(one, 1, 0);

    transmit(one.peer, stream, message(stream, 2, INSTANCE, 'a', 999));
    CHECK(next_completion(spool).copy == 1);
    check_answer(one, 2, 0);

    size_t length = message(stream, 3, INSTANCE, 'a', 1000);
    size_t data_set_at = length - 1012;
    stream[10] = stream[data_set_at + 10] = 3;
    transmit(one.peer, stream, length);
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_STORED && !told.duplicate && told.copy == 2);

    command_fields other_class = store_request(4, INSTANCE);
    other_class.sop_class = "1.2.3.4";
    length = put_command(stream, other_class);
    stream[10] = 255;
    length += put_data(stream + length, LAST_DATA, 'a', 1000);
    stream[length - 1012 + 10] = 255;
    transmit(one.peer, stream, length);
    told = next_completion(spool);
    CHECK(told.kind == P104_STORED && !told.duplicate && told.copy == 3);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

static p104_completion store_bytes(association one, uint16_t message_id, const char *content, size_t length)
{
    size_t command = put_command(stream, store_request(message_id, INSTANCE));
    size_t size = command + put_pdu(stream + command, 1, LAST_DATA, (const uint8_t *)content, length);
    transmit(one.peer, stream, size);
    p104_completion told = next_completion(one.spool);
    CHECK(told.kind == P104_STORED);
    check_answer(one, message_id, 0);
    return told;
}

static void test_picked_elements(int durability)
{
    static const char explicit_vr[] = "\x08\0\x18\0UI\6\0" "1.2.3\0" "\x08\0\x30\x10" "LO\2\0CT" "\x08\0\x60\x10" "LO\0\0";
    static const char implicit_vr[] = "\x08\0\x18\0\6\0\0\0" "1.2.3\0" "\x08\0\x30\x10\2\0\0\0" "CT";
    static const char packed[] = "\x30\x10\x08\0\2\0CT"; /* the instance's UID is told beside it */
    char longer[8 + 300] = "\x08\0\x30\x10LO\x2c\1";
    p104_spool *spool = open_spool(durability, 1);
    association reads_explicit = associate_and_lend(spool, 1, (terms){.flags = P104_EXPLICIT_VR});
    p104_completion told = store_bytes(reads_explicit, 1, explicit_vr, sizeof explicit_vr - 1);
    CHECK(told.pick_state == P104_PICK_DONE && told.picked_length == sizeof packed - 1);
    CHECK(memcmp(told.picked, packed, sizeof packed - 1) == 0);
    told = store_bytes(reads_explicit, 2, longer, sizeof longer);
    CHECK(told.pick_state == P104_PICK_UNREADABLE && told.picked_length == 0);
    told = store_bytes(reads_explicit, 3, "", 0);
    CHECK(told.pick_state == P104_PICK_DONE && told.picked_length == 0);
    told = store_bytes(reads_explicit, 4, explicit_vr, 10); /* ends inside an element */
    CHECK(told.pick_state == P104_PICK_UNREADABLE && told.picked_length == 0);

    association reads_implicit = associate_and_lend(spool, 2, (terms){.flags = P104_IMPLICIT_VR});
    told = store_bytes(reads_implicit, 1, implicit_vr, sizeof implicit_vr - 1);
    CHECK(told.pick_state == P104_PICK_DONE && told.picked_length == sizeof packed - 1);
    CHECK(memcmp(told.picked, packed, sizeof packed - 1) == 0);

    association reads_neither = associate_and_lend(spool, 3, (terms){0}); /* another syntax */
    told = store_bytes(reads_neither, 1, explicit_vr, sizeof explicit_vr - 1);
    CHECK(told.pick_state == P104_PICK_UNREADABLE && told.picked_length == 0);
    finish(reads_explicit);
    finish(reads_implicit);
    finish(reads_neither);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        test_small(durability);
        test_many_messages_at_once(durability);
        test_an_empty_data_set(durability);
        test_bytes_come_one_by_one(durability);
        test_a_peer_that_receives_short_pdus(durability);
        test_what_is_no_duplicate(durability);
        test_picked_elements(durability);
    }
    remove_folders();
    printf("test_intake: 14 cases\n");
    return 0;
}
