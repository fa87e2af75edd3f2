/* transfer.c - the bytes of one data set, from the link or from a copy into its part file. */

#include "spool_inside.h"

enum {
    /* Entries of one gather-write: 256 KiB of a peer that sends 4 KiB PDUs. */
    VECTOR = 66,
    /* Waiting a little for a fast peer's next bytes is cheaper than two trips through the event
     * loop; a peer whose last receive was smaller is slow, and must not hold a thread. */
    PATIENCE_MILLISECONDS = 2,
    FAST_PEER_BYTES = 8 * 1024,
    /* A turn of a long data set: others get the thread after it. */
    TURN_BYTES = 8 * 1024 * 1024,
};

void p104_store_fail(p104_store *store, int error)
{
    if (store->error == 0)
        store->error = error;
    p104_part_discard(&store->part);
}

static void look_at(p104_store *store, const uint8_t *data, size_t length)
{
    store->received += length;
    if (store->picker.state == P104_PICK_MORE)
        p104_pick(&store->picker, data, length);
}

/* Collect runs at hand into vector. P104_DATA_SET: the data set ended; P104_NEED_INPUT: more may
 * come; P104_COMMAND stands for every other thing that the link is left before. */
static int collect(p104_store *store, struct iovec *vector, int *count)
{
    p104_run run;
    const uint8_t *data;
    while (*count < VECTOR) {
        int result = p104_link_next_data_set(store->link, &run, &data);
        if (result == P104_NEED_INPUT)
            return P104_NEED_INPUT;
        if (result != P104_DATA_SET)
            return P104_COMMAND;
        look_at(store, data, run.length);
        if (run.length > 0)
            vector[(*count)++] = (struct iovec){(void *)data, run.length};
        if (run.ends)
            return P104_DATA_SET;
    }
    return P104_NEED_INPUT;
}

/* Put header and body in front, once. */
static int begin_vector(p104_store *store, struct iovec *vector)
{
    int count = 0;
    if (store->begun)
        return 0;
    store->begun = 1;
    vector[count++] = (struct iovec){(void *)store->part.header, store->part.header_length};
    if (store->body_length > 0) {
        look_at(store, store->body, store->body_length);
        vector[count++] = (struct iovec){store->body, store->body_length};
    }
    int failure = p104_part_open(&store->part);
    if (failure)
        p104_store_fail(store, failure);
    return count;
}

static void write_vector(p104_store *store, struct iovec *vector, int count)
{
    if (count == 0 || store->error)
        return;
    int failure = p104_part_write(&store->part, vector, count);
    if (failure)
        p104_store_fail(store, failure);
}

enum transfer_result p104_transfer(p104_store *store)
{
    struct iovec vector[VECTOR];
    uint64_t turn_end = store->received + TURN_BYTES;
    long got = FAST_PEER_BYTES;
    for (;;) {
        int count = begin_vector(store, vector);
        int result = store->whole ? P104_DATA_SET : collect(store, vector, &count);
        write_vector(store, vector, count);
        if (result == P104_DATA_SET) {
            if (store->picker.state == P104_PICK_MORE)
                p104_picker_end(&store->picker);
            return TRANSFER_ENDED;
        }
        if (result != P104_NEED_INPUT)
            break;
        if (p104_link_at_hand(store->link) > 0)
            continue; /* the vector was full */
        if (store->received >= turn_end)
            return TRANSFER_TURN_OVER;
        got = p104_link_receive(store->link, got >= FAST_PEER_BYTES ? PATIENCE_MILLISECONDS : 0);
        if (got == 0)
            return TRANSFER_SILENT;
        if (got < 0)
            break;
    }
    p104_part_discard(&store->part);
    return TRANSFER_INTERRUPTED;
}
