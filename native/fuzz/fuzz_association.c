/* Whatever a peer sends, however it is cut and whichever call fails: what the link, its intake and the spool take, leave
 * and answer is what one look at the whole stream tells; each instance that is answered with success stands whole under
 * its name, no other file does, and no part file is left.
 *
 * Input: eight bytes of terms, then the stream, from the A-ASSOCIATE-RQ on. Contexts are taken as the request proposes
 * them. The threads take turns in this one (turns.h). */

#include <unistd.h>

#include "fuzz.h"
#include "model.h"

#include "tests/turns.h"

#include "stored_files.h"

enum { TERMS = 8, INTAKE_ID = 7, ANSWERS = 4 << 20 };

/* What may fail. Not unlinkat, after which a part file is left until the next start: tests/test_failing_calls.c. */
static const struct {
    const char *name;
    int error;
} FAULTS[] = {
    {"malloc", ENOMEM}, {"calloc", ENOMEM}, {"realloc", ENOMEM}, {"openat", EMFILE}, {"openat", EIO},
    {"writev", ENOSPC}, {"writev", EINTR}, {"fdatasync", EIO}, {"fsync", EIO}, {"syncfs", EIO}, {"renameat2", EIO},
    {"renameat2", EINVAL}, {"renameat", EIO}, {"pread", EIO}, {"fstat", EIO}, {"splice", EIO}, {"recv", ECONNRESET},
    {"recv", EINTR}, {"epoll_ctl", ENOMEM}, {"close", EIO}, {"pipe2", EMFILE}, {"epoll_wait", EINTR},
    {"writev", COMES_SHORT}, {"pread", COMES_SHORT},
};
enum { FAULT_COUNT = sizeof FAULTS / sizeof *FAULTS };

typedef struct {
    int durability;
    int fed;   /* the link has no socket to receive from */
    int flags; /* of every context */
    int fault; /* which of FAULTS, counted from 1; 0: none */
    int fault_after;
    int give_up_at; /* which lending; 0: none */
    uint8_t cut;
    uint32_t window;
    uint32_t peer_maximum_length;
    uint32_t maximum_length;
    uint64_t maximum_size; /* 0: any */
} terms;

typedef struct {
    terms agreed;
    p104_spool *spool;
    p104_link *link;
    p104_intake *intake;
    int peer;
    int ours;
    int established;
    int lent;
    int lendings;
    int reason; /* why the link was returned */
    int ended; /* the peer sends no more */
    int over;  /* and we read no more */
    const stream_model *model;
    size_t next;           /* the model's message that comes next */
    size_t command_given;  /* bytes of it that the link gave */
    size_t data_set_given;
    size_t answered_length;
    size_t checked_length;       /* of the answers */
    uint8_t told[MESSAGES + 1];  /* the message was answered */
    stored_files stored;
    uint8_t answered[ANSWERS];
} session;

static terms terms_of(const uint8_t *data)
{
    return (terms){
        .durability = data[0] & 1,
        .fed = data[0] >> 1 & 1,
        .flags = (data[0] & 4 ? P104_OVERWRITE : 0) | (data[0] & 8 ? P104_EXPLICIT_VR : P104_IMPLICIT_VR),
        .window = 1 + (data[0] >> 4 & 7),
        .maximum_size = data[0] & 0x80 ? 1000 : 0,
        .cut = data[1],
        .fault = data[2] % (FAULT_COUNT + 1),
        .fault_after = data[3],
        .give_up_at = data[4],
        .peer_maximum_length = data[5] ? data[5] + (uint32_t)P104_SMALLEST_PDU : 0,
        .maximum_length = (uint32_t)(data[6] | data[7] << 8),
    };
}

/* ---- what the intake took ---- */

/* Whether the answer that came next is one to this message. Its length is *length then. */
static int is_answered(session *s, const message *sent, uint16_t status, size_t *length)
{
    uint8_t expected[P104_RESPONSE_ROOM];
    p104_uid sop_class = context_of(s->model, sent->context_id)->sop_class;
    p104_store_request request = {sop_class.bytes, sent->sop_instance.bytes, sop_class.length,
                                  sent->sop_instance.length, sent->message_id};
    *length = p104_encode_store_response(expected, sent->context_id, s->agreed.peer_maximum_length, &request, status);
    return s->answered_length - s->checked_length >= *length
        && memcmp(s->answered + s->checked_length, expected, *length) == 0;
}

/* The message that an answer was sent to: one of the window, for a failed instance waits for no barrier. */
static const message *answered_message(session *s, uint16_t status)
{
    size_t length;
    for (size_t at = s->next; at < s->next + s->agreed.window; at++) {
        const message *sent = &s->model->messages[at];
        HOLDS(at < s->model->count && sent->storable && sent->complete);
        if (s->told[at] || !is_answered(s, sent, status, &length))
            continue;
        s->checked_length += length;
        s->told[at] = 1;
        while (s->told[s->next])
            s->next++;
        return sent;
    }
    HOLDS(!"an answer to no message");
    return NULL;
}

