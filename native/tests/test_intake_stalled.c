/* A disk that stalls every I/O thread stalls nothing that needs no disk. */

#include "name_calls.h"

static const uint8_t RELEASE[] = "\5\0\0\0\0\4\0\0\0\0";

/* What is not an instance is given back meanwhile; an instance waits, and is stored in the end. */
static void test_what_needs_no_disk(void)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association stalled = associate_and_lend(spool, 1, (terms){0});
    association echoes = associate_and_lend(spool, 2, (terms){0});
    association stores = associate_and_lend(spool, 3, (terms){0});
    association releases = associate(spool, 4, (terms){0});
    hold_after(0);
    transmit(stalled.peer, stream, message(stream, 1, INSTANCE, 's', 100));
    wait_for(&held);
    transmit(stores.peer, stream, message(stream, 1, "1.2.4", 'q', 100));
    transmit(stores.peer, RELEASE, 10);
    transmit(echoes.peer, stream, put_command(stream, (command_fields){"1.2.840.10008.1.1", NULL, 0x30, 1, 0x101}));
    check_returned(echoes, P104_RETURN_OTHER);
    CHECK(next_on(echoes, &run, &data) == P104_COMMAND && run.ends);
    CHECK(p104_link_feed(releases.link, RELEASE, 10) == 10);
    p104_intake_lend(releases.intake, 0); /* with bytes at hand: through the queue, not the socket */
    check_returned(releases, P104_RETURN_OTHER);
    CHECK(next_on(releases, &run, &data) == P104_PDU_HEADER);
    check_no_answer(stalled);
    check_no_answer(stores);
    sem_post(&let_go);
    int stored = 0;
    for (int told = 0; told < 3; told++) {
        p104_completion one = next_completion(spool);
        CHECK(one.kind == P104_STORED ? one.id == 1 || one.id == 3 : one.id == 3 && one.kind == P104_RETURNED);
        stored += one.kind == P104_STORED;
    }
    CHECK(stored == 2);
    check_answer(stalled, 1, 0);
    check_answer_for(stores, 1, "1.2.4", 0);
    dissociate(echoes);
    dissociate(releases);
    dissociate(stores);
    finish(stalled);
    p104_spool_close(spool);
    remove_files();
}

/* Giving up an instance that was begun has a file to remove: it waits for the disk, others go on. */
static void test_giving_up_needs_the_disk(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association fed = associate(spool, 2, (terms){.fed = 1});
    size_t length = put_command(stream, store_request(1, "1.2.4"));
    length += put_data(stream + length, DATA, 'd', 100);
    CHECK(p104_link_feed(fed.link, stream, length) == (long)length);
    p104_intake_lend(fed.intake, 0);
    check_returned(fed, P104_RETURN_BYTES);
    association stalled = associate_and_lend(spool, 1, (terms){0});
    association releases = associate(spool, 3, (terms){0});
    hold_after(0);
    transmit(stalled.peer, stream, message(stream, 1, INSTANCE, 's', 100));
    wait_for(&held);
    p104_intake_lend(fed.intake, 1);
    CHECK(p104_link_feed(releases.link, RELEASE, 10) == 10);
    p104_intake_lend(releases.intake, 0);
    check_returned(releases, P104_RETURN_OTHER);
    CHECK(files_in("parts") == 2);
    sem_post(&let_go);
    CHECK(next_completion(spool).kind == P104_STORED);
    check_returned(fed, P104_RETURN_OTHER);
    CHECK(files_in("parts") == 0);
    dissociate(fed);
    dissociate(releases);
    finish(stalled);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    prepare_to_hold();
    test_what_needs_no_disk();
    test_giving_up_needs_the_disk();
    remove_folders();
    printf("test_intake_stalled: 2 cases\n");
    return 0;
}
