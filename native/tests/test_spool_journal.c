/* Small instances are durable in the journal before they are answered, and in their own files soon after; what a power cut
 * takes of those comes back from it, and nothing comes back that was replaced since. */

#include <linux/magic.h>
#include <sys/statfs.h>

#include "sync_calls.h"

enum { BLOCK = 4096, JOURNAL = 64 * BLOCK, TINY = 4 * BLOCK, OVER = 40 * 1024 };

static long file_system = EXT4_SUPER_MAGIC; /* whatever /tmp is on */

int fstatfs(int descriptor, struct statfs *about)
{
    (void)descriptor;
    memset(about, 0, sizeof *about);
    about->f_type = file_system;
    return 0;
}

static p104_spool *open_with(int durability, size_t journal)
{
    int error = -1;
    p104_spool *spool = p104_spool_open(root, durability, journal, 1, TAGS, TAG_COUNT, &error);
    CHECK(spool && error == 0);
    return spool;
}

static association begin(size_t journal, int flags)
{
    return associate_and_lend(open_with(P104_DURABILITY_SYNC, journal), 1, (terms){.flags = flags});
}

static void end(association one)
{
    watch_no_calls();
    finish(one);
    p104_spool_close(one.spool);
}

static void store(association one, uint16_t message_id, uint8_t fill)
{
    CHECK(store_small(one, message_id, fill).kind == P104_STORED);
    check_answer(one, message_id, 0);
}

static void store_over(association one, uint16_t message_id, uint8_t fill)
{
    transmit(one.peer, stream, message(stream, message_id, INSTANCE, fill, OVER));
    CHECK(next_completion(one.spool).kind == P104_STORED);
    check_answer(one, message_id, 0);
}

/* The journal as it is now, which a power cut would leave; and have it back. */
static void keep_journal(void)
{
    run("cp -r journal kept");
}

static void bring_journal_back(void)
{
    run("rm -r journal && mv kept journal");
}

static uint64_t restored(int durability, size_t journal)
{
    p104_spool_counts counts;
    p104_spool *spool = open_with(durability, journal);
    p104_spool_count(spool, &counts);
    CHECK(counts.recovered == 0 && counts.torn == 0 && counts.left == 0);
    p104_spool_close(spool);
    return counts.restored;
}

static void remove_all(void)
{
    remove_files();
    run("rm -rf journal kept");
}

static int is_half_clear(const char *half)
{
    char first;
    FILE *file = fopen(below(half), "rb");
    CHECK(file && fread(&first, 1, 1, file) == 1);
    fclose(file);
    return !first;
}

static int is_cleared(void)
{
    return is_half_clear("journal/0") && is_half_clear("journal/1");
}

/* A write to the journal, synced, before the name and the answer; what is too large, and what leans on another file, has
 * a barrier of its own, and then the journal is cleared before the name is given. */
static void test_order(void)
{
    association one = begin(JOURNAL, 0);
    watch_calls(one, 0, 0);
    store(one, 1, 'a');
    CHECK(called("d0"));
    watch_calls(one, 0, 0);
    CHECK(store_small(one, 2, 'a').duplicate);
    check_answer(one, 2, 0);
    CHECK(called("d1s1d1")); /* the twin's bytes; the barrier; the journal */
    watch_calls(one, 0, 0);
    store(one, 3, 'b');
    CHECK(called("d1"));
    watch_calls(one, 0, 0);
    store_over(one, 4, 'c');
    CHECK(called("s2d2"));
    CHECK(named_files() == 3 && files_in("parts") == 0);
    end(one);
    CHECK(restored(P104_DURABILITY_SYNC, JOURNAL) == 0);
    remove_all();
}

enum loss { NAME, BYTES, END, NOTHING };

static void lose(enum loss lost, const char *suffix)
{
    if (lost == NAME)
        CHECK(unlink(file_path(suffix)) == 0);
    if (lost == BYTES) {
        FILE *file = fopen(file_path(suffix), "r+b");
        CHECK(file && fseek(file, 300, SEEK_SET) == 0 && fwrite("torn", 1, 4, file) == 4);
        fclose(file);
    }
    if (lost == END)
        CHECK(truncate(file_path(suffix), 100) == 0);
}

static void test_what_was_lost_comes_back(enum loss lost, int durability)
{
    association one = begin(JOURNAL, 0);
    store(one, 1, 'a');
    store(one, 2, 'b');
    keep_journal();
    end(one);
    bring_journal_back();
    lose(lost, "");
    lose(lost, ".1");
    CHECK(restored(durability, JOURNAL) == 2);
    check_file("", 's', 'a', 1000);
    check_file(".1", 's', 'b', 1000);
    CHECK(named_files() == 2 && files_in("parts") == 0);
    CHECK(durability == P104_DURABILITY_SYNC ? is_cleared() : files_in("journal") == 0);
    CHECK(restored(durability, JOURNAL) == 0);
    remove_all();
}

