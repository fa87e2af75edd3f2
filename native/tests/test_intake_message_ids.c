/* When a message ID is in use: until its answer is sent, and for commands that came before that.
 *
 * A peer may use a message ID again as soon as it has the answer, and be read before the thread that answered has gone
 * on. Here that thread is held inside send() until the next command has been judged. */

#include <stdatomic.h>
#include <sys/syscall.h>

#include "spool_peer.h"

static atomic_int answering; /* the next send is the answer */
static association one;
static uint8_t again[4096];

ssize_t send(int socket, const void *bytes, size_t length, int flags)
{
    ssize_t sent = syscall(SYS_sendto, socket, bytes, length, flags, NULL, 0);
    if (atomic_load(&answering) && socket == one.ours) {
        atomic_store(&answering, 0);
        transmit(one.peer, again, message(again, 7, "1.2.4", 'b', 100));
        UNTIL(under_way(one) == 2);
    }
    return sent;
}

static void test_an_answered_message_id_is_free(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 2);
    one = associate_and_lend(spool, 1, (terms){.window = 4});
    atomic_store(&answering, 1);
    transmit(one.peer, stream, message(stream, 7, "1.2.3", 'a', 100));
    CHECK(next_completion(spool).kind == P104_STORED);
    CHECK(next_completion(spool).kind == P104_STORED);
    check_answer_for(one, 7, "1.2.3", 0);
    check_answer_for(one, 7, "1.2.4", 0);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* One instance is taken at a time, so the second command is judged when the first is answered; but it was sent before. */
static void test_a_message_id_sent_again_before_its_answer(int durability)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(durability, 1);
    association peer = associate_and_lend(spool, 1, (terms){.window = 1});
    size_t length = message(stream, 7, "1.2.3", 'a', 100);
    transmit(peer.peer, stream, length + message(stream + length, 7, "1.2.4", 'b', 100));
    CHECK(next_completion(spool).kind == P104_STORED);
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_RETURNED && told.reason == P104_RETURN_DUPLICATE);
    check_answer_for(peer, 7, "1.2.3", 0);

    CHECK(p104_link_next(peer.link, &run, &data) == P104_COMMAND && run.ends);
    p104_link_expect_data_set(peer.link); /* as the event loop does, which refuses it */
    CHECK(p104_link_next(peer.link, &run, &data) == P104_DATA_SET && run.ends);
    p104_intake_lend(peer.intake, 0);
    transmit(peer.peer, stream, message(stream, 7, "1.2.5", 'c', 100)); /* it is answered: the number is free */
    CHECK(next_completion(spool).kind == P104_STORED);
    check_answer_for(peer, 7, "1.2.5", 0);
    finish(peer);
    p104_spool_close(spool);
    remove_files();
}

static void test_other_message_ids_sent_before_an_answer(int durability)
{
    p104_spool *spool = open_spool(durability, 1);
    association peer = associate_and_lend(spool, 1, (terms){.window = 1});
    size_t length = message(stream, 7, "1.2.3", 'a', 100);
    length += message(stream + length, 8, "1.2.4", 'b', 100);
    transmit(peer.peer, stream, length + message(stream + length, 9, "1.2.5", 'c', 100));
    for (int stored = 0; stored < 3; stored++)
        CHECK(next_completion(spool).kind == P104_STORED);
    check_answer_for(peer, 7, "1.2.3", 0);
    check_answer_for(peer, 8, "1.2.4", 0);
    check_answer_for(peer, 9, "1.2.5", 0);
    finish(peer);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    test_an_answered_message_id_is_free();
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        test_a_message_id_sent_again_before_its_answer(durability);
        test_other_message_ids_sent_before_an_answer(durability);
    }
    remove_folders();
    printf("test_intake_message_ids: 5 cases\n");
    return 0;
}
