/* part.h - one data set's file, from part file to final name. File calls only: no thread, no socket.
 *
 * A part file lives in parts/ under a number of ours. It gets its final name when it is whole; a name
 * in instances/ therefore always stands for a whole file. For C only: cffi does not read this. */

#ifndef P104_PART_H
#define P104_PART_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* The including file brings meta.h first. */

enum { P104_SHELVES = 256, P104_COPY_LIMIT = 200 };

/* The directories below the storage folder, open for the life of the spool. */
typedef struct {
    int root;
    int parts;
    int instances;
    int shelf[P104_SHELVES]; /* instances/00 ... instances/ff */
} p104_folders;

typedef struct {
    const p104_folders *folders;
    uint64_t number;     /* the part file's name; unique in this process */
    int descriptor;      /* open for writing, or -1 */
    int on_disk;         /* 1: the part file exists */
    uint8_t shelf;       /* which of the folders' shelves */
    char name[P104_NAME_LENGTH + 1];
    uint64_t size;       /* bytes written, header included */
    const uint8_t *header;
    size_t header_length;
    size_t identity_end;
    int overwrite;
    int durable;         /* sync the file that this one turns out to duplicate: it may be from a time
                            when instances were answered without a sync */
    uint8_t copy;        /* the final name: 0 <name>.dcm, n <name>.<n>.dcm; copies below it are known
                            to hold other bytes */
    int duplicate;       /* an identical file stands under the final name; the part file is gone */
    int replaced;        /* another file was replaced */
    int created;         /* the final name is new */
} p104_part;

/* Make and open the folders below root, lock it, remove part files. Returns 0 or an errno. */
int p104_folders_open(p104_folders *folders, const char *root);
void p104_folders_close(p104_folders *folders);

/* Each returns 0 or an errno. After a failure p104_part_discard is all that may follow. */
int p104_part_open(p104_part *part);
/* Writes every byte, through short writes and EINTR; the vector's entries are used up. */
int p104_part_write(p104_part *part, struct iovec *vector, int count);
/* Writes length bytes that stand in a pipe. After a failure some may be left in it. */
int p104_part_splice(p104_part *part, int pipe, size_t length);
int p104_part_sync(p104_part *part);
int p104_part_close(p104_part *part);

/* Look whether the file that would get the same name holds the same instance, without taking a name:
 * on a duplicate the part file is removed, else part->copy moves past names that hold other bytes. */
int p104_part_compare(p104_part *part);

/* Give the closed part file its final name: never that of another instance's file, unless overwrite. */
int p104_part_settle(p104_part *part);

/* Remove the part file, if it is there. */
void p104_part_discard(p104_part *part);

/* Take the final name back that p104_part_settle gave, when it was new. */
void p104_part_withdraw(p104_part *part);

#endif
