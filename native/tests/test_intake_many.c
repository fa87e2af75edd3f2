/* Many associations at once: no instance is lost, and none waits for another's peer. */

#include <pthread.h>

#include "spool_peer.h"

/* Of the sanitizers' <sanitizer/allocator_interface.h>, which not every compiler installs. */
size_t __sanitizer_get_current_allocated_bytes(void);

enum { LINKS = 24 };

/* Each sends one instance under one name. Returns the completions' sums. */
static p104_completion store_by_all(p104_spool *spool, int flags, int same)
{
    association all[LINKS];
    p104_completion sum = {0};
    for (int index = 0; index < LINKS; index++) {
        all[index] = associate(spool, (uint64_t)index, (terms){.flags = flags});
        transmit(all[index].peer, stream, message(stream, 1, INSTANCE, same ? 'A' : (uint8_t)('A' + index), 1000));
    }
    for (int index = 0; index < LINKS; index++)
        p104_intake_lend(all[index].intake, 0);
    for (int index = 0; index < LINKS; index++) {
        p104_completion told = next_completion(spool);
        CHECK(told.kind == P104_STORED);
        sum.duplicate += told.duplicate;
        sum.replaced += told.replaced;
        sum.copy += told.copy > 0;
    }
    for (int index = 0; index < LINKS; index++) {
        check_answer(all[index], 1, 0);
        finish(all[index]);
    }
    CHECK(files_in("parts") == 0);
    return sum;
}

static void test_one_name_for_all(int durability)
{
    p104_spool *spool = open_spool(durability, 3);
    p104_completion sum = store_by_all(spool, P104_EXPLICIT_VR, 0);
    CHECK(sum.copy == LINKS - 1 && sum.duplicate == 0 && sum.replaced == 0 && named_files() == LINKS);
    p104_spool_close(spool);
    remove_files();

    spool = open_spool(durability, 3);
    sum = store_by_all(spool, 0, 1);
    CHECK(sum.copy == 0 && sum.duplicate == LINKS - 1 && named_files() == 1);
    p104_spool_close(spool);
    remove_files();

    spool = open_spool(durability, 3);
    sum = store_by_all(spool, P104_OVERWRITE, 0);
    CHECK(sum.copy == 0 && sum.replaced == LINKS - 1 && named_files() == 1);
    p104_spool_close(spool);
    remove_files();
}

/* One thread, and many peers that stop anywhere: it goes on with who sends. Each may end its instance later. */
static void test_a_slow_peer_holds_no_thread(int durability)
{
    association slow[LINKS];
    uint8_t bytes[4096];
    p104_spool *spool = open_spool(durability, 1);
    for (int index = 0; index < LINKS; index++) {
        slow[index] = associate_and_lend(spool, (uint64_t)index + 1, (terms){0});
        size_t length = message(bytes, 1, INSTANCE, 's', 1000);
        transmit(slow[index].peer, bytes, length * (size_t)index / LINKS);
    }
    association quick = associate_and_lend(spool, 0, (terms){0});
    for (uint16_t count = 0; count < 10; count++) {
        p104_completion told = store_small(quick, count, (uint8_t)count);
        CHECK(told.kind == P104_STORED && told.id == 0);
    }
    finish(quick);
    for (int index = 0; index < LINKS; index++) {
        size_t length = message(bytes, 1, INSTANCE, 's', 1000);
        size_t sent = length * (size_t)index / LINKS;
        transmit(slow[index].peer, bytes + sent, length - sent);
        p104_completion told = next_completion(spool);
        CHECK(told.kind == P104_STORED && told.id == (uint64_t)index + 1);
        check_answer(slow[index], 1, 0);
        finish(slow[index]);
    }
    p104_spool_close(spool);
    remove_files();
}

/* Whether they wait for a command or for the rest of a data set: only the pool's 64 buffers remain. */
static void test_an_idle_link_holds_no_buffer(int inside)
{
    enum { IDLE = 160, BUFFER = 256 * 1024, AT_MOST = 100 }; /* allocators round up */
    association all[IDLE];
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 2);
    for (int index = 0; index < IDLE; index++)
        all[index] = associate_and_lend(spool, (uint64_t)index, (terms){0});
    size_t before = __sanitizer_get_current_allocated_bytes();
    size_t length = message(stream, 1, INSTANCE, 'i', 1000);
    for (int index = 0; index < IDLE; index++)
        transmit(all[index].peer, stream, inside ? length / 2 : 3);
    for (int index = 0; index < IDLE; index++)
        UNTIL(p104_link_received(all[index].link) == (inside ? length / 2 : 3));
    UNTIL(__sanitizer_get_current_allocated_bytes() - before < (size_t)AT_MOST * BUFFER);
    for (int index = 0; index < IDLE; index++)
        finish(all[index]);
    p104_spool_close(spool);
    remove_files();
}

enum { SENDERS = 4, MESSAGES = 100 };

/* A peer that sends one instance after another, and waits for each answer. */
static void *send_all(void *argument)
{
    const association *own = argument;
    uint8_t bytes[2048];
    for (uint16_t count = 0; count < MESSAGES; count++) {
        char instance[40];
        snprintf(instance, sizeof instance, "1.2.%d.%d", (int)own->id, count);
        transmit(own->peer, bytes, message(bytes, count, instance, (uint8_t)count, (size_t)count * 5));
        check_answer_for(*own, count, instance, 0);
    }
    shutdown(own->peer, SHUT_WR);
    return NULL;
}

/* Peers, I/O threads, the committer and the event loop all at once. */
static void test_peers_in_threads(int durability)
{
    association all[SENDERS];
    pthread_t threads[SENDERS];
    uint64_t stored[SENDERS] = {0};
    p104_spool_counts counts;
    p104_spool *spool = open_spool(durability, 3);
    for (int index = 0; index < SENDERS; index++) {
        all[index] = associate_and_lend(spool, (uint64_t)index, (terms){.window = (uint32_t)index + 1});
        CHECK(pthread_create(&threads[index], NULL, send_all, &all[index]) == 0);
    }
    for (int returned = 0; returned < SENDERS;) {
        p104_completion told = next_completion(spool);
        CHECK(told.kind != P104_FAILED && (told.kind == P104_STORED || stored[told.id] == MESSAGES));
        returned += told.kind == P104_RETURNED;
        stored[told.id] += told.kind == P104_STORED;
    }
    p104_spool_count(spool, &counts);
    CHECK(counts.stored == SENDERS * MESSAGES && counts.failed == 0 && counts.broken == 0);
    for (int index = 0; index < SENDERS; index++) {
        pthread_join(threads[index], NULL);
        CHECK(counts_of(all[index]).stored == MESSAGES);
        dissociate(all[index]);
    }
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        test_one_name_for_all(durability);
        test_a_slow_peer_holds_no_thread(durability);
        test_peers_in_threads(durability);
    }
    test_an_idle_link_holds_no_buffer(0);
    test_an_idle_link_holds_no_buffer(1);
    remove_folders();
    printf("test_intake_many: 12 cases\n");
    return 0;
}
