/* What the event loop is told, when, and in which order. One I/O thread, which a name that is given may hold: what it
 * told before is all that can have been told. */

#include "name_calls.h"

enum { NOTICE_LIMIT = 16 * 1024 };

static const char *numbered(int number)
{
    static char instance[20];
    snprintf(instance, sizeof instance, "1.2.%d", 100000 + number);
    return instance;
}

static size_t messages(uint8_t *out, int count)
{
    size_t length = 0;
    for (int index = 0; index < count; index++)
        length += message(out + length, (uint16_t)index, numbered(index), 'm', 2);
    return length;
}

/* An association that is lent with count messages at hand, behind which it is told to hold the thread. */
static association lend_with(p104_spool *spool, uint64_t id, int count, int hold_at)
{
    association one = associate(spool, id, (terms){0});
    hold_after(hold_at);
    size_t length = messages(stream, count);
    CHECK(p104_link_feed(one.link, stream, length) == (long)length);
    p104_intake_lend(one.intake, 0);
    return one;
}

static void check_stored(p104_spool *spool, int from, int to)
{
    for (int index = from; index < to; index++) {
        p104_completion told = next_completion(spool);
        CHECK(told.kind == P104_STORED && strcmp(told.sop_instance, numbered(index)) == 0);
    }
}

