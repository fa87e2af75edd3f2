/* checksum.c - see checksum.h.
 *
 * FNV-1a (64 bits) over words instead of bytes, in four lanes that do not wait for each other: some 10 GB/s, where a CRC
 * without the processor's own instruction reaches 2. Each step is one-to-one in the lane, so a block that was lost
 * always shows, but for one chance in 2^64 where several were. */

#include "checksum.h"

#include <string.h>

static const uint64_t PRIME = 0x100000001b3;
static const uint64_t BASIS = 0xcbf29ce484222325;

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Written out, so that the lanes stay in registers. */
static void add_blocks(p104_sum *sum, const uint8_t *bytes, size_t blocks)
{
    uint64_t *lanes = sum->lanes;
    uint64_t one = lanes[0];
    uint64_t two = lanes[1];
    uint64_t three = lanes[2];
    uint64_t four = lanes[3];
    for (; blocks > 0; blocks--, bytes += P104_SUM_BLOCK) {
        one = (one ^ word_at(bytes)) * PRIME;
        two = (two ^ word_at(bytes + 8)) * PRIME;
        three = (three ^ word_at(bytes + 16)) * PRIME;
        four = (four ^ word_at(bytes + 24)) * PRIME;
    }
    lanes[0] = one;
    lanes[1] = two;
    lanes[2] = three;
    lanes[3] = four;
}

void p104_sum_start(p104_sum *sum)
{
    memset(sum, 0, sizeof *sum);
    for (int lane = 0; lane < P104_SUM_LANES; lane++)
        sum->lanes[lane] = BASIS + (uint64_t)lane;
}

void p104_sum_add(p104_sum *sum, const uint8_t *bytes, size_t length)
{
    size_t used = sum->length % P104_SUM_BLOCK;
    sum->length += length;
    if (used > 0) {
        size_t more = length < P104_SUM_BLOCK - used ? length : P104_SUM_BLOCK - used;
        memcpy(sum->rest + used, bytes, more);
        bytes += more;
        length -= more;
        if (used + more < P104_SUM_BLOCK)
            return;
        add_blocks(sum, sum->rest, 1);
    }
    add_blocks(sum, bytes, length / P104_SUM_BLOCK);
    memcpy(sum->rest, bytes + length - length % P104_SUM_BLOCK, length % P104_SUM_BLOCK);
}

uint64_t p104_sum_of(const p104_sum *sum)
{
    p104_sum last = *sum;
    size_t used = sum->length % P104_SUM_BLOCK;
    memset(last.rest + used, 0, P104_SUM_BLOCK - used);
    add_blocks(&last, last.rest, 1);
    uint64_t all = last.length;
    for (int lane = 0; lane < P104_SUM_LANES; lane++)
        all = (all ^ last.lanes[lane] ^ last.lanes[lane] >> 29) * PRIME;
    return all ^ all >> 32;
}
