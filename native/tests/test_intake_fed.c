/* Links without a socket to receive from (TLS, tracing): they are fed, and come back when they need bytes. */

#include "sync_calls.h"

/* Of the sanitizers' <sanitizer/allocator_interface.h>, which not every compiler installs. */
size_t __sanitizer_get_current_allocated_bytes(void);

static void feed_and_lend(association one, const uint8_t *bytes, size_t length)
{
    CHECK(p104_link_feed(one.link, bytes, length) == (long)length);
    p104_intake_lend(one.intake, 0);
}

/* Cut anywhere: each piece is followed by a request for more. */
static void test_pieces(int durability, size_t piece)
{
    uint8_t bytes[4096];
    uint8_t command[512];
    p104_spool *spool = open_spool(durability, 2);
    association one = associate(spool, 1, (terms){.fed = 1});
    size_t command_length = command_set(command, store_request(1, INSTANCE));
    size_t length = put_pdu(bytes, 1, COMMAND, command, 30);
    length += put_pdu(bytes + length, 1, LAST_COMMAND, command + 30, command_length - 30);
    length += put_data(bytes + length, DATA, 'f', 100);
    length += put_data(bytes + length, LAST_DATA, 'f', 100);
    int stored = 0;
    for (size_t at = 0; at < length; at += piece) {
        feed_and_lend(one, bytes + at, length - at < piece ? length - at : piece);
        p104_completion told = next_completion(spool);
        if (told.kind == P104_STORED) {
            stored++;
            told = next_completion(spool);
        }
        CHECK(told.kind == P104_RETURNED && told.reason == P104_RETURN_BYTES);
    }
    if (!stored)
        CHECK(next_completion(spool).kind == P104_STORED);
    check_answer(one, 1, 0);
    check_file("", 's', 'f', 200);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* Without a byte it comes back at once; at the end it is returned for good. */
static void test_the_end(int durability, int inside)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(durability, 1);
    association one = associate(spool, 1, (terms){.fed = 1});
    p104_intake_lend(one.intake, 0);
    check_returned(one, P104_RETURN_BYTES);
    if (inside) {
        size_t length = put_command(stream, store_request(1, INSTANCE));
        feed_and_lend(one, stream, length + put_data(stream + length, DATA, 'd', 100));
        check_returned(one, P104_RETURN_BYTES);
        CHECK(files_in("parts") == 1 && p104_link_in_message(one.link));
    }
    p104_link_end(one.link);
    p104_intake_lend(one.intake, 0);
    check_returned(one, P104_RETURN_OTHER);
    CHECK(p104_link_next(one.link, &run, &data) == P104_END_OF_STREAM);
    CHECK(files_in("parts") == 0 && named_files() == 0);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* The last bytes and the end are known at once. */
static void test_the_end_behind_an_instance(int durability)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(durability, 1);
    association one = associate(spool, 1, (terms){.fed = 1, .window = 2});
    size_t length = message(stream, 1, INSTANCE, 'a', 100);
    CHECK(p104_link_feed(one.link, stream, length) == (long)length);
    p104_link_end(one.link);
    p104_intake_lend(one.intake, 0);
    CHECK(next_completion(spool).kind == P104_STORED);
    check_returned(one, P104_RETURN_OTHER);
    CHECK(p104_link_next(one.link, &run, &data) == P104_END_OF_STREAM);
    check_answer(one, 1, 0);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* What stands behind the last instance is left, as on any link. */
static void test_another_pdu(int durability)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(durability, 1);
    association one = associate(spool, 1, (terms){.fed = 1});
    size_t length = message(stream, 1, INSTANCE, 'a', 100);
    memcpy(stream + length, "\5\0\0\0\0\4\0\0\0\0", 10);
    feed_and_lend(one, stream, length + 10);
    CHECK(next_completion(spool).kind == P104_STORED);
    check_returned(one, P104_RETURN_OTHER);
    CHECK(p104_link_next(one.link, &run, &data) == P104_PDU_HEADER && run.pdu_type == 5);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

static void test_giving_up_inside_a_data_set(int durability)
{
    p104_spool_counts counts;
    p104_spool *spool = open_spool(durability, 1);
    association one = associate(spool, 1, (terms){.fed = 1});
    size_t length = put_command(stream, store_request(1, INSTANCE));
    feed_and_lend(one, stream, length + put_data(stream + length, DATA, 'd', 100));
    check_returned(one, P104_RETURN_BYTES);
    CHECK(files_in("parts") == 1);
    p104_intake_lend(one.intake, 1);
    check_returned(one, P104_RETURN_OTHER);
    p104_spool_count(spool, &counts);
    CHECK(files_in("parts") == 0 && counts.broken == 1 && counts.failed == 0);
    check_no_answer(one);
    p104_intake_lend(one.intake, 1); /* there is nothing to give up any more */
    check_returned(one, P104_RETURN_OTHER);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* A link that asks for bytes is returned with an instance under way; giving up waits for that. */
static void test_giving_up_with_an_instance_under_way(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    association one = associate(spool, 1, (terms){.fed = 1, .window = 2});
    size_t length = message(stream, 1, INSTANCE, 'a', 100);
    hold_next_sync();
    feed_and_lend(one, stream, length);
    check_returned(one, P104_RETURN_BYTES);
    wait_for(&held);
    CHECK(under_way(one) == 1);
    check_no_answer(one);
    p104_intake_lend(one.intake, 1);
    association other = associate_and_lend(spool, 2, (terms){0}); /* one thread: once it is here, it was there */
    transmit(other.peer, stream, put_command(stream, (command_fields){CLASS, NULL, 0x30, 1, 0x101}));
    check_returned(other, P104_RETURN_OTHER);
    CHECK(under_way(one) == 1);
    sem_post(&let_go);
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_STORED && told.id == 1);
    check_returned(one, P104_RETURN_OTHER);
    check_answer(one, 1, 0);
    dissociate(one);
    dissociate(other);
    p104_spool_close(spool);
    remove_files();
}

/* It goes on with what was fed while the window was full. */
static void test_a_full_window(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    association one = associate(spool, 1, (terms){.fed = 1});
    size_t length = message(stream, 1, INSTANCE, 'a', 100);
    length += message(stream + length, 2, INSTANCE, 'b', 100);
    hold_next_sync();
    feed_and_lend(one, stream, length);
    wait_for(&held);
    CHECK(under_way(one) == 1);
    sem_post(&let_go);
    CHECK(next_completion(spool).kind == P104_STORED);
    int returned = 0;
    int copies = 0;
    for (int left = 2; left > 0; left--) { /* the link may come back before the second is stored */
        p104_completion told = next_completion(spool);
        returned += told.kind == P104_RETURNED && told.reason == P104_RETURN_BYTES;
        copies += told.kind == P104_STORED && told.copy == 1;
    }
    CHECK(returned == 1 && copies == 1);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* A hundred associations that wait for the rest of a data set hold no receive buffer. */
static void test_a_link_that_needs_bytes_holds_no_buffer(void)
{
    enum { LINKS = 100, BUFFER = 256 * 1024 };
    association all[LINKS];
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    for (int index = 0; index < LINKS; index++)
        all[index] = associate(spool, (uint64_t)index, (terms){.fed = 1});
    size_t before = __sanitizer_get_current_allocated_bytes();
    size_t length = put_command(stream, store_request(1, INSTANCE));
    length += put_data(stream + length, DATA, 'd', 1000);
    for (int index = 0; index < LINKS; index++) {
        feed_and_lend(all[index], stream, length);
        check_returned(all[index], P104_RETURN_BYTES);
    }
    CHECK(__sanitizer_get_current_allocated_bytes() - before < 8 * BUFFER);
    for (int index = 0; index < LINKS; index++) {
        p104_intake_lend(all[index].intake, 1);
        check_returned(all[index], P104_RETURN_OTHER);
        dissociate(all[index]);
    }
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    prepare_to_hold();
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        test_pieces(durability, 1);
        test_pieces(durability, 50);
        test_pieces(durability, 4096);
        test_the_end(durability, 0);
        test_the_end(durability, 1);
        test_the_end_behind_an_instance(durability);
        test_another_pdu(durability);
        test_giving_up_inside_a_data_set(durability);
    }
    test_giving_up_with_an_instance_under_way();
    test_a_full_window();
    test_a_link_that_needs_bytes_holds_no_buffer();
    remove_folders();
    printf("test_intake_fed: 19 cases\n");
    return 0;
}
