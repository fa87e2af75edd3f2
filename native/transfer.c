/* transfer.c - the bytes of one data set, from the link or from a copy into its part file. */

#include "spool_inside.h"

enum {
    /* Entries of one gather-write: 256 KiB of a peer that sends 4 KiB PDUs. */
    VECTOR = 66,
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
        int result = p104_link_next_of(store->intake->link, P104_DATA_SET, &run, &data);
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

/* Put the header in front, once. */
static int begin_vector(p104_store *store, struct iovec *vector)
{
    if (store->begun)
        return 0;
    store->begun = 1;
    vector[0] = (struct iovec){(void *)store->part.header, store->part.header_length};
    int failure = p104_part_open(&store->part);
    if (failure)
        p104_store_fail(store, failure);
    return 1;
}

static void write_vector(p104_store *store, struct iovec *vector, int count)
{
    if (count == 0 || store->error)
        return;
    int failure = p104_part_write(&store->part, vector, count);
    if (failure)
        p104_store_fail(store, failure);
}

enum p104_transfer_result p104_transfer(p104_store *store)
{
    struct iovec vector[VECTOR];
    p104_link *link = store->intake->link;
    uint64_t turn_end = store->received + TURN_BYTES;
    for (;;) {
        int count = begin_vector(store, vector);
        int result = collect(store, vector, &count);
        write_vector(store, vector, count);
        if (result == P104_DATA_SET) {
            if (store->picker.state == P104_PICK_MORE)
                p104_picker_end(&store->picker);
            return P104_TRANSFER_ENDED;
        }
        if (result != P104_NEED_INPUT)
            return P104_TRANSFER_INTERRUPTED;
        if (p104_link_at_hand(link) > 0)
            continue; /* the vector was full */
        if (store->received >= turn_end)
            return P104_TRANSFER_TURN_OVER;
        long got = p104_link_receives(link) ? p104_link_receive(link) : 0;
        if (got <= 0)
            return got == 0 ? P104_TRANSFER_SILENT : P104_TRANSFER_INTERRUPTED;
    }
}
