/* A peer that does not wait for answers gets several at a time, and none later than what it has sent whole is stored. */

#include "spool_peer.h"

enum { MESSAGES = 20 };

static const char *numbered(int number)
{
    static char instance[20];
    snprintf(instance, sizeof instance, "1.2.3.%d", number);
    return instance;
}

static size_t messages(uint8_t *out, int first, int count)
{
    size_t length = 0;
    for (int index = first; index < first + count; index++)
        length += message(out + length, (uint16_t)index, numbered(index), 't', 100);
    return length;
}

static void check_stored(association one, int first, int count)
{
    for (int index = first; index < first + count; index++)
        check_answer_for(one, (uint16_t)index, numbered(index), 0);
    for (int index = first; index < first + count; index++) {
        p104_completion told = next_completion(one.spool);
        CHECK(told.kind == P104_STORED && !told.unsent && strcmp(told.sop_instance, numbered(index)) == 0);
    }
}

static void test_in_order(uint32_t window)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association one = associate(spool, 1, (terms){.window = window});
    transmit(one.peer, stream, messages(stream, 0, MESSAGES));
    p104_intake_lend(one.intake, 0);
    check_stored(one, 0, MESSAGES);
    CHECK(under_way(one) == 0 && counts_of(one).stored == MESSAGES);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* What came of the next message is its command, a part of that, or a part of its data set. */
static void test_none_waits_for_a_message_that_has_not_come(size_t cut)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association one = associate(spool, 1, (terms){.window = 100});
    size_t whole = messages(stream, 0, 3);
    size_t length = messages(stream, 0, 4);
    CHECK(cut < length - whole);
    transmit(one.peer, stream, length - cut);
    p104_intake_lend(one.intake, 0);
    check_stored(one, 0, 3);
    check_no_answer(one);
    transmit(one.peer, stream + length - cut, cut);
    check_stored(one, 3, 1);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* What cannot be stored here ends what is taken, and what was stored before is answered before that. */
static void test_before_a_return(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association one = associate(spool, 1, (terms){.window = 100});
    size_t length = messages(stream, 0, 3);
    memcpy(stream + length, "\5\0\0\0\0\4\0\0\0\0", 10); /* A-RELEASE-RQ */
    transmit(one.peer, stream, length + 10);
    p104_intake_lend(one.intake, 0);
    check_stored(one, 0, 3);
    check_returned(one, P104_RETURN_OTHER);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    test_in_order(1);
    test_in_order(2);
    test_in_order(3);
    test_in_order(16);
    test_in_order(100);
    test_none_waits_for_a_message_that_has_not_come(1);
    test_none_waits_for_a_message_that_has_not_come(112); /* the data set, and its header */
    test_none_waits_for_a_message_that_has_not_come(150);
    test_before_a_return();
    remove_folders();
    printf("test_intake_together: 9 cases\n");
    return 0;
}
