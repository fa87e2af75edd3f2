/* Written, then synced together with a name that says what it is to be called, then called so, then answered: whatever
 * kills the machine in between, no instance is lost that was answered. Seen through the sync calls themselves, which
 * this program takes over. */

#include "sync_calls.h"

static void end(association one)
{
    watch_no_calls();
    finish(one);
    p104_spool_close(one.spool);
    remove_files();
}

static association begin(int durability)
{
    return associate_and_lend(open_spool(durability, 1), 1, (terms){0});
}

/* An association in the middle of a data set. */
static association begin_half(p104_spool *spool)
{
    uint8_t bytes[4096];
    association one = associate_and_lend(spool, 2, (terms){0});
    int before = files_in("parts");
    transmit(one.peer, bytes, message(bytes, 1, INSTANCE, 'o', 1000) - 1);
    UNTIL(files_in("parts") == before + 1);
    return one;
}

/* Its last byte comes. */
static p104_completion end_half(association one)
{
    transmit(one.peer, (const uint8_t *)"o", 1);
    return next_completion(one.spool);
}

/* A start may be killed between making a folder and syncing its name: the next one, which finds the folder
 * there, must not take the name for safe. */
static void test_every_opening_syncs_the_folders(void)
{
    for (int round = 0; round < 2; round++) {
        opening_syncs = 0;
        p104_spool_close(open_spool(P104_DURABILITY_SYNC, 1));
        CHECK(opening_syncs == 2); /* instances/, for its shelves, and the storage folder */
    }
    remove_files();
}

static void test_order(void)
{
    association one = begin(P104_DURABILITY_SYNC);
    watch_calls(one, 0, 0);
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    check_answer(one, 1, 0);
    CHECK(called("s0"));

    watch_calls(one, 0, 0); /* a duplicate leans on a file that may never have been synced */
    CHECK(store_small(one, 2, 'a').duplicate);
    check_answer(one, 2, 0);
    CHECK(called("d1s1"));
    end(one);

    one = begin(P104_DURABILITY_OS);
    watch_calls(one, 0, 0);
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    CHECK(store_small(one, 2, 'a').duplicate);
    CHECK(called(""));
    end(one);
}

static void test_an_interrupted_sync_is_repeated(void)
{
    association one = begin(P104_DURABILITY_SYNC);
    watch_calls(one, 's', EINTR);
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    check_answer(one, 1, 0);
    CHECK(called("s0s0"));
    watch_calls(one, 'd', EINTR);
    CHECK(store_small(one, 2, 'a').duplicate);
    check_answer(one, 2, 0);
    CHECK(called("d1d1s1"));
    end(one);
}

/* The peer is told, and may send it again. */
static void test_a_failed_barrier(int error, uint16_t status)
{
    association one = begin(P104_DURABILITY_SYNC);
    watch_calls(one, 's', error);
    p104_completion told = store_small(one, 1, 'a');
    CHECK(told.kind == P104_FAILED && told.error == error && told.status == status);
    CHECK(named_files() == 0 && files_in("parts") == 0);
    check_answer(one, 1, status);
    watch_calls(one, 0, 0);
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    check_answer(one, 1, 0);
    CHECK(counts_of(one).failed == 1 && counts_of(one).stored == 1);
    end(one);
}

/* A duplicate whose file, or its name, cannot be synced is no duplicate to rely on. */
static void test_a_failed_sync_of_a_duplicate(char call)
{
    association one = begin(P104_DURABILITY_SYNC);
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    check_answer(one, 1, 0);
    watch_calls(one, call, EIO);
    p104_completion told = store_small(one, 2, 'a');
    CHECK(told.kind == P104_FAILED && told.error == EIO);
    check_answer(one, 2, 0x0110);
    CHECK(named_files() == 1 && files_in("parts") == 0);
    end(one);
}

/* Who was on the way meanwhile may have lost bytes too; who comes later has not. */
static void test_whom_a_failed_barrier_concerns(void)
{
    association one = begin(P104_DURABILITY_SYNC);
    association other = begin_half(one.spool);
    watch_calls(one, 's', EIO);
    p104_completion told = store_small(one, 1, 'a');
    CHECK(told.kind == P104_FAILED && told.error == EIO && told.id == 1);
    CHECK(named_files() == 0 && files_in("parts") == 1);
    check_answer(one, 1, 0x0110);

    watch_calls(other, 0, 0);
    told = end_half(other);
    CHECK(told.id == 2 && told.kind == P104_FAILED && told.error == EIO);
    check_answer(other, 1, 0x0110);
    CHECK(named_files() == 0 && files_in("parts") == 0);
    watch_calls(one, 0, 0);
    CHECK(store_small(one, 2, 'a').kind == P104_STORED);
    check_answer(one, 2, 0);
    finish(other);
    end(one);
}

enum { ALL = 5 };

static void associate_all(p104_spool *spool, association *all, int flags)
{
    for (uint64_t index = 0; index < ALL; index++)
        all[index] = associate_and_lend(spool, index + 10, (terms){.flags = flags});
}

