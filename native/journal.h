/* journal.h - small instances made durable by one write to a file that is there already, instead of by a sync of as
 * many new files. Their own files are synced later, many at a time (checkpoint.h); after a power cut before that, the
 * next start makes them anew from here (recovery.h). File calls only: no thread. For C only: cffi does not read this.
 *
 * journal/0 and journal/1 are written in turn, in groups that a power cut leaves whole or not at all. A group begins at
 * a multiple of P104_JOURNAL_BLOCK; numbers have 64 bits and are little endian:
 *   "P104jrn1", epoch, sequence, length, count, sum       length: of the group, unpadded
 *   count times: size, sum, copy, name (32 characters)   of a file that gets the final name of name and copy (part.h)
 *   the files' bytes, one behind the other
 * A half begins with sequence 0, and all its groups have one epoch, which no other half ever had; the later half's is
 * the higher. What is done with is forgotten by taking the first block away. */

#ifndef P104_JOURNAL_H
#define P104_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

/* The including file brings part.h first. */

enum {
    P104_JOURNAL_HALVES = 2,
    P104_JOURNAL_BLOCK = 4096,
    /* Of larger files a sync of their own costs no more than the second copy. */
    P104_JOURNAL_FILE = 32 * 1024,
    /* Of one write. */
    P104_JOURNAL_GROUP = 4 * 1024 * 1024,
};

typedef struct {
    int descriptor;
    uint64_t used;     /* bytes of the groups in it */
    uint64_t sequence; /* of its next group */
    uint64_t epoch;    /* 0: nothing stands in it that counts */
} p104_journal_half;

typedef struct {
    int folder;
    uint64_t capacity; /* of each half, in bytes; 0: nothing is written */
    uint64_t epoch;    /* the last that was used */
    int current;       /* the half that is written to */
    p104_journal_half halves[P104_JOURNAL_HALVES];
    uint8_t *group;    /* being made; P104_JOURNAL_GROUP bytes */
    uint64_t heads;    /* of its files that were announced */
    uint64_t filled;   /* bytes of it that are used */
} p104_journal;

/* Open what is there below root, to be read. Returns 0 or an errno; close it after either. */
int p104_journal_open(p104_journal *journal, int root);
void p104_journal_close(p104_journal *journal);

/* Give every file that counts to `take`, in the order in which they were written, until it returns an errno. part: its
 * name and copy; nothing else of it is set. Returns that, or an errno of reading. What was read can be cleared. */
typedef int (*p104_journal_take)(void *context, p104_part *part, const uint8_t *bytes, size_t size);
int p104_journal_read(p104_journal *journal, p104_journal_take take, void *context);

/* Forget everything, durably, the older half first: a later file is never gone before an earlier one of its name. */
int p104_journal_clear(p104_journal *journal);
/* Forget one half. */
int p104_journal_clear_half(p104_journal *journal, int half);

/* Make the halves below root, `bytes` together, where they are not there; fewer than two blocks, or no room for them:
 * remove them, and go without. Nothing in them may count any more. */
int p104_journal_prepare(p104_journal *journal, int root, size_t bytes);

/* The bytes that a group of so many files takes of a half, which have `size` bytes together. */
uint64_t p104_journal_need(uint64_t count, uint64_t size);
uint64_t p104_journal_room(const p104_journal *journal);
/* Go on with the other half, which must be clear. */
void p104_journal_turn(p104_journal *journal);

/* A group: begin it, add whole files that are open and whose final names are known, and write it. After a failure of any of the three it does not
 * count, and another may be begun. */
void p104_journal_begin(p104_journal *journal, uint64_t count);
int p104_journal_add(p104_journal *journal, const p104_part *part);
int p104_journal_write(p104_journal *journal);

#endif
