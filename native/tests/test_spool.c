/* The spool, with both durabilities: from the link to the file and the answer, and every way out. */

#include "spool_peer.h"

static void test_small(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    p104_completion one = store_small(spool, made, 0, 'a', 's');
    CHECK(one.kind == P104_STORED && one.bytes == 1000 && !one.link_returned && !one.unsent);
    check_answer(made);
    check_file(".dcm", 's', 'a', 1000);

    one = store_small(spool, made, 0, 'a', 't'); /* the same from another sender */
    CHECK(one.kind == P104_STORED && one.duplicate && files_in("instances/0f") == 1);

    one = store_small(spool, made, 0, 'b', 's');
    CHECK(one.kind == P104_STORED && one.copy == 1 && !one.replaced);
    check_file(".1.dcm", 's', 'b', 1000);
    check_file(".dcm", 's', 'a', 1000);

    one = store_small(spool, made, P104_OVERWRITE, 'c', 's');
    CHECK(one.kind == P104_STORED && one.replaced && one.copy == 0);
    check_file(".dcm", 's', 'c', 1000);

    CHECK(files_in("instances/0f") == 2 && files_in("parts") == 0);
    p104_spool_counts counts;
    p104_spool_count(spool, &counts);
    CHECK(counts.stored == 4 && counts.failed == 0 && counts.broken == 0 && counts.queued == 0);
    CHECK(counts.barriers == (durability == P104_DURABILITY_SYNC ? 4 : 0));
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

static void test_large(int durability, int flags)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    command(made);
    size_t length = pdu(data_set, 2, 'l', LARGE);
    CHECK(begin(spool, made, 7, flags, 's') == P104_CARRIED);
    transmit_carried(spool, made, data_set, length);
    p104_completion one = settled(spool);
    if (flags & P104_PIPELINED && durability == P104_DURABILITY_SYNC) {
        CHECK(one.kind == P104_RECEIVED && one.link_returned && one.id == 7);
        one = next_completion(spool);
        CHECK(!one.link_returned);
    } else {
        CHECK(one.link_returned);
    }
    CHECK(one.kind == P104_STORED && one.id == 7 && one.bytes == LARGE);
    check_answer(made);
    check_file(".dcm", 's', 'l', LARGE);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

static void test_broken(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    p104_run run;
    const uint8_t *data;
    command(made);
    size_t length = pdu(data_set, 2, 'l', 5000);
    CHECK(begin(spool, made, 9, 0, 's') == P104_CARRIED);
    transmit(made.peer, data_set, length - 1);
    CHECK(next_completion(spool).kind == P104_PAUSED);
    CHECK(files_in("parts") == 1);
    shutdown(made.peer, SHUT_WR);
    p104_store_resume(spool, 9);
    p104_completion one = settled(spool);
    CHECK(one.kind == P104_BROKEN && one.link_returned);
    CHECK(p104_link_next(made.link, &run, &data) == P104_END_OF_STREAM);
    CHECK(files_in("parts") == 0 && files_in("instances/0f") == 0);
    pair_free(made);

    made = pair_new();
    command(made);
    CHECK(begin(spool, made, 10, 0, 's') == P104_CARRIED);
    CHECK(next_completion(spool).kind == P104_PAUSED);
    p104_store_abandon(spool, 10);
    CHECK(next_completion(spool).kind == P104_BROKEN);
    CHECK(files_in("parts") == 0);
    pair_free(made);

    made = pair_new();
    command(made);
    length = pdu(data_set, 3, 'c', 10); /* a command where the data set is due */
    CHECK(p104_link_feed(made.link, data_set, length) == (long)length);
    CHECK(begin(spool, made, 11, 0, 's') == P104_NOT_BEGUN);
    CHECK(p104_link_next(made.link, &run, &data) == P104_FAULT_FRAGMENT);
    p104_store_resume(spool, 11); /* nothing is there: nothing happens */
    p104_store_abandon(spool, 11);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* Many links at once, all under one name with other bytes each: none is lost. */
static void test_many(int durability)
{
    enum { LINKS = 24 };
    p104_spool *spool = open_spool(durability);
    pair pairs[LINKS];
    for (int index = 0; index < LINKS; index++) {
        uint8_t bytes[2000];
        pairs[index] = pair_new();
        command(pairs[index]);
        size_t length = pdu(bytes, 2, (uint8_t)('A' + index), 1000);
        p104_link_feed(pairs[index].link, bytes, length);
        CHECK(begin(spool, pairs[index], (uint64_t)index, P104_EXPLICIT_VR, 's') == P104_TAKEN);
    }
    for (int index = 0; index < LINKS; index++) {
        p104_completion one = next_completion(spool);
        CHECK(one.kind == P104_STORED && one.pick_state == P104_PICK_DONE && one.picked_length == 0);
    }
    CHECK(files_in("instances/0f") == LINKS);
    for (int index = 0; index < LINKS; index++) {
        check_answer(pairs[index]);
        pair_free(pairs[index]);
    }
    p104_spool_close(spool);
    remove_files();
}

/* Many links at once with the same instance: one file, and every sender is answered. */
static void test_many_that_are_the_same(int durability, int flags)
{
    enum { LINKS = 24 };
    p104_spool *spool = open_spool(durability);
    pair pairs[LINKS];
    int duplicates = 0;
    int replaced = 0;
    for (int index = 0; index < LINKS; index++) {
        uint8_t bytes[2000];
        pairs[index] = pair_new();
        command(pairs[index]);
        size_t length = pdu(bytes, 2, flags & P104_OVERWRITE ? (uint8_t)('A' + index) : 'A', 1000);
        p104_link_feed(pairs[index].link, bytes, length);
        CHECK(begin(spool, pairs[index], (uint64_t)index, flags, 's') == P104_TAKEN);
    }
    for (int index = 0; index < LINKS; index++) {
        p104_completion one = next_completion(spool);
        CHECK(one.kind == P104_STORED && one.copy == 0);
        duplicates += one.duplicate;
        replaced += one.replaced;
    }
    CHECK(duplicates == (flags & P104_OVERWRITE ? 0 : LINKS - 1));
    CHECK(replaced == (flags & P104_OVERWRITE ? LINKS - 1 : 0));
    CHECK(files_in("instances/0f") == 1 && files_in("parts") == 0);
    for (int index = 0; index < LINKS; index++) {
        check_answer(pairs[index]);
        pair_free(pairs[index]);
    }
    p104_spool_close(spool);
    remove_files();
}

/* The next message is read while the one before waits for its barrier; the answers keep their order. */
static void test_pipelined(int durability)
{
    enum { MESSAGES = 20 };
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    int stored = 0;
    for (int index = 0; index < MESSAGES; index++) {
        uint8_t bytes[2000];
        command(made);
        size_t length = pdu(bytes, 2, (uint8_t)index, 1000);
        CHECK(begin(spool, made, (uint64_t)index, P104_PIPELINED, 's') == P104_CARRIED);
        transmit(made.peer, bytes, length);
        for (int returned = 0; !returned;) {
            p104_completion one = settled(spool);
            stored += one.kind == P104_STORED;
            returned = one.link_returned;
            CHECK(one.kind == P104_STORED || (one.kind == P104_RECEIVED && one.id == (uint64_t)index));
        }
    }
    for (; stored < MESSAGES; stored++)
        CHECK(next_completion(spool).kind == P104_STORED);
    for (int index = 0; index < MESSAGES; index++)
        check_answer(made);
    CHECK(files_in("instances/0f") == MESSAGES);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* The same name, but not the same instance: another SOP class or syntax, or a file that is longer. */
static void test_what_is_no_duplicate(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    uint8_t bytes[2000];
    uint8_t other[HEADER];
    CHECK(store_small(spool, made, 0, 'a', 's').copy == 0);
    check_answer(made);

    command(made);
    size_t length = pdu(bytes, 2, 'a', 999);
    CHECK(p104_link_feed(made.link, bytes, length) == (long)length);
    CHECK(begin(spool, made, 2, 0, 's') == P104_TAKEN);
    CHECK(next_completion(spool).copy == 1);
    check_answer(made);

    command(made);
    length = pdu(bytes, 2, 'a', 1000);
    CHECK(p104_link_feed(made.link, bytes, length) == (long)length);
    header(other, 's');
    other[IDENTITY_END - 1] = 'x';
    CHECK(p104_store_begin(spool, made.link, 3, 0, NAME, other, HEADER, IDENTITY_END, RESPONSE, sizeof RESPONSE)
          == P104_TAKEN);
    p104_completion one = next_completion(spool);
    CHECK(one.kind == P104_STORED && !one.duplicate && one.copy == 2);
    check_answer(made);
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

/* Store these bytes, carried or taken, and tell what was picked. */
static p104_completion store_bytes(p104_spool *spool, pair made, int flags, const char *content,
                                   size_t length, int carried)
{
    uint8_t bytes[2000];
    command(made);
    size_t size = pdu(bytes, 2, 0, (uint32_t)length);
    memcpy(bytes + 12, content, length);
    if (!carried)
        CHECK(p104_link_feed(made.link, bytes, size) == (long)size);
    CHECK(begin(spool, made, 1, flags | P104_OVERWRITE, 's') == (carried ? P104_CARRIED : P104_TAKEN));
    if (carried)
        transmit(made.peer, bytes, size);
    p104_completion one = settled(spool);
    CHECK(one.kind == P104_STORED);
    check_answer(made);
    return one;
}

static void test_picked_elements(int durability)
{
    static const char explicit_vr[] = "\x08\0\x18\0UI\4\0" "1.2\0" "\x08\0\x60\0" "CS\2\0CT";
    static const char implicit_vr[] = "\x08\0\x18\0\4\0\0\0" "1.2";
    static const char packed[] = "\x18\0\x08\0\4\0" "1.2";
    char longer[8 + 300] = "\x08\0\x18\0UI\x2c\1";
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    for (int carried = 0; carried < 2; carried++) {
        p104_completion one = store_bytes(spool, made, P104_EXPLICIT_VR, explicit_vr, sizeof explicit_vr - 1, carried);
        CHECK(one.pick_state == P104_PICK_DONE && one.picked_length == sizeof packed);
        CHECK(memcmp(one.picked, packed, sizeof packed) == 0);

        one = store_bytes(spool, made, P104_IMPLICIT_VR, implicit_vr, sizeof implicit_vr, carried);
        CHECK(one.pick_state == P104_PICK_DONE && one.picked_length == sizeof packed);
        CHECK(memcmp(one.picked, packed, sizeof packed) == 0);

        one = store_bytes(spool, made, P104_EXPLICIT_VR, longer, sizeof longer, carried);
        CHECK(one.pick_state == P104_PICK_UNREADABLE && one.picked_length == 0);

        one = store_bytes(spool, made, 0, explicit_vr, sizeof explicit_vr - 1, carried); /* another syntax */
        CHECK(one.pick_state == P104_PICK_UNREADABLE && one.picked_length == 0);
    }
    pair_free(made);
    p104_spool_close(spool);
    remove_files();
}

static void test_what_is_queued_is_finished_at_close(int durability)
{
    p104_spool *spool = open_spool(durability);
    pair made = pair_new();
    uint8_t bytes[2000];
    command(made);
    size_t length = pdu(bytes, 2, 'q', 1000);
    p104_link_feed(made.link, bytes, length);
    CHECK(begin(spool, made, 1, 0, 's') == P104_TAKEN);
    p104_spool_close(spool);
    check_file(".dcm", 's', 'q', 1000);
    check_answer(made);
    pair_free(made);
    remove_files();
}

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

static void test_opening(void)
{
    int before = open_descriptors();
    int error = 0;
    uint32_t descending[] = {0x00080018, 0x00080016};
    CHECK(!p104_spool_open("/nonexistent", 0, 1, TAGS, 1, &error) && error == ENOENT);
    CHECK(!p104_spool_open(root, 0, 0, TAGS, 1, &error) && error == EINVAL);
    CHECK(!p104_spool_open(root, 0, 1, descending, 2, &error) && error == EINVAL);
    p104_spool *spool = open_spool(0);
    CHECK(!p104_spool_open(root, 0, 1, TAGS, 1, &error) && error == EWOULDBLOCK);
    p104_spool_close(spool);

    char left[200];
    snprintf(left, sizeof left, "%s/parts/left.part", root);
    FILE *file = fopen(left, "w");
    CHECK(file);
    fclose(file);
    p104_spool_close(open_spool(0));
    CHECK(files_in("parts") == 0);

    uint32_t many[P104_PICK_TAGS + 1];
    for (uint32_t index = 0; index <= P104_PICK_TAGS; index++)
        many[index] = 0x00100000 + index;
    CHECK(!p104_spool_open(root, 0, 1, many, P104_PICK_TAGS + 1, &error) && error == EINVAL);
    p104_spool *most = p104_spool_open(root, 0, 1, many, P104_PICK_TAGS, &error);
    CHECK(most && error == 0);
    p104_spool_close(most);

    snprintf(left, sizeof left, "%s/parts/folder", root);
    CHECK(mkdir(left, 0700) == 0);
    CHECK(!p104_spool_open(root, 0, 1, TAGS, 1, &error) && error == EISDIR);
    CHECK(rmdir(left) == 0);
    snprintf(left, sizeof left, "%s/parts", root);
    CHECK(rmdir(left) == 0 && symlink("/dev/null", left) == 0);
    CHECK(!p104_spool_open(root, 0, 1, TAGS, 1, &error) && error == ENOTDIR);
    CHECK(open_descriptors() == before);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        test_small(durability);
        test_large(durability, 0);
        test_large(durability, P104_PIPELINED);
        test_broken(durability);
        test_many(durability);
        test_many_that_are_the_same(durability, 0);
        test_many_that_are_the_same(durability, P104_OVERWRITE);
        test_pipelined(durability);
        test_what_is_no_duplicate(durability);
        test_picked_elements(durability);
        test_what_is_queued_is_finished_at_close(durability);
    }
    test_opening();
    CHECK(rmdir(root) == 0);
    printf("test_spool: 23 cases\n");
    return 0;
}
