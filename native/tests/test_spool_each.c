/* Linux before 5.8: syncfs keeps write errors to itself, so each file is synced by itself, then the names. */

#include <sys/utsname.h>

#include "sync_calls.h"

/* The program's own: the spool asks it once. */
int uname(struct utsname *system)
{
    memset(system, 0, sizeof *system);
    strcpy(system->release, "5.7.19-old");
    return 0;
}

static association begin(void)
{
    return associate_and_lend(open_spool(P104_DURABILITY_SYNC, 1), 1, (terms){0});
}

static void end(association one)
{
    watch_no_calls();
    finish(one);
    p104_spool_close(one.spool);
    remove_files();
}

static void test_order(void)
{
    association one = begin();
    watch_calls(one, 0, 0);
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    check_answer(one, 1, 0);
    CHECK(called("d0f0"));
    watch_calls(one, 0, 0); /* a duplicate: its twin's data, its twin's name */
    CHECK(store_small(one, 2, 'a').duplicate);
    check_answer(one, 2, 0);
    CHECK(called("d1f1f1"));
    end(one);
}

/* Whichever call fails, the peer is told, nothing is left, and the next try succeeds. */
static void test_a_failed_sync(char call, int error, uint16_t status)
{
    association one = begin();
    watch_calls(one, call, error);
    p104_completion told = store_small(one, 1, 'a');
    CHECK(told.kind == P104_FAILED && told.error == error && told.status == status);
    CHECK(named_files() == 0 && files_in("parts") == 0);
    check_answer(one, 1, status);
    watch_calls(one, 0, 0);
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    check_answer(one, 1, 0);
    end(one);
}

static void test_a_failed_sync_of_a_twins_name(void)
{
    association one = begin();
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    check_answer(one, 1, 0);
    watch_calls(one, 'f', EIO);
    CHECK(store_small(one, 2, 'a').kind == P104_FAILED);
    check_answer(one, 2, 0x0110);
    CHECK(named_files() == 1 && files_in("parts") == 0);
    end(one);
}

int main(void)
{
    CHECK(mkdtemp(root));
    prepare_to_hold();
    test_order();
    test_a_failed_sync('d', EIO, 0x0110);
    test_a_failed_sync('d', ENOSPC, 0xA700);
    test_a_failed_sync('f', EIO, 0x0110);
    test_a_failed_sync_of_a_twins_name();
    remove_folders();
    printf("test_spool_each: 5 cases\n");
    return 0;
}
