/* What a peer may send without an answer: so many, and no message ID twice. The committer is held in its first
 * sync meanwhile, and one I/O thread serves all: whatever another association comes to, it has left this one. */

#include "sync_calls.h"

static const char *numbered(int number)
{
    static char instance[20];
    snprintf(instance, sizeof instance, "1.2.3.%d", number);
    return instance;
}

static size_t messages(uint8_t *out, int count)
{
    size_t length = 0;
    for (int index = 0; index < count; index++)
        length += message(out + length, (uint16_t)index, numbered(index), 'w', 100);
    return length;
}

/* The I/O thread has turned to another association, and has stored, to the barrier, what that one sent. */
static void check_thread_is_free(association other)
{
    uint32_t before = under_way(other);
    transmit(other.peer, stream, message(stream, 99, "1.9.9", 'o', 10));
    UNTIL(under_way(other) == before + 1);
}

/* The next completion of this association; the other's are passed over. */
static p104_completion next_of(association one)
{
    p104_completion told;
    while ((told = next_completion(one.spool)).id != one.id)
        CHECK(told.kind == P104_STORED);
    return told;
}

/* As finish does, though the other's last instance may not be told yet. */
static void finish_other(association other)
{
    p104_completion told;
    p104_link_interrupt(other.link);
    shutdown(other.ours, SHUT_RD);
    while ((told = next_of(other)).kind == P104_STORED)
        ;
    CHECK(told.kind == P104_RETURNED);
    dissociate(other);
}

static void test_so_many_and_no_more(uint32_t window)
{
    enum { MESSAGES = 9 };
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    association one = associate(spool, 1, (terms){.window = window});
    association other = associate_and_lend(spool, 2, (terms){0});
    transmit(one.peer, stream, messages(stream, MESSAGES));
    hold_next_sync();
    p104_intake_lend(one.intake, 0);
    wait_for(&held);
    UNTIL(under_way(one) == window);
    check_thread_is_free(other);
    CHECK(under_way(one) == window);
    CHECK(files_in("parts") == (int)window + 1); /* nothing more has begun */
    check_no_answer(one);
    sem_post(&let_go);
    for (int index = 0; index < MESSAGES; index++) {
        p104_completion told = next_of(one);
        CHECK(told.kind == P104_STORED && strcmp(told.sop_instance, numbered(index)) == 0);
    }
    for (int index = 0; index < MESSAGES; index++)
        check_answer_for(one, (uint16_t)index, numbered(index), 0);
    CHECK(under_way(one) == 0 && counts_of(one).stored == MESSAGES);
    finish_other(other);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* Within a large window: the event loop is told although no thread has anything more to do. */
static void test_the_last_of_a_window_is_told(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    association one = associate_and_lend(spool, 1, (terms){.window = 100});
    association other = associate_and_lend(spool, 2, (terms){0});
    hold_next_sync();
    transmit(one.peer, stream, message(stream, 1, INSTANCE, 'l', 100));
    wait_for(&held);
    UNTIL(p104_link_received(one.link) > 100 && under_way(one) == 1);
    size_t command = put_command(stream, store_request(1, INSTANCE));
    transmit(other.peer, stream, command); /* the thread has been there: it sleeps without a limit from now on */
    UNTIL(p104_link_received(other.link) == command);
    sem_post(&let_go);
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_STORED && told.id == 1);
    check_answer(one, 1, 0);
    finish_other(other);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* The second is put back, and the link returned once the first is answered. */
static void test_a_message_id_under_way(void)
{
    p104_run run;
    const uint8_t *data;
    uint8_t expected[512];
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    association one = associate(spool, 1, (terms){.window = 3});
    association other = associate_and_lend(spool, 2, (terms){0});
    size_t length = message(stream, 7, INSTANCE, 'a', 100);
    length += message(stream + length, 8, numbered(0), 'b', 100);
    transmit(one.peer, stream, length + message(stream + length, 7, numbered(1), 'c', 100));
    hold_next_sync();
    p104_intake_lend(one.intake, 0);
    wait_for(&held);
    UNTIL(under_way(one) == 2);
    check_thread_is_free(other);
    check_no_answer(one);
    sem_post(&let_go);
    CHECK(next_of(one).kind == P104_STORED && next_of(one).kind == P104_STORED);
    p104_completion told = next_of(one);
    CHECK(told.kind == P104_RETURNED && told.reason == P104_RETURN_DUPLICATE);
    check_answer(one, 7, 0);
    check_answer_for(one, 8, numbered(0), 0);
    check_no_answer(one);

    size_t command = command_set(expected, store_request(7, numbered(1)));
    CHECK(p104_link_next(one.link, &run, &data) == P104_COMMAND);
    CHECK(run.ends && run.context_id == 1 && run.length == command && memcmp(data, expected, command) == 0);
    p104_link_expect_data_set(one.link); /* as the event loop does, which refuses it */
    CHECK(p104_link_next(one.link, &run, &data) == P104_DATA_SET && run.ends && run.length == 100);
    p104_intake_lend(one.intake, 0);
    transmit(one.peer, stream, message(stream, 7, INSTANCE, 'd', 100)); /* it is answered: the number is free */
    CHECK(next_of(one).kind == P104_STORED);
    check_answer(one, 7, 0);
    CHECK(counts_of(one).stored == 3);
    finish_other(other);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* Whatever ends the association, the link comes back when nothing is under way, and after all that is told. */
static void test_a_return_waits_for_what_is_under_way(void)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    association one = associate(spool, 1, (terms){.window = 5});
    association other = associate_and_lend(spool, 2, (terms){0});
    size_t length = messages(stream, 2);
    memcpy(stream + length, "\5\0\0\0\0\4\0\0\0\0", 10); /* A-RELEASE-RQ */
    transmit(one.peer, stream, length + 10);
    hold_next_sync();
    p104_intake_lend(one.intake, 0);
    wait_for(&held);
    check_thread_is_free(other);
    CHECK(under_way(one) == 2);
    sem_post(&let_go);
    CHECK(next_of(one).kind == P104_STORED && next_of(one).kind == P104_STORED);
    check_answer_for(one, 0, numbered(0), 0);
    check_answer_for(one, 1, numbered(1), 0);
    p104_completion told = next_of(one);
    CHECK(told.kind == P104_RETURNED && told.reason == P104_RETURN_OTHER);
    CHECK(p104_link_next(one.link, &run, &data) == P104_PDU_HEADER && run.pdu_type == 5);
    dissociate(one);
    finish_other(other);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    prepare_to_hold();
    test_so_many_and_no_more(1);
    test_so_many_and_no_more(2);
    test_so_many_and_no_more(5);
    test_the_last_of_a_window_is_told();
    test_a_message_id_under_way();
    test_a_return_waits_for_what_is_under_way();
    remove_folders();
    printf("test_intake_window: 6 cases\n");
    return 0;
}
