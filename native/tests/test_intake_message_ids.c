/* A peer may use a message ID again as soon as it has the answer, and be read before the thread that answered has gone
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

int main(void)
{
    CHECK(mkdtemp(root));
    test_an_answered_message_id_is_free();
    CHECK(rmdir(root) == 0);
    printf("test_intake_message_ids: 1 case\n");
    return 0;
}
