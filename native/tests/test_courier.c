/* The courier: what it sends of files, which responses it takes, and where it stops. Built with the calls of
 * failing_calls.h. */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "command.h"

#include "peer.h"

#include "courier.h"

#include "failing_calls.h"
#include "messages.h"

enum { ROOM = 2 * 1024 * 1024, META = 10, SEND_TIMEOUT = 120 };

static char folder[] = "/tmp/p104-courier-XXXXXX";
static uint8_t sent[ROOM];
static uint8_t expected[ROOM];
static uint8_t commands[16][256];

/* A file of META bytes and a data set of length bytes `fill`, as a parcel with message ID number. */
static p104_parcel parcel_of(int number, uint8_t fill, size_t length)
{
    static char paths[16][64];
    struct stat status;
    snprintf(paths[number], sizeof paths[number], "%s/%d", folder, number);
    FILE *file = fopen(paths[number], "wb");
    CHECK(file);
    for (size_t at = 0; at < META + length; at++)
        CHECK(fputc(at < META ? 'm' : fill, file) != EOF);
    CHECK(fclose(file) == 0 && stat(paths[number], &status) == 0);
    return (p104_parcel){
        .path = paths[number],
        .size = status.st_size,
        .modified = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec,
        .data_set_at = META,
        .command = commands[number],
        .command_length = put_command(commands[number], store_request((uint16_t)number, INSTANCE)),
        .sop_instance = (const uint8_t *)INSTANCE,
        .sop_instance_length = strlen(INSTANCE),
        .message_id = (uint16_t)number,
        .context_id = 1,
    };
}

static size_t put_response_to(uint8_t *out, const char *instance, uint16_t message_id, uint16_t status)
{
    p104_store_request request = {(const uint8_t *)CLASS, (const uint8_t *)instance, strlen(CLASS), strlen(instance),
                                  message_id};
    return p104_encode_store_response(out, 1, 0, &request, status);
}

static void respond(pair made, uint16_t message_id, uint16_t status)
{
    uint8_t bytes[P104_RESPONSE_ROOM];
    transmit(made.peer, bytes, put_response_to(bytes, INSTANCE, message_id, status));
}

/* What the peer has received by now. */
static size_t received(pair made)
{
    size_t length = 0;
    ssize_t got;
    while ((got = recv(made.peer, sent + length, sizeof sent - length, MSG_DONTWAIT)) > 0)
        length += (size_t)got;
    return length;
}

static size_t courier(pair made, p104_parcel *parcels, size_t count, uint32_t maximum, int end)
{
    int why = -1;
    size_t done = p104_courier(made.link, parcels, count, maximum, SEND_TIMEOUT, &why);
    CHECK(why == end);
    return done;
}

static void test_files_are_sent_in_pdus_that_the_peer_receives(void)
{
    static const size_t lengths[] = {0, 1, 2, 100, 101, 1000};
    static const uint32_t maxima[] = {0, 8, 9, 106, 107, 108, 1006, 0xffffffff};
    for (size_t which = 0; which < sizeof maxima / sizeof *maxima; which++) {
        pair made = pair_new();
        p104_parcel parcels[6];
        size_t at = 0;
        for (int index = 0; index < 6; index++) {
            size_t left = lengths[index] + lengths[index] % 2;
            size_t room = maxima[which] && maxima[which] < 5000 ? (maxima[which] - 6) & ~1u : 5000;
            parcels[index] = parcel_of(index + 1, (uint8_t)index, lengths[index]);
            respond(made, (uint16_t)(index + 1), (uint16_t)(0xb000 + index));
            memcpy(expected + at, parcels[index].command, parcels[index].command_length);
            at += parcels[index].command_length;
            do {
                size_t fragment = left < room ? left : room;
                left -= fragment;
                at += put_data(expected + at, left == 0 ? LAST_DATA : DATA, (uint8_t)index, fragment);
            } while (left > 0);
            if (lengths[index] % 2)
                expected[at - 1] = 0;
        }
        CHECK(courier(made, parcels, 6, maxima[which], P104_COURIER_DONE) == 6);
        CHECK(received(made) == at && memcmp(sent, expected, at) == 0);
        for (int index = 0; index < 6; index++)
            CHECK(parcels[index].status == 0xb000 + index);
        pair_free(made);
    }
}

