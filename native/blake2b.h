/* blake2b.h - the hash of RFC 7693, unkeyed, for inputs of one block. Pure. */

#ifndef P104_BLAKE2B_H
#define P104_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

enum { P104_BLAKE2B_BLOCK = 128 };

/* Hash input, of at most P104_BLAKE2B_BLOCK bytes, to out_length (1 to 64) bytes. */
void p104_blake2b(uint8_t *out, size_t out_length, const uint8_t *input, size_t length);

#endif
