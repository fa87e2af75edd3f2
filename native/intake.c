/* intake.c - see intake.h. What a thread does with one association, turn by turn.
 *
 * Rules:
 * - An intake is in the hands of one thread at a time, of the event loop, or of nobody: then its socket is
 *   watched, or it waits for what is under way. Whoever gives it away touches it no more.
 * - A link is returned only when nothing is under way on it, so that answers keep their order; but for a
 *   link that asks for bytes. */

#include "spool_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* A command set is a few hundred bytes; a longer one than this is the association's to refuse. */
    COMMAND_LIMIT = 64 * 1024,
    /* Enough for what is at the beginning of any message; a large data set's rest is better spliced. */
    FIRST_RECEIVE = 32 * 1024,
};

/* What a turn ended with. */
enum outcome {
    GO_ON,
    WATCH,     /* no byte is there, or others have their turn first */
    DISK,      /* what follows may wait for the disk, and this thread may not */
    GIVEN_AWAY /* it waits, or is returned */
};

/* ---- life ---- */

p104_intake *p104_intake_new(p104_spool *spool, p104_link *link, uint64_t id, uint32_t window,
                             uint32_t peer_maximum_length, uint64_t maximum_size, const uint8_t *called,
                             size_t called_length, const uint8_t *origin, size_t origin_length)
{
    p104_intake *intake = calloc(1, sizeof *intake);
    uint16_t *message_ids = calloc(window, sizeof *message_ids);
    if (!intake || !message_ids) {
        free(intake);
        free(message_ids);
        return NULL;
    }
    intake->spool = spool;
    intake->link = link;
    intake->id = id;
    intake->window = window;
    intake->settled_end = &intake->settled;
    intake->message_ids = message_ids;
    intake->peer_maximum_length = peer_maximum_length;
    intake->maximum_size = maximum_size ? maximum_size : UINT64_MAX;
    memcpy(intake->called, called, called_length);
    intake->called_length = called_length;
    memcpy(intake->origin, origin, origin_length);
    intake->origin_length = origin_length;
    return intake;
}

void p104_intake_free(p104_intake *intake)
{
    for (int index = 0; index < P104_CONTEXTS; index++)
        free(intake->contexts[index]);
    free(intake->command);
    free(intake->message_ids);
    free(intake);
}

int p104_intake_allow(p104_intake *intake, uint8_t context_id, const char *sop_class,
                      const char *transfer_syntax, int flags)
{
    size_t class_length = strlen(sop_class);
    size_t syntax_length = strlen(transfer_syntax);
    p104_context *context = malloc(sizeof *context + class_length + syntax_length);
    if (!context)
        return -1;
    context->id = context_id;
    context->flags = flags;
    memcpy(context->memory, sop_class, class_length);
    memcpy(context->memory + class_length, transfer_syntax, syntax_length);
    context->sop_class = (p104_uid){context->memory, class_length};
    context->transfer_syntax = (p104_uid){context->memory + class_length, syntax_length};
    free(intake->contexts[context_id / 2]);
    intake->contexts[context_id / 2] = context;
    return 0;
}

void p104_intake_lend(p104_intake *intake, int give_up)
{
    intake->give_up = give_up;
    intake->returning = 0;
    intake->followed = 0;
    if (give_up || !p104_link_receives(intake->link) || p104_link_at_hand(intake->link) > 0)
        p104_give_work(intake);
    else
        p104_watch(intake);
}

void p104_intake_count(p104_intake *intake, p104_intake_counts *out)
{
    pthread_mutex_lock(&intake->spool->lock);
    *out = intake->counts;
    pthread_mutex_unlock(&intake->spool->lock);
}

/* ---- what is under way ---- */

/* Leave the intake alone until no more than resume_at are under way. 0: that is so already. */
static int wait_for_answers(p104_intake *intake, uint32_t resume_at)
{
    pthread_mutex_lock(&intake->spool->lock);
    int waits = intake->counts.under_way > resume_at;
    intake->waits = waits;
    intake->resume_at = resume_at;
    pthread_mutex_unlock(&intake->spool->lock);
    return waits;
}

static int is_under_way(p104_intake *intake, uint16_t message_id)
{
    int found = 0;
    pthread_mutex_lock(&intake->spool->lock);
    for (uint32_t index = 0; index < intake->unanswered; index++)
        found |= intake->message_ids[index] == message_id;
    pthread_mutex_unlock(&intake->spool->lock);
    return found;
}

/* Returns how many were not answered before it. */
static uint32_t set_under_way(p104_intake *intake, uint16_t message_id)
{
    pthread_mutex_lock(&intake->spool->lock);
    uint32_t before = intake->unanswered;
    intake->message_ids[intake->unanswered++] = message_id;
    intake->counts.under_way++;
    pthread_mutex_unlock(&intake->spool->lock);
    return before;
}

