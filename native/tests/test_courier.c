/* The courier: what it sends of files, which responses it takes, and where it stops. Built with the calls of
 * failing_calls.h. */

#include <signal.h>
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

enum { ROOM = 2 * 1024 * 1024, META = 10, SEND_TIMEOUT = 120, LONG = 1024 * 1024 };

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

/* Returns how many were answered. */
static size_t windowed(pair made, p104_parcel *parcels, size_t count, p104_courier_terms terms, int end)
{
    int why = -1;
    size_t answered = 0;
    size_t begun = p104_courier(made.link, parcels, count, &terms, &why);
    CHECK(why == end && begun <= count);
    for (size_t index = 0; index < count; index++)
        answered += parcels[index].answered;
    return answered;
}

static size_t courier(pair made, p104_parcel *parcels, size_t count, uint32_t maximum, int end)
{
    p104_courier_terms terms = {maximum, 1, SEND_TIMEOUT, 60000};
    return windowed(made, parcels, count, terms, end);
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
        p104_parcel one = parcel_of(1, 'a', how < 3 ? 50 : 50000);
        if (how == 0)
            one.size++;
        else if (how == 1)
            one.modified++;
        else if (how == 2)
            one.path = "/nowhere/at/all";
        else if (how == 3)
            one.data_set_at = one.size + 1;
        else if (how == 4)
            one.command_length = 5000;
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
        pair made = how == 0 ? pair_new_tcp() : pair_new();
        p104_parcel one = parcel_of(1, 'a', how == 0 ? 16 * LONG : LONG);
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

static void respond_of(uint8_t *bytes, size_t *length, uint16_t message_id)
{
    *length += put_response_to(bytes + *length, INSTANCE, message_id, message_id);
}

/* Responses come in any order, and those after the first make room for further messages. */
static void test_several_are_outstanding(void)
{
    for (uint32_t window = 1; window < 8; window++) {
        pair made = pair_new();
        p104_parcel parcels[7];
        uint8_t bytes[7 * P104_RESPONSE_ROOM];
        size_t length = 0;
        for (int index = 0; index < 7; index++)
            parcels[index] = parcel_of(index + 1, 'a', index == 3 ? 50000 : 50);
        for (uint16_t id = (uint16_t)(window < 7 ? window : 7); id > 0; id--)
            respond_of(bytes, &length, id);
        for (uint16_t id = (uint16_t)(window + 1); id <= 7; id++)
            respond_of(bytes, &length, id);
        transmit(made.peer, bytes, length);
        p104_courier_terms terms = {0, window, SEND_TIMEOUT, 60000};
        CHECK(windowed(made, parcels, 7, terms, P104_COURIER_DONE) == 7);
        for (int index = 0; index < 7; index++)
            CHECK(parcels[index].status == index + 1);
        pair_free(made);
    }
}

static void test_the_window_is_kept(void)
{
    pair made = pair_new();
    p104_parcel parcels[5];
    for (int index = 0; index < 5; index++)
        parcels[index] = parcel_of(index + 1, 'a', 50);
    respond(made, 2, 0);
    p104_courier_terms terms = {0, 3, SEND_TIMEOUT, 60000};
    int end;
    size_t begun = p104_courier(made.link, parcels, 5, &terms, &end);
    CHECK(begun == 4 && end == P104_COURIER_RESPONSE);
    CHECK(parcels[1].answered && !parcels[0].answered && !parcels[2].answered && !parcels[3].answered);
    CHECK(received(made) == 4 * (parcels[0].command_length + 12 + 50));
    pair_free(made);
}

static void test_a_response_that_answers_nothing(void)
{
    static const uint16_t ids[] = {1, 4}; /* twice the same; to what was not sent */
    for (int which = 0; which < 2; which++) {
        pair made = pair_new();
        p104_parcel parcels[] = {parcel_of(1, 'a', 50), parcel_of(2, 'b', 50), parcel_of(3, 'c', 50),
                                 parcel_of(4, 'd', 50)};
        p104_courier_terms terms = {0, 2, SEND_TIMEOUT, 60000};
        p104_run run;
        const uint8_t *data;
        respond(made, 1, 0);
        respond(made, ids[which], 0);
        CHECK(windowed(made, parcels, 4, terms, P104_COURIER_RESPONSE) == 1);
        CHECK(p104_link_next(made.link, &run, &data) == P104_COMMAND);
        pair_free(made);
    }
}

static void test_time_is_up(void)
{
    pair made = pair_new();
    p104_parcel parcels[] = {parcel_of(1, 'a', 50), parcel_of(2, 'b', 50), parcel_of(3, 'c', 50000)};
    p104_courier_terms terms = {0, 1, SEND_TIMEOUT, -1};
    int end;
    respond(made, 1, 0);
    CHECK(p104_courier(made.link, parcels, 3, &terms, &end) == 1 && end == P104_COURIER_TIME && parcels[0].answered);
    respond(made, 2, 0);
    CHECK(p104_courier(made.link, parcels + 1, 2, &terms, &end) == 1 && end == P104_COURIER_TIME);
    respond(made, 3, 0);
    CHECK(p104_courier(made.link, parcels + 2, 1, &terms, &end) == 1 && end == P104_COURIER_DONE);
    pair_free(made);
}

/* A peer that reads length bytes and responds. Its exit code says whether they were those expected. */
static pid_t peer_that_expects(pair made, size_t length)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0)
        return child;
    ssize_t got = recv(made.peer, sent, length, MSG_WAITALL);
    respond(made, 1, 0);
    _exit(got != (ssize_t)length || memcmp(sent, expected, length) != 0);
}

