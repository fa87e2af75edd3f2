#define _GNU_SOURCE
#include "load.h"

#include "encoding.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Associations asked for at one time: fewer than the shortest listen backlog among the receivers (50). */
enum { OPENED_TOGETHER = 16 };

/* What all processes have in common. Pipes say: `ready`, by one byte, that an association is open; `start`, by its
 * end, that all are; `done`, by one byte, that all was sent; `finish`, by its end, that it may be released. */
typedef struct {
    const plan *what;
    measures *all;
    patched data;
    uint64_t run; /* makes the UIDs of this run its own */
    volatile int *go;
    int start[2];
    int done[2];
    int finish[2];
} common;

static uint64_t clock_now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static measure *own_measure(const measures *all, uint32_t index)
{
    return (measure *)(all->memory + all->stride * index);
}

const measure *measure_of(const measures *all, uint32_t index)
{
    return own_measure(all, index);
}

/* ---- one association ---- */

static void take_response(association *over, const uint64_t *sent, measure *out)
{
    uint32_t message_id = 0;
    uint32_t status = read_response(over, &message_id);
    uint64_t nanoseconds = clock_now(CLOCK_MONOTONIC) - sent[message_id % LARGEST_WINDOW];
    out->latencies[out->stored++] = (uint32_t)(nanoseconds / 1000);
    out->failures += status != 0;
}

static uint32_t window_of(const association *over, const target *whom)
{
    return over->window == 0 || over->window > whom->window ? whom->window : over->window;
}

static void send_instances(const common *with, association *over, uint32_t index, measure *out)
{
    uint8_t room[COMMAND_ROOM];
    uint64_t sent[LARGEST_WINDOW] = {0};
    patched command = encode_command(room);
    uint32_t window = window_of(over, &with->what->whom);
    uint32_t outstanding = 0;
    uint64_t end = out->began + (uint64_t)(with->what->seconds * 1e9);
    for (uint32_t number = 0; number < with->what->instances; number++) {
        char uid[UID_ROOM + 1];
        if (number > 0 && clock_now(CLOCK_MONOTONIC) >= end)
            break;
        snprintf(uid, sizeof uid, "1.2.104.%llu.%u.%u", (unsigned long long)with->run, index + 1, number + 1);
        patch_uid(command.uid, uid);
        patch_uid(with->data.uid, uid);
        write16_little(command.message_id, number & 0x7fff);
        sent[(number & 0x7fff) % LARGEST_WINDOW] = clock_now(CLOCK_MONOTONIC);
        struct iovec vector[2] = {{command.bytes, command.length}, {with->data.bytes, with->data.length}};
        transmit(over, vector, 2);
        if (++outstanding >= window) {
            take_response(over, sent, out);
            outstanding--;
        }
    }
    while (outstanding-- > 0)
        take_response(over, sent, out);
}

static void run_association(const common *with, association *over, uint32_t index)
{
    measure *out = own_measure(with->all, index);
    out->began = clock_now(CLOCK_MONOTONIC);
    uint64_t processor = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    send_instances(with, over, index, out);
    out->processor = clock_now(CLOCK_PROCESS_CPUTIME_ID) - processor;
    out->ended = clock_now(CLOCK_MONOTONIC);
}

/* ---- processes ---- */

static void say(int to)
{
    if (write(to, "", 1) != 1)
        die("cannot tell the parent");
    close(to);
}

static void wait_for_end(int from)
{
    char byte;
    if (read(from, &byte, 1) != 0)
        die("cannot hear the parent");
}

/* Count what others say until all of them closed their end. */
static uint32_t count_said(int from)
{
    uint32_t said = 0;
    for (char byte; read(from, &byte, 1) == 1;)
        said++;
    close(from);
    return said;
}

static void open_pipe(int ends[2])
{
    if (pipe(ends) < 0)
        die("cannot make a pipe");
}

/* The process of association `index`; the parent opened the first. */
static _Noreturn void live(const common *with, const association *first, uint32_t index, int ready)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(with->start[1]);
    close(with->finish[1]);
    if (index > 0)
        close(first->socket);
    association over = index == 0 ? *first : associate(&with->what->whom);
    if (over.maximum_length != first->maximum_length) {
        fprintf(stderr, "the acceptor states different maximum lengths\n");
        exit(1);
    }
    say(ready);
    wait_for_end(with->start[0]);
    if (!*with->go)
        _exit(1);
    run_association(with, &over, index);
    say(with->done[1]);
    wait_for_end(with->finish[0]);
    release(&over);
    _exit(0);
}

/* Fork the processes of [from, until) and wait until their associations are open. */
static void open_some(const common *with, const association *first, uint32_t from, uint32_t until)
{
    int ready[2];
    open_pipe(ready);
    for (uint32_t index = from; index < until; index++) {
        pid_t child = fork();
        if (child < 0)
            die("cannot fork");
        if (child == 0)
            live(with, first, index, ready[1]);
    }
    close(ready[1]);
    if (count_said(ready[0]) < until - from) {
        fprintf(stderr, "an association could not be opened\n");
        exit(1);
    }
}

static void *share(size_t length)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("cannot share memory");
    return memory;
}

load open_load(const plan *what, measures *all)
{
    all->stride = (sizeof(measure) + what->instances * sizeof(uint32_t) + 63) & ~(size_t)63;
    all->memory = share(all->stride * what->associations);
    association first = associate(&what->whom);
    common with = {.what = what, .all = all, .data = encode_data_set(what->size, first.maximum_length),
                   .run = clock_now(CLOCK_MONOTONIC), .go = share(sizeof(int))};
    open_pipe(with.start);
    open_pipe(with.done);
    open_pipe(with.finish);
    for (uint32_t index = 0; index < what->associations; index += OPENED_TOGETHER) {
        uint32_t until = index + OPENED_TOGETHER;
        open_some(&with, &first, index, until < what->associations ? until : what->associations);
    }
    close(first.socket);
    free(first.input);
    free(with.data.bytes); /* the processes have theirs */
    close(with.done[1]);
    return (load){what->associations, with.go, with.start[1], with.done[0], with.finish[1]};
}

void run_load(const load *opened)
{
    *opened->go = 1;
    close(opened->start);
    if (count_said(opened->done) < opened->associations) {
        fprintf(stderr, "an association failed\n");
        exit(1);
    }
}

int finish_load(const load *opened)
{
    int well = 1;
    close(opened->finish);
    for (int status; wait(&status) > 0;)
        well &= status == 0;
    return well;
}
