/* journal_inside.h - what journal.c, which knows the groups, asks of journal_files.c, which has the files that they stand
 * in. */

#ifndef P104_JOURNAL_INSIDE_H
#define P104_JOURNAL_INSIDE_H

#include "journal.h"

/* The bytes that so many take in a half. */
static inline uint64_t p104_journal_padded(uint64_t length)
{
    return (length + P104_JOURNAL_BLOCK - 1) / P104_JOURNAL_BLOCK * P104_JOURNAL_BLOCK;
}

/* Memory for whole blocks, which the file system takes past the page cache; to be freed. NULL: there is none. */
uint8_t *p104_journal_aligned(size_t length);

/* Write all of it. Returns 0 or an errno. */
int p104_journal_write_at(int descriptor, const uint8_t *bytes, uint64_t length, uint64_t at);

/* Read a file that nobody writes to. Returns its bytes, to be freed, or NULL with errno. */
uint8_t *p104_journal_read_all(int descriptor, uint64_t *length);

#endif
