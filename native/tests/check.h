/* check.h - what the C tests share: assertions that say where, and memory that ends at a guard page. */

#ifndef P104_CHECK_H
#define P104_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

/* Pages between two that may not be touched: one byte read too far or too early ends the test. */
typedef struct {
    uint8_t *pages;
    size_t size;
} guarded;

static inline guarded guarded_new(size_t room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (room / page + 1) * page;
    uint8_t *all = mmap(NULL, size + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(all != MAP_FAILED);
    CHECK(mprotect(all, page, PROT_NONE) == 0);
    CHECK(mprotect(all + page + size, page, PROT_NONE) == 0);
    return (guarded){all + page, size};
}

/* A copy whose last byte stands right before the guard page. */
static inline const uint8_t *guarded_at_end(guarded memory, const uint8_t *bytes, size_t length)
{
    uint8_t *at = memory.pages + memory.size - length;
    memcpy(at, bytes, length);
    return at;
}

/* A copy whose first byte stands right behind the guard page. */
static inline const uint8_t *guarded_at_start(guarded memory, const uint8_t *bytes, size_t length)
{
    memcpy(memory.pages, bytes, length);
    return memory.pages;
}

#endif
