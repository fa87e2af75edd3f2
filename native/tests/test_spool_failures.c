/* What a spool does when the disk, the name or the peer will not: it answers so, keeps no rest, and the link goes on
 * behind the data set. */

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "spool_peer.h"

static int writes_until_failure = -1; /* of the calling program's writev: so many succeed; -1: all do */
static int write_failure;

/* The program's own: part files are written by it. */
ssize_t writev(int descriptor, const struct iovec *vector, int count)
{
    if (__atomic_load_n(&writes_until_failure, __ATOMIC_SEQ_CST) >= 0
        && __atomic_fetch_sub(&writes_until_failure, 1, __ATOMIC_SEQ_CST) == 0) {
        errno = write_failure;
        return -1;
    }
    return syscall(SYS_writev, descriptor, vector, count);
}

static void fail_write_after(int writes, int error)
{
    write_failure = error;
    __atomic_store_n(&writes_until_failure, writes, __ATOMIC_SEQ_CST);
}

/* A small instance, the first of this spool, fails with this error, and is answered with this status. */
static void check_fails(association one, int error, uint16_t status)
{
    p104_completion told = store_small(one, 1, 'f');
    CHECK(told.kind == P104_FAILED && told.error == error && told.status == status && told.bytes == 1000);
    CHECK(strcmp(told.sop_instance, INSTANCE) == 0 && told.picked_length == 0);
    check_answer(one, 1, status);
    p104_intake_counts counts = counts_of(one);
    CHECK(counts.failed == 1 && counts.stored == 0 && counts.bytes == 0 && counts.under_way == 0);
    p104_spool_counts all;
    p104_spool_count(one.spool, &all);
    CHECK(all.failed == 1 && all.stored == 0 && all.broken == 0);
}

/* The association goes on when the matter is mended. */
static void check_goes_on_and_end(association one)
{
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    check_answer(one, 1, 0);
    check_file("", 's', 'a', 1000);
    CHECK(files_in("parts") == 0 && named_files() == 1);
    finish(one);
    p104_spool_close(one.spool);
    remove_files();
}

static association begin(int durability)
{
    return associate_and_lend(open_spool(durability, 2), 7, (terms){0});
}

static void test_no_folder_for_part_files(int durability)
{
    association one = begin(durability);
    CHECK(rmdir(below("parts")) == 0);
    check_fails(one, ENOENT, 0x0110);
    CHECK(named_files() == 0);
    finish(one);
    p104_spool_close(one.spool);
    remove_files();
}

static void test_no_folder_for_the_name(int durability)
{
    association one = begin(durability);
    CHECK(rmdir(below(shelf())) == 0);
    check_fails(one, ENOENT, 0x0110);
    CHECK(files_in("parts") == 0);
    finish(one);
    p104_spool_close(one.spool);
    remove_files();
}

/* Somebody's link under our name: it is neither followed nor replaced. */
static void test_a_symbolic_link_under_the_name(int durability)
{
    association one = begin(durability);
    CHECK(symlink("elsewhere", file_path("")) == 0);
    check_fails(one, ELOOP, 0x0110);
    CHECK(files_in("parts") == 0 && named_files() == 1);
    CHECK(unlink(file_path("")) == 0);
    check_goes_on_and_end(one);
}

/* The status tells the peer whether to send it again later. */
static void test_a_write_that_fails(int durability, int error, uint16_t status)
{
    association one = begin(durability);
    fail_write_after(0, error);
    check_fails(one, error, status);
    CHECK(files_in("parts") == 0 && named_files() == 0);
    check_goes_on_and_end(one);
}

static void test_an_interrupted_write_is_repeated(int durability)
{
    association one = begin(durability);
    fail_write_after(0, EINTR);
    check_goes_on_and_end(one);
}

static void test_no_descriptor_for_the_file(int durability)
{
    struct rlimit before;
    association one = begin(durability);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, before.rlim_max}) == 0);
    check_fails(one, EMFILE, 0xA700);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(files_in("parts") == 0);
    check_goes_on_and_end(one);
}

/* A large instance of bytes `fill`, which comes in PDUs of this size. */
static p104_completion store_large(association one, uint16_t message_id, uint8_t fill, size_t fragment)
{
    transmit(one.peer, stream, put_command(stream, store_request(message_id, INSTANCE)));
    for (size_t at = 0; at < LARGE; at += fragment)
        transmit(one.peer, stream, put_data(stream, at + fragment < LARGE ? DATA : LAST_DATA, fill, fragment));
    return next_completion(one.spool);
}

