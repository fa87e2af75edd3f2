/* part.h - one data set's file, from part file to final name. File calls only: no thread, no socket.
 *
 * A part file lives in parts/, under a number of ours:
 *   <number>.part                                  being written
 *   <number>.<name>.<size>.<sum>.<keep|replace>.ready  whole: all that is needed to give it its final name, also
 *                                                  after a power cut (recovery.h)
 * It gets its final name when it is whole; a name in instances/ therefore always stands for a whole file.
 * Numbers have 16 hexadecimal digits. For C only: cffi does not read this. */

#ifndef P104_PART_H
#define P104_PART_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "checksum.h"
#include "folders.h"

/* The including file brings meta.h first. */

enum { P104_COPY_LIMIT = 200 };

typedef struct {
    const p104_folders *folders;
    uint64_t number;     /* the part file's name; unique in this process */
    int descriptor;      /* open for writing, or -1 */
    int on_disk;         /* 1: the part file exists */
    uint8_t shelf;       /* which of the folders' shelves */
    char name[P104_NAME_LENGTH + 1];
    uint64_t size;       /* bytes written, header included */
    p104_sum sum;        /* of them, where the file is to be durable */
    const uint8_t *header;
    size_t header_length;
    size_t identity_end;
    int overwrite;
    int durable;         /* it gets a ready name; and the file that it turns out to duplicate is synced, which may
                            be from a time when instances were answered without a sync */
    uint8_t copy;        /* the final name: 0 <name>.dcm, n <name>.<n>.dcm; copies below it are known
                            to hold other bytes */
    int duplicate;       /* an identical file stands under the final name; the part file is gone */
    int replaced;        /* another file was replaced */
    int ready;           /* it has its ready name */
} p104_part;

/* Each returns 0 or an errno. After a failure p104_part_discard is all that may follow. */
int p104_part_open(p104_part *part);
/* Writes every byte, through short writes and EINTR; the vector's entries are used up. */
int p104_part_write(p104_part *part, struct iovec *vector, int count);
/* Writes length bytes that stand in a pipe, of a file that is not durable: nobody sums them. After a failure some may
 * be left in it. */
int p104_part_splice(p104_part *part, int pipe, size_t length);
int p104_part_sync(p104_part *part);
/* Read the whole file, while it is open. */
int p104_part_read(const p104_part *part, uint8_t *bytes);
int p104_part_close(p104_part *part);

/* Look whether the file that would get the same name holds the same instance, without taking a name:
 * on a duplicate the part file is removed, else part->copy moves past names that hold other bytes. */
int p104_part_compare(p104_part *part);

/* Give the part file its ready name: its bytes are all written, and compared. */
int p104_part_make_ready(p104_part *part);

/* Write the bytes of the file that has, or had, a final name: that of part->name and part->copy, in place, so that other
 * links to it have them too. */
int p104_part_restore(const p104_part *part, const uint8_t *bytes, size_t size);

/* Give the closed part file its final name: never that of another instance's file, unless overwrite. */
int p104_part_settle(p104_part *part);

/* Remove the part file, if it is there. */
void p104_part_discard(p104_part *part);

#endif