static void test_a_file_that_is_another_by_now_is_not_sent(void)
{
    pair made = pair_new();
    for (int how = 0; how < 6; how++) {
        p104_parcel one = parcel_of(1, 'a', 50);
        if (how == 0)
            one.size++;
        else if (how == 1)
            one.modified++;
        else if (how == 2)
            one.path = "/nowhere/at/all";
        else if (how == 3)
            one.data_set_at = one.size + 1;
        else if (how == 4)
            one.size = one.data_set_at + P104_COURIER_LONGEST + 1;
        else
            one.path = folder;
        CHECK(courier(made, &one, 1, 0, P104_COURIER_FILE) == 0);
        CHECK(received(made) == 0);
    }
    pair_free(made);
}

static void test_the_first_that_is_not_plain_ends_it(void)
{
    pair made = pair_new();
    p104_parcel parcels[] = {parcel_of(1, 'a', 50), parcel_of(2, 'b', 50), parcel_of(3, 'c', 50)};
    respond(made, 1, 0);
    parcels[1].size++;
    CHECK(courier(made, parcels, 3, 0, P104_COURIER_FILE) == 1);
    CHECK(parcels[0].status == 0);
    pair_free(made);
}

/* The courier leaves the link before bytes that the peer sent instead of a plain response to message 1. */
static void check_left(const uint8_t *bytes, size_t length, int result)
{
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', 50);
    p104_run run;
    const uint8_t *data;
    transmit(made.peer, bytes, length);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_RESPONSE) == 0);
    CHECK(received(made) > 0);
    CHECK(p104_link_next(made.link, &run, &data) == result);
    if (result == P104_COMMAND)
        CHECK(run.length == length - 12 && memcmp(data, bytes + 12, run.length) == 0);
    pair_free(made);
}

static void test_what_is_no_plain_response_is_left(void)
{
    uint8_t bytes[P104_RESPONSE_ROOM];
    check_left(bytes, put_response_to(bytes, INSTANCE, 2, 0), P104_COMMAND);
    check_left(bytes, put_response_to(bytes, "1.2.4", 1, 0), P104_COMMAND);
    check_left(bytes, put_response_to(bytes, "1.2.34", 1, 0), P104_COMMAND);
    size_t length = put_response_to(bytes, INSTANCE, 1, 0);
    bytes[10] = 3; /* another presentation context */
    check_left(bytes, length, P104_COMMAND);
    bytes[10] = 1;
    bytes[11] = 1; /* and more of it to come */
    check_left(bytes, length, P104_COMMAND);
    check_left((const uint8_t[]){7, 0, 0, 0, 0, 4, 0, 0, 2, 1}, 10, P104_PDU_HEADER);
    check_left((const uint8_t[]){4, 0, 0, 0, 0, 3, 0, 0, 0}, 9, P104_FAULT_PDV_LENGTH);
    check_left(bytes, 5, P104_WOULD_BLOCK); /* the rest does not come soon */
    check_left(bytes, 0, P104_WOULD_BLOCK);
}

static void test_a_peer_that_goes_after_the_message(void)
{
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', 50);
    CHECK(shutdown(made.peer, SHUT_WR) == 0);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_RESPONSE) == 0);
    pair_free(made);
}

static void test_a_peer_that_is_gone(void)
{
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', 50);
    CHECK(shutdown(made.peer, SHUT_RDWR) == 0);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_BROKEN) == 0);
    pair_free(made);
}

