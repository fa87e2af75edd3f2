/* What an intake does not take: it gives the link back, standing before it, and keeps no rest of a file. */

#include "spool_peer.h"

enum { ROOM = 1024 };

/* How far a message has come when something else follows. */
typedef struct {
    const char *name;
    size_t length;
    uint8_t bytes[ROOM];
    int broken; /* a data set is lost */
} place;

/* What follows, and what p104_link_next says of it. */
typedef struct {
    const char *name;
    const char *bytes;
    size_t length;
    int result[4]; /* by place */
} ending;

#define BYTES(text) text, sizeof(text) - 1
#define EVERYWHERE(result) {result, result, result, result}
#define DATA_ON_1 "\4\0\0\0\0\7\0\0\0\3\1\2d"
#define COMMAND_ON_1 "\4\0\0\0\0\7\0\0\0\3\1\3c"
#define DATA_ON_3 "\4\0\0\0\0\7\0\0\0\3\3\2d"

static const ending ENDINGS[] = {
    {"the end of the stream", "", 0, EVERYWHERE(P104_END_OF_STREAM)},
    {"a part of a header, and the end", BYTES("\4\0\0"), EVERYWHERE(P104_END_OF_STREAM)},
    {"A-RELEASE-RQ", BYTES("\5\0\0\0\0\4\0\0\0\0"), EVERYWHERE(P104_PDU_HEADER)},
    {"A-ABORT", BYTES("\7\0\0\0\0\4\0\0\2\0"), EVERYWHERE(P104_PDU_HEADER)},
    {"a PDU of no known type", BYTES("\x55\0\0\0\0\0"), EVERYWHERE(P104_PDU_HEADER)},
    {"a PDU without room for a PDV", BYTES("\4\0\0\0\0\5"), EVERYWHERE(P104_FAULT_PDV_LENGTH)},
    {"a PDV beyond its PDU", BYTES("\4\0\0\0\0\7\0\0\0\4\1\3c"), EVERYWHERE(P104_FAULT_PDV_LENGTH)},
    {"a fragment on another context", BYTES(DATA_ON_3), EVERYWHERE(P104_FAULT_FRAGMENT)},
    {"a PDU over the maximum length", BYTES("\4\0\0\1\0\0"), EVERYWHERE(P104_FAULT_PDU_LENGTH)},
};

/* Before a command, inside one, behind one, inside a data set. */
static void places(place *at)
{
    uint8_t command[ROOM];
    size_t length = command_set(command, store_request(2, INSTANCE));
    memset(at, 0, 4 * sizeof *at);
    at[1].length = put_pdu(at[1].bytes, 1, COMMAND, command, length / 2);
    at[2].length = put_pdu(at[2].bytes, 1, LAST_COMMAND, command, length);
    at[3].length = at[2].length;
    memcpy(at[3].bytes, at[2].bytes, at[2].length);
    at[3].length += put_data(at[3].bytes + at[3].length, DATA, 'd', 100);
    at[2].broken = at[3].broken = 1;
}

static uint64_t broken(p104_spool *spool)
{
    p104_spool_counts counts;
    p104_spool_count(spool, &counts);
    return counts.broken;
}

/* One place and one ending, after an instance that is stored; cut: sent apart. */
static void check_return(p104_spool *spool, const place *before, const ending *after, int index, int cut)
{
    p104_run run;
    const uint8_t *data;
    uint64_t broken_before = broken(spool);
    association one = associate(spool, 1, (terms){.window = 3});
    p104_link_establish(one.link, 10000);
    if (cut)
        p104_intake_lend(one.intake, 0);
    transmit(one.peer, stream, message(stream, 1, INSTANCE, 'a', 100));
    transmit(one.peer, before->bytes, before->length);
    if (cut)
        CHECK(next_completion(spool).kind == P104_STORED);
    transmit(one.peer, (const uint8_t *)after->bytes, after->length);
    shutdown(one.peer, SHUT_WR);
    if (!cut) {
        p104_intake_lend(one.intake, 0);
        CHECK(next_completion(spool).kind == P104_STORED);
    }
    check_returned(one, P104_RETURN_OTHER);
    check_answer(one, 1, 0);
    int result = next_on(one, &run, &data);
    if (result != after->result[index]) {
        fprintf(stderr, "%s behind place %d: %d\n", after->name, index, result);
        CHECK(0);
    }
    CHECK(result != P104_PDU_HEADER || run.pdu_type == (uint8_t)after->bytes[0]);
    CHECK(files_in("parts") == 0 && named_files() == 1);
    CHECK(broken(spool) == broken_before + (uint64_t)before->broken && under_way(one) == 0 && counts_of(one).stored == 1);
    check_no_answer(one);
    dissociate(one);
}