/* Another link to the file, as a job has, gets its bytes back as well. */
static void test_links_are_mended(void)
{
    association one = begin(JOURNAL, 0);
    store(one, 1, 'a');
    keep_journal();
    end(one);
    bring_journal_back();
    char linked[300];
    snprintf(linked, sizeof linked, "%s", below("linked"));
    CHECK(link(file_path(""), linked) == 0);
    lose(END, "");
    CHECK(restored(P104_DURABILITY_SYNC, JOURNAL) == 1);
    CHECK(unlink(file_path("")) == 0 && rename(linked, file_path("")) == 0);
    check_file("", 's', 'a', 1000);
    remove_all();
}

/* The last of what was acknowledged under a name stays, wherever it was made durable. */
static void test_replaced_files(int by_a_barrier)
{
    association one = begin(JOURNAL, P104_OVERWRITE);
    store(one, 1, 'a');
    if (by_a_barrier)
        store_over(one, 2, 'b');
    else
        store(one, 2, 'b');
    keep_journal();
    end(one);
    bring_journal_back();
    CHECK(restored(P104_DURABILITY_SYNC, JOURNAL) == (by_a_barrier ? 0 : 2));
    check_file("", 's', 'b', by_a_barrier ? OVER : 1000);
    CHECK(named_files() == 1);
    remove_all();
}

/* The cut took the name that the replaced file had been given, but not the one that it was ready under. */
static void test_a_ready_file_that_was_replaced(void)
{
    char ready[500];
    association one = begin(JOURNAL, P104_OVERWRITE);
    store_over(one, 1, 'a');
    strcpy(ready, take_back("", 1, "replace"));
    CHECK(rename(ready, below("aside")) == 0);
    store(one, 2, 'b');
    keep_journal();
    end(one);
    bring_journal_back();
    CHECK(rename(below("aside"), ready) == 0);
    CHECK(restored(P104_DURABILITY_SYNC, JOURNAL) == 1);
    check_file("", 's', 'b', 1000);
    CHECK(named_files() == 1 && files_in("parts") == 0);
    remove_all();
}

static void test_a_write_that_fails(int error, uint16_t status)
{
    association one = begin(JOURNAL, 0);
    watch_calls(one, 'd', error);
    p104_completion told = store_small(one, 1, 'a');
    CHECK(told.kind == P104_FAILED && told.error == error);
    check_answer(one, 1, status);
    CHECK(named_files() == 0 && files_in("parts") == 0);
    CHECK(is_cleared()); /* what failed never comes back */
    watch_no_calls();
    store(one, 2, 'b');
    keep_journal();
    end(one);
    bring_journal_back();
    CHECK(restored(P104_DURABILITY_SYNC, JOURNAL) == 1);
    check_file("", 's', 'b', 1000);
    remove_all();
}

/* Two halves of two groups: it is turned, it is full, it is synced; whatever comes first, all stand there. */
static void test_a_journal_that_fills(void)
{
    association one = begin(TINY, 0);
    for (uint16_t number = 1; number <= 50; number++)
        store(one, number, (uint8_t)number);
    CHECK(named_files() == 50 && files_in("parts") == 0);
    keep_journal();
    end(one);
    bring_journal_back();
    lose(NAME, ".49");
    restored(P104_DURABILITY_SYNC, TINY);
    CHECK(named_files() >= 49); /* by then it may have been synced already */
    remove_all();
}

/* Nobody comes any more: the files are synced by themselves, and the journal is cleared. */
static void test_it_is_cleared_in_time(void)
{
    association one = begin(JOURNAL, 0);
    store(one, 1, 'a');
    UNTIL(is_cleared());
    store(one, 2, 'b');
    UNTIL(is_cleared());
    end(one);
    remove_all();
}

/* Somebody comes again and again: that puts it off for no longer. */
static void test_it_is_cleared_while_others_come(void)
{
    association one = begin(4 * JOURNAL, 0);
    store(one, 1, 1);
    const char *begun = is_half_clear("journal/0") ? "journal/1" : "journal/0";
    CHECK(!is_half_clear(begun));
    for (uint16_t number = 2; number <= 60 && !is_half_clear(begun); number++) {
        store(one, number, (uint8_t)number);
        poll(NULL, 0, 50);
    }
    CHECK(is_half_clear(begun));
    end(one);
    remove_all();
}