void p104_intake_forget(const p104_store *store)
{
    p104_intake *intake = store->intake;
    uint32_t index = 0;
    pthread_mutex_lock(&intake->spool->lock);
    while (intake->message_ids[index] != store->message_id)
        index++;
    intake->message_ids[index] = intake->message_ids[--intake->unanswered];
    pthread_mutex_unlock(&intake->spool->lock);
}

static void count(p104_intake_counts *counts, const p104_store *store)
{
    if (store->error) {
        counts->failed++;
        return;
    }
    counts->stored++;
    counts->duplicates += store->part.duplicate != 0;
    counts->bytes += store->received;
}

p104_intake *p104_intake_settle(const p104_store *store)
{
    p104_intake *intake = store->intake;
    count(&intake->counts, store);
    intake->counts.under_way--;
    if (!intake->waits || intake->counts.under_way > intake->resume_at)
        return NULL;
    intake->waits = 0;
    return intake;
}

/* ---- answers that go together ---- */

void p104_intake_answer(p104_intake *intake)
{
    p104_store *first = intake->settled;
    if (!first)
        return;
    intake->settled = NULL;
    intake->settled_end = &intake->settled;
    intake->settled_count = 0;
    p104_answer(intake->spool, first);
}

/* Answer a store soon: at once, but where the next message is at hand already, and the peer has others to wait for. */
static void answer_soon(p104_intake *intake, p104_store *store)
{
    store->next = NULL;
    *intake->settled_end = store;
    intake->settled_end = &store->next;
    intake->settled_count++;
    if (!intake->followed || intake->settled_count >= P104_TOGETHER || intake->settled_count >= intake->window / 2)
        p104_intake_answer(intake);
}

/* ---- giving the link back ---- */

static enum outcome give_back(p104_intake *intake, int reason)
{
    p104_intake_answer(intake);
    intake->returning = 1;
    intake->reason = reason;
    if (reason != P104_RETURN_BYTES && wait_for_answers(intake, 0))
        return GIVEN_AWAY;
    p104_unwatch(intake);
    p104_tell_returned(intake->spool, intake);
    return GIVEN_AWAY;
}

/* No byte is at hand and none is there. */
static enum outcome want_bytes(p104_intake *intake)
{
    if (p104_link_receives(intake->link))
        return WATCH;
    p104_link_rest(intake->link);
    return give_back(intake, P104_RETURN_BYTES);
}

static enum outcome break_off(p104_intake *intake)
{
    if (intake->store) {
        p104_part_discard(&intake->store->part);
        p104_store_free(intake->store);
        intake->store = NULL;
        pthread_mutex_lock(&intake->spool->lock);
        intake->spool->counts.broken++;
        pthread_mutex_unlock(&intake->spool->lock);
    }
    return give_back(intake, P104_RETURN_OTHER);
}

/* ---- commands ---- */

static int append_command(p104_intake *intake, const uint8_t *bytes, size_t length)
{
    size_t need = intake->command_length + length;
    if (need > intake->command_size) {
        uint8_t *larger = realloc(intake->command, need);
        if (!larger)
            return -1;
        intake->command = larger;
        intake->command_size = need;
    }
    memcpy(intake->command + intake->command_length, bytes, length);
    intake->command_length = need;
    return 0;
}

static const p104_context *context_of(const p104_intake *intake, uint8_t id, const p104_store_request *request)
{
    const p104_context *context = intake->contexts[id / 2];
    int taken = context && context->id == id && context->sop_class.length == request->sop_class_length
        && memcmp(context->sop_class.bytes, request->sop_class, request->sop_class_length) == 0;
    return taken ? context : NULL;
}

/* Whether the peer uses the ID of a message that was not answered when it sent this one. */
static int is_in_use(p104_intake *intake, uint16_t message_id)
{
    int followed = intake->followed;
    intake->followed = 0;
    return (followed && message_id == intake->followed_id) || is_under_way(intake, message_id);
}

/* Begin to take the instance that a whole command set announces. Returns a reason to give the link
 * back, or -1. */
static int judge(p104_intake *intake, uint8_t context_id, const uint8_t *bytes, size_t length)
{
    p104_store_request request;
    if (!p104_read_store_request(bytes, length, &request))
        return P104_RETURN_OTHER;
    const p104_context *context = context_of(intake, context_id, &request);
    if (!context || atomic_load_explicit(&intake->spool->refuses, memory_order_relaxed))
        return P104_RETURN_OTHER;
    if (is_in_use(intake, request.message_id))
        return P104_RETURN_DUPLICATE;
    intake->store = p104_store_new(intake, context, &request);
    if (!intake->store)
        return P104_RETURN_OTHER;
    p104_link_expect_data_set(intake->link);
    return -1;
}

