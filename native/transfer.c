/* transfer.c - the bytes of one data set, from the link into its part file.
 *
 * They are received into a buffer, looked at and written. Once the elements that routing asks for have passed, the
 * rest of a large fragment goes from socket to file through a pipe: one copy less (docs/decisions.md). */

#include "spool_inside.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    /* Entries of one gather-write: 256 KiB of a peer that sends 4 KiB PDUs. */
    VECTOR = 66,
    /* A turn of a long data set: others get the thread after it. */
    TURN_BYTES = 8 * 1024 * 1024,
    /* Below this the two calls cost more than the copy that they save. */
    SPLICE_FROM = 64 * 1024,
    /* What a user may make a pipe hold (/proc/sys/fs/pipe-max-size). */
    PIPE_SIZE = 1024 * 1024,
};

void p104_store_fail(p104_store *store, int error)
{
    if (store->error == 0)
        store->error = error;
    p104_part_discard(&store->part);
}

static void note_received(p104_store *store, size_t length)
{
    store->received += length;
    if (store->received > store->intake->maximum_size)
        p104_store_fail(store, P104_TOO_LARGE);
}

static void look_at(p104_store *store, const uint8_t *data, size_t length)
{
    note_received(store, length);
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

/* ---- without copying ---- */

void p104_pipe_close(p104_pipe *pipe)
{
    if (pipe->write_end >= 0) {
        close(pipe->write_end);
        close(pipe->read_end);
    }
    pipe->write_end = pipe->read_end = -1;
}

static int pipe_open(p104_pipe *pipe)
{
    int ends[2];
    if (pipe->write_end >= 0)
        return 1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 0;
    pipe->read_end = ends[0];
    pipe->write_end = ends[1];
    fcntl(pipe->write_end, F_SETPIPE_SZ, PIPE_SIZE); /* else it keeps its default, which does too */
    return 1;
}

/* What is to be durable is summed, so it must pass us. */
static int may_splice(const p104_store *store, p104_pipe *pipe)
{
    return !store->part.durable && store->picker.state != P104_PICK_MORE && store->error == 0
        && p104_link_spliceable(store->intake->link) >= SPLICE_FROM && pipe_open(pipe);
}

/* Returns as p104_link_receive does; *ended: the data set is read to its end. */
static long splice_once(p104_store *store, p104_pipe *pipe, int *ended)
{
    p104_run run;
    long got = p104_link_splice(store->intake->link, pipe->write_end, PIPE_SIZE, &run);
    if (got <= 0)
        return got;
    int failure = p104_part_splice(&store->part, pipe->read_end, (size_t)got);
    if (failure) {
        p104_store_fail(store, failure);
        p104_pipe_close(pipe); /* with what is left in it */
    }
    note_received(store, (size_t)got);
    *ended = run.ends;
    return got;
}

/* ---- one turn ---- */

enum p104_transfer_result p104_transfer(p104_store *store, p104_pipe *pipe)
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
        p104_intake_answer(store->intake);
        int ended = 0;
        long got = may_splice(store, pipe) ? splice_once(store, pipe, &ended)
            : p104_link_receives(link)     ? p104_link_receive(link, 0)
                                           : 0;
        if (ended)
            return P104_TRANSFER_ENDED;
        if (got <= 0)
            return got == 0 ? P104_TRANSFER_SILENT : P104_TRANSFER_INTERRUPTED;
    }
}