/* The disk lost bytes, and does not tell of which file: what the journal holds is written anew, and who was on the way
 * has failed. */
static void test_bytes_that_the_disk_lost(void)
{
    uint8_t bytes[4096];
    association one = begin(JOURNAL, 0);
    association other = associate_and_lend(one.spool, 2, (terms){0});
    transmit(other.peer, bytes, message(bytes, 1, "1.2.4", 'o', 1000) - 1);
    UNTIL(files_in("parts") == 1);
    store(one, 1, 'a');
    fail_call('s', EIO);
    lose(BYTES, "");
    UNTIL(is_cleared());
    check_file("", 's', 'a', 1000);
    transmit(other.peer, (const uint8_t *)"o", 1);
    CHECK(next_completion(one.spool).kind == P104_FAILED);
    check_answer_for(other, 1, "1.2.4", 0x0110);
    finish(other);
    end(one);
    remove_all();
}

/* While it cannot be written anew, nothing is answered with success; then all goes on. */
static void test_a_journal_that_cannot_be_mended(void)
{
    association one = begin(JOURNAL, 0);
    store(one, 1, 'a');
    watch_calls(one, 0, 0);
    fail_calls('s', EIO, 3);
    lose(BYTES, "");
    UNTIL(has_called("s1s1"));
    watch_no_calls();
    CHECK(store_small(one, 2, 'b').error == EIO); /* the third */
    check_answer(one, 2, 0x0110);
    UNTIL(is_cleared());
    check_file("", 's', 'a', 1000);
    store(one, 3, 'b');
    check_file(".1", 's', 'b', 1000);
    end(one);
    remove_all();
}

/* It is left as it is where it cannot be mended by the end, and the next start does it. */
static void test_a_journal_that_waits_for_the_next_start(void)
{
    association one = begin(JOURNAL, 0);
    store(one, 1, 'a');
    watch_calls(one, 0, 0);
    fail_calls('s', EIO, 1000);
    UNTIL(has_called("s1s1"));
    end(one);
    fail_call(0, 0);
    lose(BYTES, "");
    CHECK(restored(P104_DURABILITY_SYNC, JOURNAL) == 1);
    check_file("", 's', 'a', 1000);
    remove_all();
}

/* What cannot be cleared is no barrier: the next file may be the one that is older than what stands in it. */
static void test_a_journal_that_cannot_be_cleared(void)
{
    association one = begin(JOURNAL, P104_OVERWRITE);
    store(one, 1, 'a');
    fail_call('d', EIO);
    transmit(one.peer, stream, message(stream, 2, INSTANCE, 'b', OVER));
    CHECK(next_completion(one.spool).error == EIO);
    check_answer(one, 2, 0x0110);
    store_over(one, 3, 'c');
    check_file("", 's', 'c', OVER);
    end(one);
    remove_all();
}

/* Small, but larger than a half. */
static void test_what_does_not_fit(void)
{
    association one = begin(TINY, 0);
    watch_calls(one, 0, 0);
    transmit(one.peer, stream, message(stream, 1, INSTANCE, 'a', 5 * BLOCK));
    CHECK(next_completion(one.spool).kind == P104_STORED);
    check_answer(one, 1, 0);
    CHECK(called("s0"));
    end(one);
    remove_all();
}

static void test_no_journal_in_memory(void)
{
    file_system = TMPFS_MAGIC;
    association one = begin(JOURNAL, 0);
    watch_calls(one, 0, 0);
    store(one, 1, 'a');
    CHECK(called("s0"));
    end(one);
    CHECK(access(below("journal"), F_OK) < 0);
    file_system = EXT4_SUPER_MAGIC;
    remove_all();
}

int main(void)
{
    CHECK(mkdtemp(root));
    prepare_to_hold();
    test_order();
    for (enum loss lost = NAME; lost <= NOTHING; lost++)
        for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++)
            test_what_was_lost_comes_back(lost, durability);
    test_links_are_mended();
    test_replaced_files(0);
    test_replaced_files(1);
    test_a_ready_file_that_was_replaced();
    test_a_write_that_fails(EIO, 0x0110);
    test_a_write_that_fails(ENOSPC, 0xA700);
    test_a_journal_that_fills();
    test_it_is_cleared_in_time();
    test_it_is_cleared_while_others_come();
    test_bytes_that_the_disk_lost();
    test_a_journal_that_cannot_be_mended();
    test_a_journal_that_waits_for_the_next_start();
    test_a_journal_that_cannot_be_cleared();
    test_what_does_not_fit();
    test_no_journal_in_memory();
    remove_folders();
    printf("test_spool_journal: 24 cases\n");
    return 0;
}
