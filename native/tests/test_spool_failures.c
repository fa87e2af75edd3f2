/* What a spool does when the disk, the name or the peer will not: it answers nothing, keeps no rest, and the
 * link goes on behind the data set. */

#include <sys/resource.h>

#include "spool_peer.h"

static const char *below(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* A small instance, the first of this spool, fails with this error and is not answered. */
static void check_fails(p104_spool *spool, pair made, int error)
{
    p104_completion one = store_small(spool, made, 0, 'f', 's');
    CHECK(one.kind == P104_FAILED && one.error == error && one.bytes == 1000);
    check_no_answer(made);
    CHECK(p104_link_answers(made.link) == 0);
    p104_spool_counts counts;
    p104_spool_count(spool, &counts);
    CHECK(counts.failed == 1 && counts.stored == 0);
}

static void test_no_folder_for_part_files(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    CHECK(rmdir(below("parts")) == 0);
    check_fails(spool, made, ENOENT);
    CHECK(files_in("instances/0f") == 0);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

static void test_no_folder_for_the_name(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    CHECK(rmdir(below("instances/0f")) == 0);
    check_fails(spool, made, ENOENT);
    CHECK(files_in("parts") == 0);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* Somebody's link under our name: it is neither followed nor replaced. */
static void test_a_symbolic_link_under_the_name(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    char name[100];
    snprintf(name, sizeof name, "instances/0f/%s.dcm", NAME);
    CHECK(symlink("elsewhere", below(name)) == 0);
    check_fails(spool, made, ELOOP);
    CHECK(files_in("parts") == 0 && files_in("instances/0f") == 1);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* The disk takes a part of the data set: the rest is drained, and the next message is read. */
static void test_a_write_that_fails(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    struct rlimit before;
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, before.rlim_max}) == 0);
    command(made);
    size_t length = pdu(data_set, 2, 'l', LARGE);
    CHECK(begin(spool, made, 7, 0, 's') == P104_CARRIED);
    transmit_carried(spool, made, data_set, length);
    p104_completion one = settled(spool);
    CHECK(one.kind == P104_FAILED && one.error == EFBIG && one.link_returned && one.bytes == LARGE);
    CHECK(files_in("parts") == 0 && files_in("instances/0f") == 0);
    check_no_answer(made);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);

    CHECK(store_small(spool, made, 0, 'a', 's').kind == P104_STORED);
    check_answer(made);
    check_file(".dcm", 's', 'a', 1000);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* Whoever sends one UID with ever new bytes fills 201 names, and no more. */
static void test_too_many_copies(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS);
    pair made = pair_new();
    for (int copy = 0; copy <= 200; copy++) {
        p104_completion one = store_small(spool, made, 0, (uint8_t)copy, 's');
        CHECK(one.kind == P104_STORED && one.copy == copy && !one.duplicate);
        check_answer(made);
    }
    CHECK(store_small(spool, made, 0, 200, 't').duplicate);
    check_answer(made);
    p104_completion one = store_small(spool, made, 0, 201, 's');
    CHECK(one.kind == P104_FAILED && one.error == EEXIST);
    check_no_answer(made);
    CHECK(files_in("instances/0f") == 201 && files_in("parts") == 0);
    check_file(".200.dcm", 's', 200, 1000);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* A-ABORT in the middle of a data set: the link stands before it. */
static void test_another_pdu_in_the_middle(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    p104_run run;
    const uint8_t *data;
    command(made);
    size_t length = pdu(data_set, 0, 'l', 5000);
    CHECK(begin(spool, made, 1, 0, 's') == P104_CARRIED);
    memcpy(data_set + length, "\7\0\0\0\0\4\0\0\2\0", 10);
    transmit(made.peer, data_set, length + 10);
    p104_completion one = settled(spool);
    CHECK(one.kind == P104_BROKEN && one.link_returned && one.bytes == 5000);
    CHECK(p104_link_next(made.link, &run, &data) == P104_PDU_HEADER && run.pdu_type == 7);
    CHECK(files_in("parts") == 0 && files_in("instances/0f") == 0);
    check_no_answer(made);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* The answer waits behind what the peer did not read, and follows it. */
static void test_a_peer_that_does_not_read(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    static uint8_t read[1 << 20];
    size_t before = 0;
    while (p104_link_unsent(made.link) == 0) {
        CHECK(p104_link_send(made.link, (const uint8_t *)"before", 6) == 0);
        before += 6;
    }
    p104_completion one = store_small(spool, made, 0, 'a', 's');
    CHECK(one.kind == P104_STORED && one.unsent);
    while (before > 0) {
        ssize_t got = recv(made.peer, read, before < sizeof read ? before : sizeof read, 0);
        CHECK(got > 0);
        before -= (size_t)got;
        CHECK(p104_link_flush(made.link) >= 0);
    }
    CHECK(p104_link_unsent(made.link) == 0);
    check_answer(made);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* The peer is gone before its answer: the instance is stored all the same. */
static void test_a_peer_that_is_gone(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    uint8_t bytes[2000];
    command(made);
    size_t length = pdu(bytes, 2, 'g', 1000);
    CHECK(p104_link_feed(made.link, bytes, length) == (long)length);
    shutdown(made.peer, SHUT_RDWR);
    CHECK(begin(spool, made, 1, 0, 's') == P104_TAKEN);
    p104_completion one = next_completion(spool);
    CHECK(one.kind == P104_STORED && !one.unsent);
    check_file(".dcm", 's', 'g', 1000);
    pair_free(made);
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
        test_a_write_that_fails(durability);
        test_another_pdu_in_the_middle(durability);
        test_a_peer_that_does_not_read(durability);
        test_a_peer_that_is_gone(durability);
    }
    test_too_many_copies();
    CHECK(rmdir(root) == 0);
    printf("test_spool_failures: 15 cases\n");
    return 0;
}