static void end_all(p104_spool *spool, association *all)
{
    watch_no_calls();
    for (int index = 0; index < ALL; index++)
        finish(all[index]);
    p104_spool_close(spool);
    remove_files();
}

/* Four instances that are written while the barrier of another runs share the next, where they may. `fills`: the byte
 * that each consists of. Returns how many of the five were stored. */
static int store_in_one_barrier(association *all, const char *fills, char fails)
{
    watch_calls(all[ALL - 1], 0, 0);
    hold_next_sync();
    for (int index = 0; index < ALL; index++) {
        transmit(all[index].peer, stream, message(stream, 1, INSTANCE, (uint8_t)fills[index], 1000));
        if (index == 0) {
            wait_for(&held);
            fail_call(fails, EIO);
        }
        UNTIL(under_way(all[index]) == 1);
    }
    association last = associate_and_lend(all->spool, 8, (terms){0}); /* the thread has left them all */
    transmit(last.peer, (const uint8_t *)"\5\0\0\0\0\4\0\0\0\0", 10);
    check_returned(last, P104_RETURN_OTHER);
    dissociate(last);
    sem_post(&let_go);
    int stored = 0;
    for (int index = 0; index < ALL; index++) {
        p104_completion told = next_completion(all->spool);
        CHECK(told.kind == P104_STORED || (told.kind == P104_FAILED && told.error == EIO));
        stored += told.kind == P104_STORED;
    }
    return stored;
}

/* One syncfs for all of them (Linux 5.8 and later). */
static void test_one_barrier_for_many(int fails)
{
    p104_spool_counts counts;
    association all[ALL];
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    associate_all(spool, all, 0);
    association other = begin_half(spool); /* on the way meanwhile: its lost bytes may be what a failure reported */
    int stored = store_in_one_barrier(all, "ABCDE", fails ? 's' : 0);
    CHECK(called("s0s1"));
    p104_spool_count(spool, &counts);
    CHECK(counts.barriers == 2 && counts.barrier_files == ALL);
    CHECK(stored == (fails ? 1 : ALL) && named_files() == stored && files_in("parts") == 1);
    watch_calls(other, 0, 0);
    CHECK(end_half(other).kind == (fails ? P104_FAILED : P104_STORED));
    watch_no_calls();
    for (int index = 0; index < ALL; index++) {
        check_answer(all[index], 1, fails && index > 0 ? 0x0110 : 0);
        finish(all[index]);
    }
    finish(other);
    p104_spool_close(spool);
    remove_files();
}

/* Twins in one barrier: the later ones lean on a file whose ready name that barrier was for. */
static void test_twins_in_one_barrier(void)
{
    association all[ALL];
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    associate_all(spool, all, 0);
    CHECK(store_in_one_barrier(all, "ABBBB", 0) == ALL);
    CHECK(called("s0s1d2d2d2"));
    CHECK(named_files() == 2 && files_in("parts") == 0);
    end_all(spool, all);
}

/* Files that replace each other are each in a barrier of its own: a start after a power cut could not tell which of
 * two came last. */
static void test_replacements_are_not_in_one_barrier(void)
{
    association all[ALL];
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 1);
    associate_all(spool, all, P104_OVERWRITE);
    CHECK(store_in_one_barrier(all, "ABCDE", 0) == ALL);
    CHECK(called("s0s1s1s1s1"));
    check_file("", 's', 'E', 1000);
    CHECK(named_files() == 1 && files_in("parts") == 0);
    end_all(spool, all);
}

/* The last of what one association sends under a name stays, though a twin of it stood there when it came. */
static void test_a_twin_of_what_is_about_to_be_replaced(void)
{
    association one = associate_and_lend(open_spool(P104_DURABILITY_SYNC, 1), 1,
                                         (terms){.window = 4, .flags = P104_OVERWRITE});
    CHECK(store_small(one, 9, 'D').kind == P104_STORED);
    hold_next_sync();
    for (int index = 0; index < 4; index++)
        transmit(one.peer, stream, message(stream, (uint16_t)index, INSTANCE, (uint8_t)"ABCD"[index], 1000));
    wait_for(&held);
    UNTIL(under_way(one) == 4);
    sem_post(&let_go);
    for (int index = 0; index < 4; index++)
        CHECK(next_completion(one.spool).kind == P104_STORED);
    check_file("", 's', 'D', 1000);
    CHECK(named_files() == 1 && files_in("parts") == 0);
    end(one);
}

int main(void)
{
    CHECK(mkdtemp(root));
    prepare_to_hold();
    test_every_opening_syncs_the_folders();
    test_order();
    test_an_interrupted_sync_is_repeated();
    test_a_failed_barrier(EIO, 0x0110);
    test_a_failed_barrier(ENOSPC, 0xA700);
    test_a_failed_sync_of_a_duplicate('d');
    test_a_failed_sync_of_a_duplicate('s');
    test_whom_a_failed_barrier_concerns();
    test_one_barrier_for_many(0);
    test_one_barrier_for_many(1);
    test_twins_in_one_barrier();
    test_replacements_are_not_in_one_barrier();
    test_a_twin_of_what_is_about_to_be_replaced();
    remove_folders();
    printf("test_spool_barriers: 13 cases\n");
    return 0;
}