/* The disk takes a part of the data set: the rest is drained, and nothing of it gets into the next. */
static void test_a_disk_that_fills_up(int durability, size_t fragment)
{
    struct rlimit before;
    association one = associate_and_lend(open_spool(durability, 1), 7, (terms){0});
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){(1 << 20) + 1000, before.rlim_max}) == 0);
    p104_completion told = store_large(one, 1, 'l', fragment);
    CHECK(told.kind == P104_FAILED && told.error == EFBIG && told.status == 0xA700 && told.bytes == LARGE);
    CHECK(files_in("parts") == 0 && named_files() == 0);
    check_answer(one, 1, 0xA700);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(store_large(one, 2, 'm', fragment).kind == P104_STORED);
    check_answer(one, 2, 0);
    check_file("", 's', 'm', LARGE);
    finish(one);
    p104_spool_close(one.spool);
    remove_files();
}

/* Whoever sends one UID with ever new bytes fills 201 names, and no more. */
static void test_too_many_copies(void)
{
    association one = begin(P104_DURABILITY_OS);
    for (int copy = 0; copy <= 200; copy++) {
        p104_completion told = store_small(one, (uint16_t)copy, (uint8_t)copy);
        CHECK(told.kind == P104_STORED && told.copy == copy && !told.duplicate);
        check_answer(one, (uint16_t)copy, 0);
    }
    CHECK(store_small(one, 1, 200).duplicate);
    check_answer(one, 1, 0);
    p104_completion told = store_small(one, 2, 201);
    CHECK(told.kind == P104_FAILED && told.error == EEXIST);
    check_answer(one, 2, 0x0110);
    CHECK(named_files() == 201 && files_in("parts") == 0);
    check_file(".200", 's', 200, 1000);
    finish(one);
    p104_spool_close(one.spool);
    remove_files();
}

/* The answer waits behind what the peer did not read, and follows it; the event loop is asked to flush. */
static void test_a_peer_that_does_not_read(int durability)
{
    static uint8_t read[1 << 20];
    size_t before = 0;
    association one = begin(durability);
    while (p104_link_unsent(one.link) == 0) {
        CHECK(p104_link_send(one.link, (const uint8_t *)"before", 6) == 0);
        before += 6;
    }
    p104_completion told = store_small(one, 1, 'a');
    CHECK(told.kind == P104_STORED && told.unsent);
    while (before > 0) {
        ssize_t got = recv(one.peer, read, before < sizeof read ? before : sizeof read, 0);
        CHECK(got > 0);
        before -= (size_t)got;
        CHECK(p104_link_flush(one.link) >= 0);
    }
    CHECK(p104_link_unsent(one.link) == 0);
    check_answer(one, 1, 0);
    finish(one);
    p104_spool_close(one.spool);
    remove_files();
}

/* The peer is gone before its answer: the instance is stored all the same. */
static void test_a_peer_that_is_gone(int durability)
{
    p104_spool *spool = open_spool(durability, 1);
    association one = associate(spool, 1, (terms){0});
    size_t length = message(stream, 1, INSTANCE, 'g', 1000);
    CHECK(p104_link_feed(one.link, stream, length) == (long)length);
    shutdown(one.peer, SHUT_RDWR);
    p104_intake_lend(one.intake, 0);
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_STORED && !told.unsent);
    check_returned(one, P104_RETURN_OTHER);
    check_file("", 's', 'g', 1000);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        test_no_folder_for_part_files(durability);
        test_no_folder_for_the_name(durability);
        test_a_symbolic_link_under_the_name(durability);
        test_a_write_that_fails(durability, ENOSPC, 0xA700);
        test_a_write_that_fails(durability, EDQUOT, 0xA700);
        test_a_write_that_fails(durability, EIO, 0x0110);
        test_an_interrupted_write_is_repeated(durability);
        test_no_descriptor_for_the_file(durability);
        test_a_disk_that_fills_up(durability, LARGE);
        test_a_disk_that_fills_up(durability, LARGE / 1024);
        test_a_peer_that_does_not_read(durability);
        test_a_peer_that_is_gone(durability);
    }
    test_too_many_copies();
    remove_folders();
    printf("test_spool_failures: 25 cases\n");
    return 0;
}
