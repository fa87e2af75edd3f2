/* What a journal gives back: every group that was written whole, in the order in which they were, and nothing else. */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "meta.h"

#include "part.h"

#include "journal.h"

#include "check.h"

enum { HALF = 4 * P104_JOURNAL_BLOCK, MOST = 64, SIZE = 1500 };

static char root[] = "/tmp/port104-journal-XXXXXX";
static int folder;

static const char *below(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* What was read: the first byte of each name and of each file, and its copy. */
typedef struct {
    char names[MOST];
    char fills[MOST];
    int copies[MOST];
    int count;
    int fails_at; /* -1: never */
} found;

static int take(void *context, p104_part *part, const uint8_t *bytes, size_t size)
{
    found *all = context;
    if (all->count == all->fails_at)
        return EDQUOT;
    CHECK(all->count < MOST - 1);
    for (size_t at = 0; at < size; at++)
        CHECK(bytes[at] == bytes[0]);
    all->names[all->count] = part->name[0];
    all->fills[all->count] = size == SIZE ? (char)bytes[0] : '-';
    all->copies[all->count++] = part->copy;
    return 0;
}

static found read_all_of(p104_journal *journal)
{
    found all = {.fails_at = -1};
    CHECK(p104_journal_read(journal, take, &all) == 0);
    return all;
}

/* As a start finds it. */
static found read_anew(void)
{
    p104_journal journal;
    CHECK(p104_journal_open(&journal, folder) == 0);
    found all = read_all_of(&journal);
    p104_journal_close(&journal);
    return all;
}

static p104_journal begin(size_t bytes)
{
    p104_journal journal;
    CHECK(p104_journal_open(&journal, folder) == 0);
    CHECK(p104_journal_prepare(&journal, folder, bytes) == 0);
    return journal;
}

static void remove_files(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s/*", root);
    CHECK(system(command) == 0);
}

/* Add a file that is full of this letter. */
static int add(p104_journal *journal, char letter, uint8_t copy)
{
    uint8_t bytes[SIZE];
    p104_part part = {.size = SIZE, .copy = copy};
    memset(bytes, letter, sizeof bytes);
    memset(part.name, letter, P104_NAME_LENGTH);
    part.descriptor = open(below("part"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(write(part.descriptor, bytes, SIZE) == SIZE);
    p104_sum_start(&part.sum);
    p104_sum_add(&part.sum, bytes, SIZE);
    int failure = p104_journal_add(journal, &part);
    close(part.descriptor);
    return failure;
}

/* Write a group: a file for each letter. */
static void put_group(p104_journal *journal, const char *letters)
{
    CHECK(p104_journal_room(journal) >= p104_journal_need(strlen(letters), strlen(letters) * SIZE));
    p104_journal_begin(journal, strlen(letters));
    for (const char *letter = letters; *letter; letter++)
        CHECK(add(journal, *letter, (uint8_t)(letter - letters)) == 0);
    CHECK(p104_journal_write(journal) == 0);
}

static void test_what_was_written_is_read(void)
{
    p104_journal journal = begin(2 * HALF);
    CHECK(read_all_of(&journal).count == 0);
    put_group(&journal, "ab");
    put_group(&journal, "c");
    found all = read_anew();
    CHECK(strcmp(all.names, "abc") == 0 && strcmp(all.fills, "abc") == 0);
    CHECK(all.copies[0] == 0 && all.copies[1] == 1 && all.copies[2] == 0);
    p104_journal_turn(&journal);
    put_group(&journal, "d");
    CHECK(strcmp(read_anew().names, "abcd") == 0);
    CHECK(p104_journal_clear_half(&journal, 0) == 0);
    CHECK(strcmp(read_anew().names, "d") == 0);
    p104_journal_turn(&journal); /* the first half again, now the later one */
    put_group(&journal, "e");
    CHECK(strcmp(read_anew().names, "de") == 0);
    CHECK(p104_journal_clear(&journal) == 0);
    CHECK(read_anew().count == 0);
    p104_journal_close(&journal);
    remove_files();
}

/* What was cleared is not found behind what is shorter. */
static void test_an_old_group_behind_a_new_one(void)
{
    p104_journal journal = begin(2 * HALF);
    put_group(&journal, "a");
    put_group(&journal, "b");
    CHECK(p104_journal_clear(&journal) == 0);
    put_group(&journal, "c");
    CHECK(strcmp(read_anew().names, "c") == 0);
    p104_journal_close(&journal);
    remove_files();
}

/* A start clears what it has read, the half first that is the older: of two under one name the later stays to the end. */
static void test_what_was_read_can_be_cleared(void)
{
    p104_journal journal = begin(2 * HALF);
    put_group(&journal, "a");
    p104_journal_turn(&journal);
    put_group(&journal, "b");
    p104_journal_close(&journal);
    CHECK(p104_journal_open(&journal, folder) == 0);
    CHECK(read_all_of(&journal).count == 2 && journal.current == 1);
    CHECK(p104_journal_clear_half(&journal, !journal.current) == 0);
    CHECK(strcmp(read_anew().names, "b") == 0);
    CHECK(p104_journal_clear(&journal) == 0);
    CHECK(read_anew().count == 0);
    p104_journal_close(&journal);
    remove_files();
}

/* Any byte of the last group that is not as it was written, or the first bytes alone: it does not count. */
static void test_a_torn_group(void)
{
    uint8_t kept[2 * P104_JOURNAL_BLOCK];
    p104_journal journal = begin(2 * HALF);
    put_group(&journal, "ab");
    put_group(&journal, "cd");
    p104_journal_close(&journal);
    int file = open(below("journal/0"), O_RDWR | O_CLOEXEC);
    CHECK(pread(file, kept, sizeof kept, P104_JOURNAL_BLOCK) > 0);
    const int length = 48 + 2 * 56 + 2 * SIZE;
    for (int at = 0; at < length; at += at < 200 ? 1 : 97) {
        uint8_t other = kept[at] ^ 0x40;
        CHECK(pwrite(file, &other, 1, P104_JOURNAL_BLOCK + at) == 1);
        CHECK(strcmp(read_anew().names, "ab") == 0);
        CHECK(pwrite(file, &kept[at], 1, P104_JOURNAL_BLOCK + at) == 1);
    }
    CHECK(strcmp(read_anew().names, "abcd") == 0);
    CHECK(ftruncate(file, P104_JOURNAL_BLOCK + length - 1) == 0);
    CHECK(strcmp(read_anew().names, "ab") == 0);
    CHECK(ftruncate(file, 3) == 0 && read_anew().count == 0);
    CHECK(ftruncate(file, 0) == 0 && read_anew().count == 0);
    close(file);
    remove_files();
}

/* Lengths that point anywhere, under a sum that is right. */
static void test_lengths_that_lie(void)
{
    const uint64_t lies[] = {0, 1, SIZE - 1, SIZE + 1, HALF, UINT64_MAX, UINT64_MAX - SIZE, UINT64_MAX - 47};
    for (size_t lie = 0; lie < sizeof lies / sizeof *lies; lie++)
        for (int field = 0; field < 3; field++) {
            const off_t at[] = {24, 32, 48}; /* length, count, the file's size */
            p104_journal journal = begin(2 * HALF);
            put_group(&journal, "a");
            p104_journal_close(&journal);
            int file = open(below("journal/0"), O_RDWR | O_CLOEXEC);
            uint8_t head[48 + 56];
            p104_sum sum;
            CHECK(pwrite(file, &lies[lie], 8, at[field]) == 8 && pread(file, head, sizeof head, 0) == sizeof head);
            p104_sum_start(&sum);
            p104_sum_add(&sum, head, 40);
            p104_sum_add(&sum, head + 48, 56);
            uint64_t right = p104_sum_of(&sum);
            CHECK(pwrite(file, &right, 8, 40) == 8);
            close(file);
            CHECK(read_anew().count == (field == 1 && lies[lie] == 1));
            remove_files();
        }
}

static void test_a_reader_that_fails(void)
{
    p104_journal journal = begin(2 * HALF);
    put_group(&journal, "abc");
    found all = {.fails_at = 1};
    CHECK(p104_journal_read(&journal, take, &all) == EDQUOT && all.count == 1);
    CHECK(read_all_of(&journal).count == 3);
    p104_journal_close(&journal);
    remove_files();
}

static void test_room(void)
{
    struct stat about;
    p104_journal journal = begin(2 * HALF + 5000); /* whole blocks of it */
    CHECK(p104_journal_need(1, SIZE) == P104_JOURNAL_BLOCK && p104_journal_room(&journal) == HALF);
    for (int group = 0; group < 4; group++)
        put_group(&journal, "x");
    CHECK(p104_journal_room(&journal) == 0);
    CHECK(read_anew().count == 4);
    p104_journal_close(&journal);

    journal = begin(4 * HALF); /* another size: it was read before, and is empty now */
    CHECK(p104_journal_room(&journal) == 2 * HALF && read_all_of(&journal).count == 0);
    CHECK(stat(below("journal/1"), &about) == 0 && about.st_size == 2 * HALF);
    p104_journal_close(&journal);

    journal = begin(0);
    CHECK(p104_journal_room(&journal) == 0 && stat(below("journal/0"), &about) < 0);
    p104_journal_close(&journal);
    remove_files();
}

/* A link where a half should be leads nowhere. */
static void test_no_link_is_followed(void)
{
    p104_journal journal = begin(2 * HALF);
    p104_journal_close(&journal);
    CHECK(rename(below("journal/0"), "/tmp/port104-journal-aside") == 0);
    CHECK(symlink("/tmp/port104-journal-aside", below("journal/0")) == 0);
    CHECK(p104_journal_open(&journal, folder) == ELOOP);
    p104_journal_close(&journal);
    CHECK(unlink("/tmp/port104-journal-aside") == 0);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_what_was_written_is_read();
    test_an_old_group_behind_a_new_one();
    test_what_was_read_can_be_cleared();
    test_a_torn_group();
    test_lengths_that_lie();
    test_a_reader_that_fails();
    test_room();
    test_no_link_is_followed();
    close(folder);
    CHECK(rmdir(root) == 0);
    printf("test_journal: 8 cases\n");
    return 0;
}