/* A long message is the same whether its file can be sent from or is copied. */
static void check_long(size_t length, uint32_t maximum, size_t room, int error)
{
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', length);
    size_t at = one.command_length;
    size_t left = length + length % 2;
    memcpy(expected, one.command, at);
    while (left > 0) {
        size_t fragment = left < room ? left : room;
        left -= fragment;
        at += put_data(expected + at, left > 0 ? DATA : LAST_DATA, 'a', fragment);
    }
    if (length % 2)
        expected[at - 1] = 0;
    pid_t peer = peer_that_expects(made, at);
    if (error)
        arm("sendfile", 0, error);
    p104_courier_terms terms = {maximum, 1, 5000, 60000};
    int end;
    int status;
    CHECK(p104_courier(made.link, &one, 1, &terms, &end) == 1);
    disarm();
    CHECK(waitpid(peer, &status, 0) == peer && status == 0);
    pair_free(made);
}

static void test_a_file_that_cannot_be_sent_from(void)
{
    static const int errors[] = {EINVAL, ENOSYS, EINTR, 0};
    for (size_t which = 0; which < sizeof errors / sizeof *errors; which++) {
        check_long(100001, 40006, 40000, errors[which]);
        check_long(600001, 0, 256 * 1024 - 6, errors[which]);
        check_long(600001, 700000, 600002, errors[which]);
        check_long(1100000, 0xffffffff, 1024 * 1024 - 6, errors[which]);
    }
}

static void test_a_long_message_that_is_not_sent_whole(void)
{
    static const int errors[] = {COMES_SHORT, EPIPE}; /* the file ended while it was sent; the peer is gone */
    static const int ends[] = {P104_COURIER_CUT, P104_COURIER_BROKEN};
    for (int which = 0; which < 2; which++) {
        pair made = pair_new();
        p104_parcel one = parcel_of(1, 'a', 100000);
        arm("sendfile", 0, errors[which]);
        CHECK(courier(made, &one, 1, 0, ends[which]) == 0);
        CHECK(fault.failed);
        disarm();
        CHECK(received(made) > 0);
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
    while (length <= LONG && (got = recv(made.peer, sent, 50000, 0)) > 0) {
        length += (size_t)got; /* some headers, and all the data */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    respond(made, 1, 0);
    _exit(0);
}

static void test_a_peer_that_is_slow(void)
{
    pair made = pair_new();
    p104_parcel one = parcel_of(1, 'a', LONG);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        read_slowly(made);
    p104_courier_terms terms = {16384, 1, 5000, 60000};
    int end;
    CHECK(p104_courier(made.link, &one, 1, &terms, &end) == 1);
    CHECK(one.answered || end == P104_COURIER_RESPONSE); /* it may have taken long to respond */
    CHECK(waitpid(child, NULL, 0) == child);
    pair_free(made);
}

static void test_calls_that_fail(void)
{
    static const char *const calls[] = {"open", "fstat", "pread", "malloc"};
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
    one.answered = 0;
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
    arm("malloc", 1, ENOMEM);
    CHECK(courier(made, &one, 1, 0, P104_COURIER_RESPONSE) == 0);
    CHECK(fault.failed);
    disarm();
    CHECK(p104_link_next(made.link, &run, &data) == P104_FAULT_SOCKET);
    pair_free(made);
}

int main(void)
{
    CHECK(mkdtemp(folder) && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    test_files_are_sent_in_pdus_that_the_peer_receives();
    test_a_file_that_is_another_by_now_is_not_sent();
    test_the_first_that_is_not_plain_ends_it();
    test_what_is_no_plain_response_is_left();
    test_a_peer_that_goes_after_the_message();
    test_a_peer_that_is_gone();
    test_a_peer_that_takes_nothing();
    test_several_are_outstanding();
    test_the_window_is_kept();
    test_a_response_that_answers_nothing();
    test_time_is_up();
    test_a_file_that_cannot_be_sent_from();
    test_a_long_message_that_is_not_sent_whole();
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
    printf("test_courier: 17 cases\n");
    return 0;
}