static void take_told(session *s, const p104_completion *told)
{
    const message *sent = answered_message(s, told->status);
    HOLDS(told->bytes == sent->data_set_length);
    HOLDS(strlen(told->sop_instance) == sent->sop_instance.length);
    HOLDS(memcmp(told->sop_instance, sent->sop_instance.bytes, sent->sop_instance.length) == 0);
    if (told->kind == P104_STORED)
        take_stored(&s->stored, told, sent);
    else
        take_failed(&s->stored, told, sent);
}

static void lend(session *s)
{
    HOLDS(!s->lent);
    s->lent = 1;
    s->lendings++;
    p104_intake_lend(s->intake, s->lendings == s->agreed.give_up_at);
}

/* ---- what it left, read as the association reads it ---- */

static void establish(session *s)
{
    HOLDS(s->model->established);
    s->established = 1;
    p104_link_establish(s->link, s->agreed.maximum_length);
    for (int index = 0; index < CONTEXTS; index++) {
        const offered_context *context = &s->model->contexts[index];
        char sop_class[P104_UID_LENGTH + 1] = {0};
        char transfer_syntax[P104_UID_LENGTH + 1] = {0};
        if (!context->usable)
            continue;
        memcpy(sop_class, context->sop_class.bytes, context->sop_class.length);
        memcpy(transfer_syntax, context->transfer_syntax.bytes, context->transfer_syntax.length);
        if (p104_intake_allow(s->intake, (uint8_t)(2 * index + 1), sop_class, transfer_syntax, s->agreed.flags) < 0)
            s->over = 1;
    }
}

/* The message is past, or breaks the association. */
static void end_message(session *s, const message *sent)
{
    s->over |= !sent->readable;
    s->next++;
    s->command_given = s->data_set_given = 0;
}

static void take_command(session *s, const p104_run *run, const uint8_t *bytes)
{
    const message *sent = &s->model->messages[s->next];
    HOLDS(s->command_given + run->length <= sent->command_length && run->context_id == sent->context_id);
    HOLDS(run->length == 0 || memcmp(sent->command + s->command_given, bytes, run->length) == 0);
    s->command_given += run->length;
    s->over |= s->command_given > 64 * 1024;
    if (!run->ends)
        return;
    HOLDS(sent->has_command && s->command_given == sent->command_length);
    HOLDS(!sent->storable || s->reason == P104_RETURN_DUPLICATE || fault.failed);
    HOLDS(sent->storable || s->reason != P104_RETURN_DUPLICATE);
    if (sent->has_data_set)
        p104_link_expect_data_set(s->link);
    else
        end_message(s, sent);
}

static void take_data_set(session *s, const p104_run *run, const uint8_t *bytes)
{
    const message *sent = &s->model->messages[s->next];
    HOLDS(sent->has_data_set && s->data_set_given + run->length <= sent->data_set_length);
    HOLDS(run->length == 0 || memcmp(sent->data_set + s->data_set_given, bytes, run->length) == 0);
    s->data_set_given += run->length;
    if (!run->ends)
        return;
    HOLDS(s->data_set_given == sent->data_set_length);
    end_message(s, sent);
}

static void take_other(session *s, int found, const p104_run *run)
{
    if (!s->established && found == P104_PDU_HEADER) {
        s->over = run->pdu_type != 1 || run->pdu_length == 0;
    } else if (!s->established && found == P104_PDU_BODY) {
        if (run->ends)
            establish(s);
    } else if (found == P104_END_OF_STREAM || found == P104_FAULT_SOCKET) {
        HOLDS(found == P104_END_OF_STREAM ? s->ended : fault.failed);
        s->over = 1;
    } else { /* what ends the association, where it stands in the stream */
        HOLDS(s->next == s->model->count && found == s->model->ending);
        s->over = 1;
    }
}

static int is_between_messages(const session *s)
{
    return s->established && s->command_given == 0 && !p104_link_in_message(s->link);
}

/* Read on until the link is lent, or needs input. */
static void read_on(session *s)
{
    while (!s->over) {
        p104_run run;
        const uint8_t *bytes;
        int found = p104_link_next(s->link, &run, &bytes);
        if (found == P104_COMMAND)
            take_command(s, &run, bytes);
        else if (found == P104_DATA_SET)
            take_data_set(s, &run, bytes);
        else if (found != P104_WOULD_BLOCK)
            take_other(s, found, &run);
        if (!s->over && is_between_messages(s)) {
            lend(s);
            return;
        }
        if (found == P104_WOULD_BLOCK)
            return;
    }
}

