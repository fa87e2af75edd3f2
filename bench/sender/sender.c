/* sender.c - the load of the bench: a storage SCU too cheap to be the bottleneck.
 *
 *   sender HOST PORT CALLED ASSOCIATIONS SIZE INSTANCES WINDOW [SECONDS]
 *   sender HOST PORT CALLED ASSOCIATIONS idle
 *
 * Opens ASSOCIATIONS associations, one process each, says so, and waits for a line or the end of standard input. Then
 * it sends INSTANCES instances of SIZE bytes over every one, each under a SOP instance UID of its own that is patched
 * into PDUs encoded beforehand. After SECONDS an association begins no further instance; it sends one at least.
 * WINDOW outstanding operations are proposed and used as far as granted. Prints one JSON object: instances, failures,
 * seconds, throughput, latency percentiles in microseconds, and the processor time that sending took. The
 * associations stay open until standard input ends, so that the receiver can be looked at while it still serves them.
 *
 * With `idle` one process opens the associations, says so, and holds them until standard input ends. */

#include "encoding.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const double HOURS = 1e6; /* no limit of time */

static void wait_for_line(void)
{
    fflush(stdout);
    for (char byte = 0; byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1;)
        ;
}

static void wait_for_end(void)
{
    fflush(stdout);
    for (char byte; read(STDIN_FILENO, &byte, 1) == 1;)
        ;
}

static void print_opened(uint32_t associations)
{
    printf("{\"associations\": %u}\n", associations);
}

/* ---- the report ---- */

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void print_latencies(const plan *what, const measures *all, size_t total)
{
    uint32_t *sorted = malloc(total * sizeof *sorted);
    size_t used = 0;
    if (!sorted)
        die("cannot sort");
    for (uint32_t index = 0; index < what->associations; index++) {
        const measure *one = measure_of(all, index);
        memcpy(sorted + used, one->latencies, one->stored * sizeof *sorted);
        used += one->stored;
    }
    qsort(sorted, total, sizeof *sorted, compare);
    printf("\"p50_us\": %u, \"p99_us\": %u, ", sorted[total / 2], sorted[total * 99 / 100]);
    free(sorted);
}

static void print_report(const plan *what, const measures *all)
{
    size_t total = 0;
    uint32_t failures = 0;
    uint64_t began = UINT64_MAX;
    uint64_t ended = 0;
    uint64_t processor = 0;
    for (uint32_t index = 0; index < what->associations; index++) {
        const measure *one = measure_of(all, index);
        total += one->stored;
        failures += one->failures;
        processor += one->processor;
        began = one->began < began ? one->began : began;
        ended = one->ended > ended ? one->ended : ended;
    }
    double seconds = (double)(ended - began) / 1e9;
    printf("{\"instances\": %zu, \"failures\": %u, \"seconds\": %.6f, ", total, failures, seconds);
    print_latencies(what, all, total);
    printf("\"instances_per_second\": %.1f, \"megabytes_per_second\": %.2f, \"sender_cpu_seconds\": %.6f}\n",
           (double)total / seconds, (double)total * (double)what->size / seconds / 1e6, (double)processor / 1e9);
}

/* ---- the two modes ---- */

static int hold_idle(const target *whom, uint32_t associations)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    association *held = calloc(associations, sizeof *held);
    if (!held)
        die("cannot hold associations");
    for (uint32_t index = 0; index < associations; index++)
        held[index] = associate(whom);
    print_opened(associations);
    wait_for_end();
    for (uint32_t index = 0; index < associations; index++)
        release(&held[index]);
    free(held);
    return 0;
}

static int send_and_report(const plan *what)
{
    measures all;
    load opened = open_load(what, &all);
    print_opened(what->associations);
    wait_for_line();
    run_load(&opened);
    print_report(what, &all);
    wait_for_end();
    return finish_load(&opened) ? 0 : 1;
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

int main(int count, char **arguments)
{
    int idle = count == 6 && strcmp(arguments[5], "idle") == 0;
    if (count != 8 && count != 9 && !idle) {
        fprintf(stderr, "usage: sender HOST PORT CALLED ASSOCIATIONS SIZE INSTANCES WINDOW [SECONDS]\n"
                        "       sender HOST PORT CALLED ASSOCIATIONS idle\n");
        return 2;
    }
    target whom = {.host = arguments[1], .port = (int)number(arguments[2]), .called = arguments[3], .window = 1};
    uint32_t associations = number(arguments[4]);
    if (idle)
        return hold_idle(&whom, associations);
    whom.window = number(arguments[7]);
    plan what = {whom, associations, number(arguments[6]), number(arguments[5]), HOURS};
    if (count == 9)
        what.seconds = strtod(arguments[8], NULL);
    if (associations == 0 || what.instances == 0 || whom.window == 0 || whom.window > LARGEST_WINDOW) {
        fprintf(stderr, "at least one association, one instance and a window of 1 to %d\n", LARGEST_WINDOW);
        return 2;
    }
    return send_and_report(&what);
}
