/* fuzz.h - what the fuzz targets share. Each is one function, which libFuzzer feeds (`make fuzz`) and replay.c runs
 * over the corpus (`make native-test`). */

#ifndef P104_FUZZ_H
#define P104_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, whatever came. */
#define HOLDS(condition)                                                                                        \
    do {                                                                                                        \
        if (!(condition)) {                                                                                     \
            fprintf(stderr, "%s:%d: %s: does not hold: %s\n", __FILE__, __LINE__, __func__, #condition);        \
            abort();                                                                                            \
        }                                                                                                       \
    } while (0)

/* Where a stream is cut: piece after piece, as one byte of the input says. */
typedef struct {
    uint32_t state;
    int whole;
} cuts;

/* 0: not at all; else mostly short pieces, and another way for each value. */
static inline cuts cuts_of(uint8_t way)
{
    return (cuts){way * 2654435761u, way == 0};
}

/* The next piece's length: at least 1, at most left, which is not 0. */
static inline size_t next_piece(cuts *cut, size_t left)
{
    static const uint8_t SHIFTS[8] = {31, 31, 30, 29, 28, 26, 23, 19};
    if (cut->whole)
        return left;
    cut->state = cut->state * 1664525u + 1013904223u;
    size_t piece = 1 + (cut->state >> SHIFTS[cut->state >> 8 & 7]);
    return piece < left ? piece : left;
}

#endif
