/* load.h - many associations at once, a process each, and what each of them measured. */

#ifndef LOAD_H
#define LOAD_H

#include "association.h"

enum { LARGEST_WINDOW = 256 };

typedef struct {
    target whom;
    uint32_t associations;
    uint32_t instances; /* over each association, at most */
    size_t size;        /* of a data set, in bytes */
    double seconds;     /* after which no further instance is begun */
} plan;

/* What one association measured; times in nanoseconds of CLOCK_MONOTONIC. */
typedef struct {
    uint64_t began;
    uint64_t ended;
    uint64_t processor; /* nanoseconds of its process while it sent */
    uint32_t stored;    /* responses read */
    uint32_t failures;  /* of them without success */
    uint32_t latencies[]; /* microseconds from before the write until the response was read */
} measure;

/* The measures of all associations, in memory that their processes share. */
typedef struct {
    uint8_t *memory;
    size_t stride;
} measures;

const measure *measure_of(const measures *all, uint32_t index);

/* A load whose associations are open. Its pipes, by their ends, tell the processes what to do. */
typedef struct {
    uint32_t associations;
    volatile int *go; /* shared with them: without it the end of `start` means that the parent gave up */
    int start;
    int done; /* read: a byte from each that has sent everything */
    int finish;
} load;

/* Open all associations. Ends the process with a message when one fails; so does run_load. */
load open_load(const plan *what, measures *all);

/* Let all send at once, and wait until they have. */
void run_load(const load *opened);

/* Release all and wait for their processes. Returns whether all ended well. */
int finish_load(const load *opened);

#endif