/* A single one waits for others, and not for ever. */
static void test_one_that_is_stored_is_told_after_some_time(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    int64_t start = milliseconds();
    association one = lend_with(spool, 1, 1, -1);
    CHECK(event_within(spool, PATIENCE));
    CHECK(milliseconds() - start >= 4);
    check_stored(spool, 0, 1);
    CHECK(!event_within(spool, 0));
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

static void test_many_that_are_stored_are_told_at_once(void)
{
    enum { TELL_FROM = 128 };
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association one = lend_with(spool, 1, TELL_FROM + 1, TELL_FROM);
    wait_for(&held);
    CHECK(event_within(spool, PATIENCE));
    check_stored(spool, 0, TELL_FROM);
    sem_post(&let_go);
    check_stored(spool, TELL_FROM, TELL_FROM + 1);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

/* However busy the thread is, what it stored is told when some milliseconds have passed. */
static void test_a_busy_thread_tells_too(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    atomic_store(&slow_name, 1);
    association one = lend_with(spool, 1, 3, 2);
    wait_for(&held);
    CHECK(event_within(spool, PATIENCE));
    check_stored(spool, 0, 2);
    atomic_store(&slow_name, 0);
    sem_post(&let_go);
    check_stored(spool, 2, 3);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

static void test_a_failure_is_told_at_once(void)
{
    char name[100];
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    snprintf(name, sizeof name, "instances/%.2s/%s.dcm", name_of(numbered(0)), name_of(numbered(0)));
    CHECK(symlink("elsewhere", below(name)) == 0);
    association one = lend_with(spool, 1, 2, 1);
    wait_for(&held);
    CHECK(event_within(spool, PATIENCE));
    p104_completion told = next_completion(spool);
    CHECK(told.kind == P104_FAILED && told.error == ELOOP && told.status == 0x0110);
    sem_post(&let_go);
    check_stored(spool, 1, 2);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

static void test_a_return_is_told_at_once(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association returned = associate(spool, 1, (terms){0});
    CHECK(p104_link_feed(returned.link, (const uint8_t *)"\5\0\0\0\0\4\0\0\0\0", 10) == 10);
    p104_intake_lend(returned.intake, 0);
    association one = lend_with(spool, 2, 1, 0);
    wait_for(&held);
    CHECK(event_within(spool, PATIENCE));
    check_returned(returned, P104_RETURN_OTHER);
    sem_post(&let_go);
    check_stored(spool, 0, 1);
    dissociate(returned);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

static const p104_completion *following(const p104_completion *told)
{
    return (const void *)((const uint8_t *)told + p104_completion_length(told));
}

/* The link's return is the last that is told, and everything by one wake-up. */
static void test_order_and_wake_ups(void)
{
    enum { MESSAGES = 10 };
    static p104_completion room[4];
    uint64_t wake_ups;
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    association one = associate(spool, 9, (terms){0});
    size_t length = messages(stream, MESSAGES);
    memcpy(stream + length, "\5\0\0\0\0\4\0\0\0\0", 10);
    CHECK(p104_link_feed(one.link, stream, length + 10) == (long)length + 10);
    p104_intake_lend(one.intake, 0);
    CHECK(event_within(spool, PATIENCE));
    CHECK(read(p104_spool_event_fd(spool), &wake_ups, sizeof wake_ups) == sizeof wake_ups && wake_ups == 1);
    int count = 0;
    while (count < MESSAGES + 1) { /* on a slow machine some are told later */
        p104_taken got = p104_spool_completions(spool, room, sizeof room, 4);
        CHECK(got.length < sizeof room && got.count <= 4 && (got.count > 0 || event_within(spool, PATIENCE)));
        const p104_completion *told = room;
        for (size_t index = 0; index < got.count; index++, count++, told = following(told)) {
            CHECK(told->id == 9 && told->kind == (count < MESSAGES ? P104_STORED : P104_RETURNED));
            CHECK(strcmp(told->called, told->kind == P104_STORED ? "PORT104" : "") == 0);
            CHECK(count == MESSAGES || strcmp(told->sop_instance, numbered(count)) == 0);
        }
        CHECK((const uint8_t *)told == (const uint8_t *)room + got.length);
        CHECK(got.awaited == (count > MESSAGES) && got.stored == got.count - got.awaited);
    }
    CHECK(p104_spool_completions(spool, room, sizeof room, 4).count == 0 && !event_within(spool, 0));
    dissociate(one);
    p104_spool_close(spool);
    remove_files();
}

/* Send what the socket takes, and count the responses' bytes, once it is ready for either. What the responses'
 * side did not take waits for the event loop. */
static void pump(association one, const uint8_t *bytes, size_t length, size_t *sent, size_t *answered)
{
    static uint8_t answers[64 * 1024];
    struct pollfd either = {.fd = one.peer, .events = *sent < length ? POLLIN | POLLOUT : POLLIN};
    CHECK(p104_link_flush(one.link) >= 0);
    CHECK(poll(&either, 1, PATIENCE) == 1);
    ssize_t went = *sent < length ? send(one.peer, bytes + *sent, length - *sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    ssize_t came = recv(one.peer, answers, sizeof answers, MSG_DONTWAIT);
    *sent += went > 0 ? (size_t)went : 0;
    *answered += came > 0 ? (size_t)came : 0;
}

/* An event loop that does not ask stops the threads: they wait, and nothing is lost. All fail, which is quick. */
static void test_the_limit_of_what_is_kept(void)
{
    enum { MESSAGES = NOTICE_LIMIT + 300 };
    uint8_t response[P104_RESPONSE_ROOM];
    p104_store_request request = {(const uint8_t *)CLASS, (const uint8_t *)numbered(0), strlen(CLASS),
                                  strlen(numbered(0)), 0};
    size_t one_answer = p104_encode_store_response(response, 1, 0, &request, 0x0110);
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 1);
    CHECK(rmdir(below("parts")) == 0);
    association one = associate_and_lend(spool, 1, (terms){0});
    size_t length = messages(stream, MESSAGES);
    size_t sent = 0;
    size_t answered = 0;
    while (answered < (NOTICE_LIMIT + 1) * one_answer)
        pump(one, stream, length, &sent, &answered);
    association other = associate_and_lend(spool, 2, (terms){0}); /* its turn comes when the thread waits */
    while (sent < length)
        pump(one, stream, length, &sent, &answered);
    transmit(other.peer, (const uint8_t *)"\5\0\0\0\0\4\0\0\0\0", 10);
    UNTIL(p104_link_received(other.link) == 10);
    CHECK(answered == (NOTICE_LIMIT + 1) * one_answer); /* the last one is answered, and waits to be told */
    check_no_answer(one);
    CHECK(counts_of(one).failed == NOTICE_LIMIT && under_way(one) == 1);
    int returned = 0;
    for (int index = 0; index < MESSAGES;) {
        p104_completion told = next_completion(spool);
        returned += told.id == 2 && told.kind == P104_RETURNED;
        if (told.id == 2)
            continue;
        CHECK(told.kind == P104_FAILED && told.error == ENOENT);
        CHECK(strcmp(told.sop_instance, numbered(index++)) == 0);
    }
    CHECK(returned == 1);
    dissociate(other);
    while (answered < MESSAGES * one_answer)
        pump(one, stream, length, &sent, &answered);
    CHECK(counts_of(one).failed == MESSAGES && under_way(one) == 0);
    finish(one);
    p104_spool_close(spool);
    remove_files();
}

int main(void)
{
    CHECK(mkdtemp(root));
    prepare_to_hold();
    test_one_that_is_stored_is_told_after_some_time();
    test_many_that_are_stored_are_told_at_once();
    test_a_busy_thread_tells_too();
    test_a_failure_is_told_at_once();
    test_a_return_is_told_at_once();
    test_order_and_wake_ups();
    test_the_limit_of_what_is_kept();
    remove_folders();
    printf("test_completions: 7 cases\n");
    return 0;
}