/* A command set is lost: nothing behind it can be understood. */
static enum outcome run_out_of_memory(p104_intake *intake)
{
    p104_link_fail(intake->link, ENOMEM);
    return give_back(intake, P104_RETURN_OTHER);
}

/* Take a run of a command set. */
static enum outcome take_command(p104_intake *intake, const p104_run *run, const uint8_t *data)
{
    size_t length = run->length;
    int reason = P104_RETURN_OTHER;
    if (intake->command_length > 0 || !run->ends) {
        if (append_command(intake, data, length) < 0)
            return run_out_of_memory(intake);
        data = intake->command;
        length = intake->command_length;
        if (!run->ends && length <= COMMAND_LIMIT)
            return GO_ON;
    }
    if (run->ends && length <= COMMAND_LIMIT)
        reason = judge(intake, run->context_id, data, length);
    intake->command_length = 0;
    if (reason < 0)
        return GO_ON;
    if (p104_link_hold(intake->link, data, length, run->context_id, run->ends) < 0)
        return run_out_of_memory(intake);
    return give_back(intake, reason);
}

/* Scan on for a command set, receiving where this turn has not received yet. */
static enum outcome next_command(p104_intake *intake, int *received)
{
    p104_run run;
    const uint8_t *data;
    p104_link *link = intake->link;
    int result = p104_link_next_of(link, P104_COMMAND, &run, &data);
    if (result == P104_COMMAND)
        return take_command(intake, &run, data);
    if (result != P104_NEED_INPUT)
        return give_back(intake, P104_RETURN_OTHER);
    p104_intake_answer(intake);
    if (!p104_link_receives(link))
        return want_bytes(intake);
    if (*received)
        return WATCH;
    *received = 1;
    long got = p104_link_receive(link, FIRST_RECEIVE);
    if (got < 0)
        return give_back(intake, P104_RETURN_OTHER);
    return got > 0 ? GO_ON : WATCH;
}

/* ---- data sets ---- */

/* The data set is read to its end and written, where nothing failed. */
static void ended(p104_intake *intake, p104_store *store)
{
    p104_spool *spool = intake->spool;
    intake->store = NULL;
    intake->followed = p104_link_at_hand(intake->link) > 0;
    intake->followed_id = store->message_id;
    if (store->error == 0 && !p104_store_matches(store))
        p104_store_fail(store, P104_UIDS_DIFFER);
    uint32_t before = set_under_way(intake, store->message_id);
    if (!spool->sync || store->error) {
        p104_settle(spool, store);
        answer_soon(intake, store);
        return;
    }
    /* A twin that stands there now may be replaced yet by one that came before: then compare when its turn comes. */
    int failure = before > 0 && store->part.overwrite ? 0 : p104_part_compare(&store->part);
    if (failure == 0 && !store->part.duplicate && !p104_may_be_journaled(spool, store))
        failure = p104_part_make_ready(&store->part);
    if (failure) {
        p104_store_fail(store, failure);
        p104_settle(spool, store);
        answer_soon(intake, store);
    } else {
        p104_give_commit(spool, store);
    }
}

static enum outcome next_bytes(p104_intake *intake, p104_pipe *pipe, int *received)
{
    *received = 1;
    switch (p104_transfer(intake->store, pipe)) {
    case P104_TRANSFER_ENDED:
        ended(intake, intake->store);
        return GO_ON;
    case P104_TRANSFER_SILENT:
        return want_bytes(intake);
    case P104_TRANSFER_TURN_OVER:
        return WATCH; /* its socket comes up again behind those that wait */
    default:
        return break_off(intake);
    }
}

static enum outcome step(p104_intake *intake, p104_pipe *pipe, int *received)
{
    if (intake->returning)
        return give_back(intake, intake->reason);
    if (intake->store && !pipe) {
        p104_intake_answer(intake);
        return DISK;
    }
    if (intake->give_up)
        return break_off(intake);
    if (intake->store)
        return next_bytes(intake, pipe, received);
    if (wait_for_answers(intake, intake->window - 1)) /* of which what is settled is half at the most */
        return GIVEN_AWAY;
    return next_command(intake, received);
}

void p104_intake_turn(p104_intake *intake, p104_pipe *pipe)
{
    enum outcome outcome;
    do {
        int received = 0;
        do
            outcome = step(intake, pipe, &received);
        while (outcome == GO_ON);
        if (outcome == WATCH)
            p104_link_rest(intake->link);
    } while (outcome == WATCH && pipe && !intake->store && p104_linger(intake));
    if (outcome == WATCH) {
        p104_watch(intake);
    } else if (outcome == DISK) {
        p104_give_disk_work(intake);
    }
}