static int test_every_ending_at_every_place(int durability)
{
    int cases = 0;
    place all[4];
    const ending no_command = {"a data set", BYTES(DATA_ON_1), EVERYWHERE(P104_FAULT_FRAGMENT)};
    const ending no_data_set = {"a command", BYTES(COMMAND_ON_1), EVERYWHERE(P104_FAULT_FRAGMENT)};
    p104_spool *spool = open_spool(durability, 2);
    places(all);
    for (size_t ending_at = 0; ending_at < sizeof ENDINGS / sizeof *ENDINGS; ending_at++)
        for (int index = 0; index < 4; index++, cases++)
            check_return(spool, &all[index], &ENDINGS[ending_at], index, (cases + durability) % 2);
    for (int index = 0; index < 2; index++, cases += 2) {
        check_return(spool, &all[index], &no_command, index, 0);
        check_return(spool, &all[2 + index], &no_data_set, 2 + index, 1);
    }
    p104_spool_close(spool);
    remove_files();
    return cases;
}

/* A whole command set that is not taken is put back, and given once. */
static void check_put_back(p104_spool *spool, const uint8_t *command, size_t length, uint8_t context_id,
                           size_t fragment)
{
    p104_run run;
    const uint8_t *data;
    association one = associate(spool, 1, (terms){0});
    size_t size = 0;
    for (size_t at = 0; at < length; at += fragment) {
        size_t part = length - at < fragment ? length - at : fragment;
        uint8_t control = at + part < length ? COMMAND : LAST_COMMAND;
        size += put_pdu(stream + size, context_id, control, command + at, part);
    }
    size += put_pdu(stream + size, 1, LAST_COMMAND, (const uint8_t *)"next", 4);
    transmit(one.peer, stream, size);
    p104_intake_lend(one.intake, 0);
    check_returned(one, P104_RETURN_OTHER);
    CHECK(p104_link_next(one.link, &run, &data) == P104_COMMAND && run.ends && run.context_id == context_id);
    CHECK(run.length == length && memcmp(data, command, length) == 0);
    CHECK(!p104_link_in_message(one.link)); /* no data set is expected before somebody says so */
    CHECK(p104_link_next(one.link, &run, &data) == P104_COMMAND && run.ends && run.length == 4);
    CHECK(memcmp(data, "next", 4) == 0);
    CHECK(p104_link_next(one.link, &run, &data) == P104_WOULD_BLOCK);
    CHECK(files_in("parts") == 0 && counts_of(one).failed == 0 && broken(spool) == 0);
    p104_intake_lend(one.intake, 0); /* and on it goes */
    CHECK(store_small(one, 1, 'a').kind == P104_STORED);
    finish(one);
}

static void test_commands_that_are_put_back(void)
{
    const struct {
        const char *name;
        command_fields fields;
        uint8_t context_id;
    } commands[] = {
        {"C-ECHO-RQ", {"1.2.840.10008.1.1", NULL, 0x30, 1, 0x101}, 1},
        {"a context that is not taken", {CLASS, INSTANCE, 1, 1, 1}, 3},
        {"another class than the context's", {"1.2.840.10008.5.1.4.1.1.4", INSTANCE, 1, 1, 1}, 1},
        {"a class that the context's begins with", {"1.2.840.10008.5.1.4.1.1", INSTANCE, 1, 1, 1}, 1},
        {"no class", {NULL, INSTANCE, 1, 1, 1}, 1},
        {"no instance", {CLASS, NULL, 1, 1, 1}, 1},
        {"an instance that is no UID", {CLASS, "../../etc/passwd", 1, 1, 1}, 1},
        {"no data set", {CLASS, INSTANCE, 1, 1, 0x101}, 1},
    };
    uint8_t bytes[ROOM];
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    for (size_t index = 0; index < sizeof commands / sizeof *commands; index++) {
        size_t length = command_set(bytes, commands[index].fields);
        check_put_back(spool, bytes, length, commands[index].context_id, ROOM);
        check_put_back(spool, bytes, length, commands[index].context_id, 7);
    }
    check_put_back(spool, (const uint8_t *)"what is this", 12, 1, ROOM);
    check_put_back(spool, (const uint8_t *)"c", 1, 255, ROOM);
    check_put_back(spool, (const uint8_t *)"even one that is shorter", 24, 0, ROOM);
    p104_spool_close(spool);
    remove_files();
}

