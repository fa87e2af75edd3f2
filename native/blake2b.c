/* blake2b.c - see blake2b.h. Section numbers are RFC 7693's. */

#include "blake2b.h"

#include <string.h>

enum { ROUNDS = 12, WORDS = 16 };

/* 2.6 */
static const uint64_t INITIAL[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* 2.7; rounds 10 and 11 begin anew. */
static const uint8_t SCHEDULE[10][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint64_t rotate_right(uint64_t word, int bits)
{
    return word >> bits | word << (64 - bits);
}

/* 3.1, with words a, b, c, d of v and two words of the message */
static inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = rotate_right(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotate_right(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 63);
}

/* 3.2, for the block that is the first and the last */
static void compress(uint64_t *state, const uint64_t *message, uint64_t length)
{
    uint64_t v[WORDS];
    memcpy(v, state, 8 * sizeof *v);
    memcpy(v + 8, INITIAL, sizeof INITIAL);
    v[12] ^= length;
    v[14] = ~v[14];
    /* Unrolled, every index is a constant and v stays in registers: a quarter of the instructions. */
#pragma GCC unroll 12
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *s = SCHEDULE[round % 10];
#pragma GCC unroll 4
        for (int column = 0; column < 4; column++)
            mix(v, column, 4 + column, 8 + column, 12 + column, message[s[2 * column]],
                message[s[2 * column + 1]]);
#pragma GCC unroll 4
        for (int diagonal = 0; diagonal < 4; diagonal++)
            mix(v, diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4,
                message[s[8 + 2 * diagonal]], message[s[9 + 2 * diagonal]]);
    }
    for (int index = 0; index < 8; index++)
        state[index] ^= v[index] ^ v[index + 8];
}

/* 3.3; words are little endian */
void p104_blake2b(uint8_t *out, size_t out_length, const uint8_t *input, size_t length)
{
    uint64_t state[8];
    uint64_t message[WORDS] = {0};
    memcpy(state, INITIAL, sizeof state);
    state[0] ^= 0x01010000 ^ out_length;
    for (size_t index = 0; index < length; index++)
        message[index / 8] |= (uint64_t)input[index] << (8 * (index % 8));
    compress(state, message, length);
    for (size_t index = 0; index < out_length; index++)
        out[index] = (uint8_t)(state[index / 8] >> (8 * (index % 8)));
}
