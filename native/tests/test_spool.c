/* A spool's life: what it opens, locks, removes and closes. */

#include "spool_peer.h"

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder);
    int count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void test_what_cannot_be_opened(void)
{
    int before = open_descriptors();
    int error = 0;
    uint32_t descending[] = {0x00080018, 0x00080016};
    CHECK(!p104_spool_open("/nonexistent", 0, 0, 1, TAGS, 1, &error) && error == ENOENT);
    CHECK(!p104_spool_open(root, 0, 0, 0, TAGS, 1, &error) && error == EINVAL);
    CHECK(!p104_spool_open(root, 0, 0, 1, descending, 2, &error) && error == EINVAL);
    p104_spool *spool = open_spool(0, 1);
    CHECK(!p104_spool_open(root, 0, 0, 1, TAGS, 1, &error) && error == EWOULDBLOCK);
    p104_spool_close(spool);
    CHECK(mkdir(below("parts/folder"), 0700) == 0);
    CHECK(!p104_spool_open(root, 0, 0, 1, TAGS, 1, &error) && error == EISDIR);
    CHECK(rmdir(below("parts/folder")) == 0);
    CHECK(rmdir(below("parts")) == 0 && symlink("/dev/null", below("parts")) == 0);
    CHECK(!p104_spool_open(root, 0, 0, 1, TAGS, 1, &error) && error == ENOTDIR);
    CHECK(open_descriptors() == before);
    remove_files();
}

static void test_how_many_elements_are_picked(void)
{
    int error = 0;
    uint32_t many[P104_PICK_TAGS + 1];
    for (uint32_t index = 0; index <= P104_PICK_TAGS; index++)
        many[index] = 0x00100000 + index;
    CHECK(!p104_spool_open(root, 0, 0, 1, many, P104_PICK_TAGS + 1, &error) && error == EINVAL);
    p104_spool *most = p104_spool_open(root, 0, 0, 1, many, P104_PICK_TAGS, &error);
    CHECK(most && error == 0);
    p104_spool_close(most);
    p104_spool *none = p104_spool_open(root, 0, 0, 1, NULL, 0, &error);
    CHECK(none && error == 0);
    association one = associate_and_lend(none, 1, (terms){.flags = P104_EXPLICIT_VR});
    p104_completion told = store_small(one, 1, 'n');
    CHECK(told.kind == P104_STORED && told.picked_length == 0);
    finish(one);
    p104_spool_close(none);
    remove_files();
}

/* Files are not for other users of the machine. */
static void test_modes(void)
{
    struct stat about;
    p104_spool *spool = open_spool(0, 1);
    association one = associate_and_lend(spool, 1, (terms){0});
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    CHECK(stat(file_path(""), &about) == 0 && (about.st_mode & 07) == 0);
    CHECK(stat(below(shelf()), &about) == 0 && (about.st_mode & 07) == 0);
    CHECK(stat(below("parts"), &about) == 0 && (about.st_mode & 07) == 0);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* What was stored and nobody asked for is forgotten, and its memory freed. */
static void test_closing_with_untaken_completions(int durability)
{
    p104_spool *spool = open_spool(durability, 2);
    association one = associate(spool, 1, (terms){.fed = 1, .window = 2});
    size_t length = message(stream, 1, INSTANCE, 'a', 100);
    CHECK(p104_link_feed(one.link, stream, length) == (long)length);
    p104_intake_lend(one.intake, 0);
    p104_completion told = next_completion(spool);
    if (told.kind == P104_STORED)
        check_returned(one, P104_RETURN_BYTES);
    else
        CHECK(told.kind == P104_RETURNED && told.reason == P104_RETURN_BYTES);
    UNTIL(counts_of(one).stored == 1); /* it may have been told, or not */
    check_answer(one, 1, 0);
    dissociate(one);
    p104_spool_close(spool);
    check_file("", 's', 'a', 100);
    remove_files();
}

/* Opened and closed at once, again and again: the threads end whatever they are at. */
static void test_closing_at_once(void)
{
    int before = open_descriptors();
    for (int round = 0; round < 20; round++) {
        p104_spool *spool = open_spool(round % 2, 4);
        if (round % 4 >= 2) { /* its threads have just been woken */
            association one = associate(spool, 1, (terms){.fed = 1});
            p104_intake_lend(one.intake, 1);
            check_returned(one, P104_RETURN_OTHER);
            dissociate(one);
        }
        p104_spool_close(spool);
    }
    CHECK(open_descriptors() == before);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    test_what_cannot_be_opened();
    test_how_many_elements_are_picked();
    test_modes();
    test_closing_with_untaken_completions(P104_DURABILITY_OS);
    test_closing_with_untaken_completions(P104_DURABILITY_SYNC);
    test_closing_at_once();
    remove_folders();
    printf("test_spool: 6 cases\n");
    return 0;
}
