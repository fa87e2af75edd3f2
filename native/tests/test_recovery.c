/* What a start makes of the rests in parts/: whole files, which may have been acknowledged, get their names; torn ones
 * do not; what was never whole goes. */

#include "spool_peer.h"

enum { SIZE = 1000 };

static p104_spool_counts reopen(int durability)
{
    p104_spool_counts counts;
    p104_spool *spool = open_spool(durability, 1);
    p104_spool_count(spool, &counts);
    p104_spool_close(spool);
    return counts;
}

/* Store INSTANCE, filled so. */
static void store(uint8_t fill)
{
    association one = associate_and_lend(open_spool(P104_DURABILITY_SYNC, 1), 1, (terms){0});
    CHECK(store_small(one, 1, fill).kind == P104_STORED);
    finish(one);
    p104_spool_close(one.spool);
}

/* So that a start does not meet the file. */
static void put_aside(const char *path)
{
    CHECK(rename(path, below("aside")) == 0);
}

static void put_back(const char *path)
{
    CHECK(rename(below("aside"), path) == 0);
}

static void test_a_whole_file_gets_its_name(int durability)
{
    store('a');
    take_back("", 7, "keep");
    p104_spool_counts counts = reopen(durability);
    CHECK(counts.recovered == 1 && counts.torn == 0 && counts.left == 0 && counts.stored == 0);
    CHECK(named_files() == 1 && files_in("parts") == 0);
    check_file("", 's', 'a', SIZE);
    remove_files();
}

/* The power cut took the removal of the ready name, but not the final one. */
static void test_a_twin_has_the_name(void)
{
    char kept[500];
    store('a');
    strcpy(kept, take_back("", 7, "keep"));
    put_aside(kept);
    store('a');
    put_back(kept);
    CHECK(reopen(P104_DURABILITY_SYNC).recovered == 1);
    CHECK(named_files() == 1 && files_in("parts") == 0);
    check_file("", 's', 'a', SIZE);
    remove_files();
}

/* Other bytes stand there: both are kept. */
static void test_another_has_the_name(void)
{
    char kept[500];
    store('a');
    strcpy(kept, take_back("", 7, "keep"));
    put_aside(kept);
    store('b');
    put_back(kept);
    CHECK(reopen(P104_DURABILITY_SYNC).recovered == 1);
    check_file("", 's', 'b', SIZE);
    check_file(".1", 's', 'a', SIZE);
    CHECK(named_files() == 2 && files_in("parts") == 0);
    remove_files();
}

/* The later of two that replace each other wins, in whatever order the folder lists them. */
static void test_replacements_come_in_order(void)
{
    char earlier[500];
    for (unsigned number = 1; number <= 16; number++) {
        store('o');
        strcpy(earlier, take_back("", number, "replace"));
        put_aside(earlier);
        store('n');
        take_back("", number + 1, "replace");
        put_back(earlier);
        CHECK(reopen(P104_DURABILITY_SYNC).recovered == 2);
        check_file("", 's', 'n', SIZE);
        CHECK(named_files() == 1 && files_in("parts") == 0);
        remove_files();
    }
}

/* One byte lost, or the end, or all of it: none gets a name, and the rest is kept for who wants to look. */
static void test_a_torn_file(long length, int damages)
{
    store('a');
    const char *path = take_back("", 7, "keep");
    CHECK(length < 0 || truncate(path, length) == 0);
    if (damages) {
        FILE *file = fopen(path, "r+b");
        CHECK(file && fseek(file, 600, SEEK_SET) == 0 && fputc(0, file) == 0);
        fclose(file);
    }
    p104_spool_counts counts = reopen(P104_DURABILITY_SYNC);
    CHECK(counts.recovered == 0 && counts.torn == 1 && counts.left == 0);
    CHECK(named_files() == 0 && files_in("parts") == 1);
    CHECK(reopen(P104_DURABILITY_SYNC).torn == 0 && files_in("parts") == 1);
    remove_files();
}

/* A name that cannot be given today: the file waits, and files of today come after it. */
static void test_a_name_that_cannot_be_given(void)
{
    store('a');
    take_back("", 7, "keep");
    CHECK(symlink("elsewhere", file_path("")) == 0);
    CHECK(reopen(P104_DURABILITY_SYNC).left == 1);
    CHECK(files_in("parts") == 1);
    CHECK(unlink(file_path("")) == 0);
    p104_spool_counts counts = reopen(P104_DURABILITY_SYNC);
    CHECK(counts.recovered == 1 && counts.left == 0);
    check_file("", 's', 'a', SIZE);
    remove_files();
}

/* What looks like a ready name but is none stands for no whole file. */
static void test_other_names_are_removed(void)
{
    static const char *const names[] = {
        "left.part", "0000000000000001.part",
        "0000000000000001.cc8a87dcb6fb93171d2a8250b487ccb0.0000000000000001.0000000000000001.ready",
        "0000000000000001.cc8a87dcb6fb93171d2a8250b487ccb0.0000000000000001.0000000000000001.other.ready",
        "0000000000000001.cc8a87dcb6fb93171d2a8250b487ccb.0000000000000001.0000000000000001.keep.ready",
        "000000000000000G.cc8a87dcb6fb93171d2a8250b487ccb0.0000000000000001.0000000000000001.keep.ready",
    };
    reopen(0);
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        char path[400];
        snprintf(path, sizeof path, "%s/parts/%s", root, names[index]);
        FILE *file = fopen(path, "w");
        CHECK(file);
        fclose(file);
    }
    p104_spool_counts counts = reopen(0);
    CHECK(counts.recovered == 0 && counts.torn == 0 && counts.left == 0 && files_in("parts") == 0);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    test_a_whole_file_gets_its_name(P104_DURABILITY_SYNC);
    test_a_whole_file_gets_its_name(P104_DURABILITY_OS);
    test_a_twin_has_the_name();
    test_another_has_the_name();
    test_replacements_come_in_order();
    test_a_torn_file(0, 0);
    test_a_torn_file(500, 0);
    test_a_torn_file(-1, 1);
    test_a_name_that_cannot_be_given();
    test_other_names_are_removed();
    remove_folders();
    printf("test_recovery: 10 cases\n");
    return 0;
}