/* ---- the course of it ---- */

static void take_answers(session *s)
{
    ssize_t got = read(s->peer, s->answered + s->answered_length, sizeof s->answered - s->answered_length);
    s->answered_length += got > 0 ? (size_t)got : 0;
}

static void take_returned(session *s, int reason)
{
    HOLDS(s->lent);
    HOLDS(s->agreed.fed || reason != P104_RETURN_BYTES);
    s->lent = 0;
    s->reason = reason;
    if (s->lendings == s->agreed.give_up_at)
        s->over = 1;
    else if (reason != P104_RETURN_BYTES)
        read_on(s);
}

/* Let the threads and the event loop do what there is to do. */
static void go_on(session *s)
{
    p104_completion room[8];
    run_threads(s->spool);
    take_answers(s);
    for (p104_taken taken; (taken = p104_spool_completions(s->spool, room, sizeof room, SIZE_MAX)).count > 0;) {
        const p104_completion *told = room;
        for (size_t index = 0; index < taken.count; index++) {
            if (told->kind == P104_RETURNED)
                take_returned(s, told->reason);
            else
                take_told(s, told);
            told = (const void *)((const uint8_t *)told + p104_completion_length(told));
        }
        run_threads(s->spool);
        take_answers(s);
    }
}

/* The peer's next bytes, or its end, are there for whoever has the link. */
static void input_came(session *s)
{
    if (!s->lent && (s->reason == P104_RETURN_BYTES || is_between_messages(s)))
        lend(s);
    else if (!s->lent)
        read_on(s);
    go_on(s);
}

static size_t deliver(session *s, const uint8_t *stream, size_t length)
{
    ssize_t taken = s->agreed.fed ? p104_link_feed(s->link, stream, length)
                                  : write(s->peer, stream, length);
    if (taken < 0) { /* no buffer could be had */
        HOLDS(s->agreed.fed && fault.failed);
        s->over = 1;
        return 0;
    }
    input_came(s);
    return (size_t)taken;
}

static void deliver_all(session *s, const uint8_t *stream, size_t length)
{
    cuts cut = cuts_of(s->agreed.cut);
    while (length > 0 && !s->over) {
        size_t taken = deliver(s, stream, next_piece(&cut, length));
        stream += taken;
        length -= taken;
    }
    s->ended = 1;
    if (s->agreed.fed)
        p104_link_end(s->link);
    else
        shutdown(s->peer, SHUT_WR);
    for (int round = 0; round < 2 && !s->over; round++) /* between messages, then at the end */
        input_came(s);
    HOLDS(s->over);
}

/* What is being received of a link that asked for bytes is broken off. */
static void finish(session *s)
{
    if (s->reason == P104_RETURN_BYTES && s->lendings != s->agreed.give_up_at) {
        s->agreed.give_up_at = s->lendings + 1;
        lend(s);
        go_on(s);
    }
}

static void check_counts(session *s)
{
    p104_intake_counts counts;
    p104_intake_count(s->intake, &counts);
    HOLDS(counts.under_way == 0 && !s->lent);
}

static int begin(session *s, const stream_model *model, terms agreed)
{
    int ends[2];
    memset(s, 0, offsetof(session, stored));
    s->agreed = agreed;
    s->model = model;
    s->spool = spool_of(agreed.durability);
    begin_files(&s->stored, model, s->spool, agreed.flags, agreed.window, agreed.maximum_size);
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    s->peer = ends[0];
    s->ours = ends[1];
    s->link = p104_link_new(agreed.fed ? -1 : s->ours, s->ours);
    s->intake = p104_intake_new(s->spool, s->link, INTAKE_ID, agreed.window, agreed.peer_maximum_length,
                                agreed.maximum_size, (const uint8_t *)CALLED, sizeof CALLED - 1, ORIGIN, sizeof ORIGIN);
    return s->link && s->intake;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static stream_model model;
    static session s;
    if (size < TERMS || size - TERMS > STREAM_LIMIT)
        return 0;
    terms agreed = terms_of(data);
    look_at_stream(&model, data + TERMS, size - TERMS, agreed.maximum_length);
    HOLDS(begin(&s, &model, agreed));
    if (agreed.fault)
        arm(FAULTS[agreed.fault - 1].name, agreed.fault_after, FAULTS[agreed.fault - 1].error);
    deliver_all(&s, data + TERMS, size - TERMS);
    disarm();
    finish(&s);
    HOLDS(s.answered_length == s.checked_length);
    check_counts(&s);
    check_files(&s.stored, s.next);
    fault.failed = 0;
    p104_intake_free(s.intake);
    p104_link_free(s.link);
    close(s.peer);
    close(s.ours);
    return 0;
}
