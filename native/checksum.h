/* checksum.h - tells a file that a power cut tore from a whole one. No defence against forgery.
 *
 * Pure: no allocation, no system call, no global state. For C only: cffi does not read this. */

#ifndef P104_CHECKSUM_H
#define P104_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

enum { P104_SUM_LANES = 4, P104_SUM_BLOCK = P104_SUM_LANES * 8 };

/* Bytes that were added so far. */
typedef struct {
    uint64_t lanes[P104_SUM_LANES];
    uint64_t length;
    uint8_t rest[P104_SUM_BLOCK]; /* of a block that is not whole; length tells how many */
} p104_sum;

void p104_sum_start(p104_sum *sum);
/* The sum does not depend on how the bytes are cut into pieces. */
void p104_sum_add(p104_sum *sum, const uint8_t *bytes, size_t length);
/* The sum of what was added; more may be added after it. */
uint64_t p104_sum_of(const p104_sum *sum);

#endif