/* Over 64 KiB without an end: what came so far is put back, and the rest follows it. */
static void test_a_command_without_end(void)
{
    enum { FRAGMENT = 16 * 1024, FRAGMENTS = 6 };
    static uint8_t bytes[FRAGMENT];
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association one = associate_and_lend(spool, 1, (terms){0});
    for (int index = 0; index < FRAGMENTS; index++) {
        memset(bytes, 'a' + index, FRAGMENT);
        transmit(one.peer, stream, put_pdu(stream, 1, index < FRAGMENTS - 1 ? COMMAND : LAST_COMMAND, bytes, FRAGMENT));
    }
    check_returned(one, P104_RETURN_OTHER);
    size_t got = 0;
    int runs = 0;
    for (int ends = 0; !ends;) {
        CHECK(next_on(one, &run, &data) == P104_COMMAND && run.context_id == 1);
        CHECK(runs++ > 0 || (run.length > 64 * 1024 && !run.ends));
        for (size_t at = 0; at < run.length; at++, got++)
            CHECK(data[at] == 'a' + got / FRAGMENT);
        ends = run.ends;
    }
    CHECK(got == FRAGMENTS * FRAGMENT);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* One that ends beyond that is not taken either, though it is a C-STORE-RQ. */
static void test_a_command_that_is_too_long(void)
{
    enum { FILLER = 66000, FRAGMENT = 60000 };
    static uint8_t bytes[FILLER + ROOM];
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association one = associate_and_lend(spool, 1, (terms){0});
    size_t length = command_set(bytes, store_request(1, INSTANCE));
    length += put_element(bytes + length, 0x0902, stream, FILLER);
    bytes[length - FILLER - 2] = 1; /* the length's third byte */
    transmit(one.peer, stream, put_pdu(stream, 1, COMMAND, bytes, FRAGMENT));
    transmit(one.peer, stream, put_pdu(stream, 1, LAST_COMMAND, bytes + FRAGMENT, length - FRAGMENT));
    check_returned(one, P104_RETURN_OTHER);
    for (size_t got = 0; got < length; got += run.length) {
        CHECK(next_on(one, &run, &data) == P104_COMMAND && memcmp(data, bytes + got, run.length) == 0);
        CHECK(run.ends == (got + run.length == length));
    }
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* A lent link that waits, for a command or inside a data set, and is broken off. */
static void test_interrupting(int durability, int inside)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(durability, 1);
    association one = associate_and_lend(spool, 1, (terms){0});
    if (inside) {
        size_t length = put_command(stream, store_request(1, INSTANCE));
        transmit(one.peer, stream, length + put_data(stream + length, DATA, 'd', 1000));
        UNTIL(files_in("parts") == 1);
    }
    p104_link_interrupt(one.link);
    shutdown(one.ours, SHUT_RD);
    check_returned(one, P104_RETURN_OTHER);
    CHECK(next_on(one, &run, &data) == P104_END_OF_STREAM);
    CHECK(files_in("parts") == 0 && named_files() == 0 && broken(spool) == (uint64_t)inside);
    check_no_answer(one);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* Though the peer sends without a pause, an interrupted link comes back. */
static void test_interrupting_a_busy_peer(size_t fragment)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association one = associate_and_lend(spool, 1, (terms){0});
    transmit(one.peer, stream, put_command(stream, store_request(1, INSTANCE)));
    size_t length = put_data(stream, DATA, 'd', fragment);
    size_t sent = 0;
    static p104_completion told;
    p104_link_interrupt(one.link); /* and the socket goes on */
    for (int64_t deadline = milliseconds() + PATIENCE; p104_spool_completions(spool, &told, sizeof told, 1).count == 0;) {
        CHECK(milliseconds() < deadline);
        struct pollfd writable = {.fd = one.peer, .events = POLLOUT};
        if (poll(&writable, 1, 1) != 1)
            continue;
        ssize_t went = send(one.peer, stream + sent, length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent = went > 0 ? (sent + (size_t)went) % length : sent;
    }
    CHECK(told.kind == P104_RETURNED && told.reason == P104_RETURN_OTHER && files_in("parts") == 0);
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* A full disk: nothing is taken but what is being received, and everything once there is room. */
static void test_refusing(int durability)
{
    p104_run run;
    const uint8_t *data;
    p104_spool *spool = open_spool(durability, 2);
    association one = associate_and_lend(spool, 1, (terms){.window = 2});
    size_t length = message(stream, 1, INSTANCE, 'a', 1000);
    transmit(one.peer, stream, length / 2);
    UNTIL(p104_link_received(one.link) > 0);
    UNTIL(files_in("parts") == 1);
    p104_spool_refuse(spool, 1);
    transmit(one.peer, stream + length / 2, length - length / 2);
    CHECK(next_completion(spool).kind == P104_STORED);
    transmit(one.peer, stream, message(stream, 2, INSTANCE, 'b', 1000));
    check_returned(one, P104_RETURN_OTHER);
    check_answer(one, 1, 0);
    check_no_answer(one);
    CHECK(next_on(one, &run, &data) == P104_COMMAND && run.ends && named_files() == 1);
    p104_link_expect_data_set(one.link);
    do
        CHECK(next_on(one, &run, &data) == P104_DATA_SET);
    while (!run.ends);
    p104_spool_refuse(spool, 0);
    p104_intake_lend(one.intake, 0);
    CHECK(store_small(one, 3, 'c').kind == P104_STORED && named_files() == 2);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    int cases = 0;
    test_commands_that_are_put_back();
    test_a_command_without_end();
    test_a_command_that_is_too_long();
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++) {
        cases += test_every_ending_at_every_place(durability);
        test_refusing(durability);
        test_interrupting(durability, 0);
        test_interrupting(durability, 1);
    }
    test_interrupting_a_busy_peer(100 * 1000); /* which is spliced */
    test_interrupting_a_busy_peer(4000);
    remove_folders();
    printf("test_intake_returns: %d cases\n", cases + 11);
    return 0;
}