static void test_a_peer_that_takes_nothing(void)
{
    for (int how = 0; how < 3; how++) {
        pair made = pair_new();
        p104_parcel one = parcel_of(1, 'a', P104_COURIER_LONGEST);
        uint8_t bytes[P104_RESPONSE_ROOM];
        if (how == 1)
            p104_link_interrupt(made.link);
        else if (how == 2)
            transmit(made.peer, bytes, put_response_to(bytes, INSTANCE, 1, 0));
        CHECK(courier(made, &one, 1, 0, how == 1 ? P104_COURIER_BROKEN : P104_COURIER_STUCK) == 0);
        CHECK(p104_link_unsent(made.link) == 0);
        pair_free(made);
    }
}

static void test_what_is_queued_goes_first(void)
{
    static uint8_t much[200 * 1024];
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', 50);
    CHECK(p104_link_send(made.link, much, sizeof much) == 0);
    CHECK(p104_link_send(made.link, much, sizeof much) == 0);
    CHECK(p104_link_unsent(made.link) > 0);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_STUCK) == 0);
    CHECK(received(made) > 0 && p104_link_flush(made.link) == 0);
    respond(made, 1, 0);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_DONE) == 1);
    pair_free(made);
}

static void read_slowly(pair made)
{
    size_t length = 0;
    ssize_t got;
    while (length <= P104_COURIER_LONGEST && (got = recv(made.peer, sent, 50000, 0)) > 0) {
        length += (size_t)got; /* some headers, and all the data */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    respond(made, 1, 0);
    _exit(0);
}

static void test_a_peer_that_is_slow(void)
{
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', P104_COURIER_LONGEST);
    int end;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        read_slowly(made);
    size_t done = p104_courier(made.link, &one, 1, 16384, 5000, &end);
    CHECK(done == 1 || end == P104_COURIER_RESPONSE); /* it may have taken long to respond */
    CHECK(waitpid(child, NULL, 0) == child);
    pair_free(made);
}

static void test_calls_that_fail(void)
{
    static const char *const calls[] = {"open", "fstat", "pread", "realloc"};
    for (size_t which = 0; which < sizeof calls / sizeof *calls; which++) {
        pair made = pair_new();
        p104_parcel one = parcel_of(1, 'a', 50);
        arm(calls[which], 0, ENOMEM);
        CHECK(courier(made, &one, 1, 0, P104_COURIER_FILE) == 0);
        CHECK(fault.failed);
        disarm();
        pair_free(made);
    }
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', 50);
    respond(made, 1, 0);
    arm("pread", 0, EINTR);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_DONE) == 1);
    disarm();
    arm("send", 0, EPIPE);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_BROKEN) == 0);
    disarm();
    pair_free(made);
}

/* Where it cannot be put back, nothing more is believed of the peer. */
static void test_what_cannot_be_put_back(void)
{
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', 50);
    p104_run run;
    const uint8_t *data;
    respond(made, 2, 0);
    arm("malloc", 0, ENOMEM);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_RESPONSE) == 0);
    CHECK(fault.failed);
    disarm();
    CHECK(p104_link_next(made.link, &run, &data) == P104_FAULT_SOCKET);
    pair_free(made);
}

int main(void)
{
    CHECK(mkdtemp(folder));
    test_files_are_sent_in_pdus_that_the_peer_receives();
    test_a_file_that_is_another_by_now_is_not_sent();
    test_the_first_that_is_not_plain_ends_it();
    test_what_is_no_plain_response_is_left();
    test_a_peer_that_goes_after_the_message();
    test_a_peer_that_is_gone();
    test_a_peer_that_takes_nothing();
    test_what_is_queued_goes_first();
    test_a_peer_that_is_slow();
    test_calls_that_fail();
    test_what_cannot_be_put_back();
    for (int number = 0; number < 16; number++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%d", folder, number);
        unlink(path);
    }
    CHECK(rmdir(folder) == 0);
    printf("test_courier: 11 cases\n");
    return 0;
}
