/* stores.c - see spool.h. Single stores as the event loop sees them: begun, resumed or given up, and what
 * became of them. */

#include "spool_inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* A data set that lies whole in the receive buffer and is not larger is copied, so that the
     * link goes on at once; a larger one is carried by the thread from the buffer itself. */
    COPY_LIMIT = 64 * 1024,
};

/* ---- stores ---- */

static uint8_t shelf_of(const char *name)
{
    char digits[3] = {name[0], name[1], 0};
    return (uint8_t)strtoul(digits, NULL, 16);
}

static uint8_t *append(uint8_t **memory, const uint8_t *bytes, size_t length)
{
    uint8_t *at = *memory;
    memcpy(at, bytes, length);
    *memory += length;
    return at;
}

static void start_picking(const p104_spool *spool, p104_store *store)
{
    int readable = store->flags & (P104_EXPLICIT_VR | P104_IMPLICIT_VR);
    p104_picker_start(&store->picker, (store->flags & P104_EXPLICIT_VR) != 0, spool->tags,
                      spool->tag_count);
    if (!readable)
        store->picker.state = P104_PICK_UNREADABLE;
}

/* Copy what is at hand of the data set, when it is little. Returns P104_DATA_SET at its end,
 * P104_NEED_INPUT when more is to come, or another result when something interrupts it. */
static int copy_at_hand(p104_store *store, size_t room)
{
    p104_run run;
    const uint8_t *data;
    int result = P104_NEED_INPUT;
    while (room > 0 && (result = p104_link_next_data_set(store->link, &run, &data)) == P104_DATA_SET) {
        memcpy(store->body + store->body_length, data, run.length);
        store->body_length += run.length;
        if (run.ends)
            break;
    }
    return result;
}

int p104_store_begin(p104_spool *spool, p104_link *link, uint64_t id, int flags, const char *name,
                     const uint8_t *header, size_t header_length, size_t identity_end,
                     const uint8_t *response, size_t response_length)
{
    size_t at_hand = p104_link_at_hand(link);
    size_t room = at_hand <= COPY_LIMIT ? at_hand : 0;
    p104_store *store = malloc(sizeof *store + header_length + response_length + room);
    if (!store)
        return -1;
    memset(store, 0, offsetof(p104_store, memory));
    uint8_t *memory = store->memory;
    store->id = id;
    store->flags = flags;
    store->link = link;
    store->part.folders = &spool->folders;
    store->part.descriptor = -1;
    store->part.shelf = shelf_of(name);
    memcpy(store->part.name, name, P104_NAME_LENGTH);
    store->part.header = append(&memory, header, header_length);
    store->part.header_length = header_length;
    store->part.identity_end = identity_end;
    store->part.overwrite = (flags & P104_OVERWRITE) != 0;
    store->part.durable = spool->sync;
    store->response = append(&memory, response, response_length);
    store->response_length = response_length;
    store->body = memory;

    int at_end = copy_at_hand(store, room);
    if (at_end != P104_DATA_SET && at_end != P104_NEED_INPUT) {
        free(store);
        return P104_NOT_BEGUN;
    }
    start_picking(spool, store);
    store->part.number = ++spool->last_number;
    store->sync_failures = atomic_load(&spool->sync_failures);
    store->whole = at_end == P104_DATA_SET;
    store->lent = !store->whole;
    int result = store->whole ? P104_TAKEN : P104_CARRIED;
    p104_give_work(spool, store);
    return result;
}

static p104_store **paused_place(p104_spool *spool, uint64_t id)
{
    p104_store **place = &spool->paused[id % PAUSED_BUCKETS];
    while (*place && (*place)->id != id)
        place = &(*place)->next;
    return place;
}

/* Take a store that the event loop knows to be paused. */
static p104_store *unpause(p104_spool *spool, uint64_t id)
{
    p104_store **place = paused_place(spool, id);
    p104_store *store = *place;
    if (store) {
        *place = store->next;
        store->lent = 1;
    }
    return store;
}

int p104_store_resume(p104_spool *spool, uint64_t id)
{
    p104_store *store = unpause(spool, id);
    if (store)
        p104_give_work(spool, store);
    return P104_CARRIED;
}

void p104_store_abandon(p104_spool *spool, uint64_t id)
{
    p104_store *store = unpause(spool, id);
    if (store) {
        store->abandoned = 1;
        p104_give_work(spool, store);
    }
}

/* ---- completions ---- */

/* Pack what was picked; a value that does not fit makes the whole unreadable: the caller reads the file. */
static void pack(const p104_picker *picker, p104_completion *out)
{
    size_t used = 0;
    uint8_t *packed = out->picked;
    for (int index = 0; index < picker->count; index++) {
        const p104_picked *picked = &picker->picked[index];
        size_t need = 6 + (size_t)picked->length;
        if (!picked->found)
            continue;
        if (picked->truncated || used + need > sizeof out->picked) {
            out->pick_state = P104_PICK_UNREADABLE;
            continue;
        }
        for (int shift = 0; shift < 4; shift++)
            packed[used + (size_t)shift] = (uint8_t)(picked->tag >> (8 * shift));
        packed[used + 4] = (uint8_t)picked->length;
        packed[used + 5] = (uint8_t)(picked->length >> 8);
        memcpy(packed + used + 6, picked->value, picked->length);
        used += need;
    }
    out->picked_length = (uint16_t)used;
}

static void describe(const notice *posted, p104_completion *out)
{
    const p104_store *store = posted->store;
    out->id = store->id;
    out->bytes = store->received;
    out->kind = posted->kind;
    out->error = store->error;
    out->link_returned = posted->link_returned != 0;
    out->duplicate = store->part.duplicate != 0;
    out->replaced = store->part.replaced != 0;
    out->unsent = posted->unsent != 0;
    out->copy = store->part.copy;
    out->pick_state = store->picker.state;
    out->picked_length = 0;
    if (posted->kind == P104_STORED)
        pack(&store->picker, out);
}

/* The early notice's store may be under work by now: only what no thread changes is read. */
static void hand_over(p104_spool *spool, const notice *posted, p104_completion *out)
{
    p104_store *store = posted->store;
    if (posted->kind == P104_RECEIVED) {
        memset(out, 0, offsetof(p104_completion, picked));
        out->id = store->id;
        out->kind = P104_RECEIVED;
        out->link_returned = 1;
        return;
    }
    describe(posted, out);
    if (posted->kind == P104_PAUSED) {
        p104_store **bucket = &spool->paused[store->id % PAUSED_BUCKETS];
        store->next = *bucket;
        *bucket = store;
    } else {
        free(store);
    }
}

static notice *take_notice(p104_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    notice *posted = spool->notices;
    if (posted) {
        spool->notices = posted->next;
        if (!spool->notices)
            spool->notices_end = &spool->notices;
    }
    pthread_mutex_unlock(&spool->lock);
    return posted;
}

size_t p104_spool_completions(p104_spool *spool, p104_completion *out, size_t capacity)
{
    uint64_t ignored;
    size_t count = 0;
    const notice *posted;
    /* Cleared first: a notice posted after the last look raises the event again. */
    ssize_t cleared = read(spool->event_fd, &ignored, sizeof ignored);
    (void)cleared;
    while (count < capacity && (posted = take_notice(spool)) != NULL)
        hand_over(spool, posted, &out[count++]);
    return count;
}
