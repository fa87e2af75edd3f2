/* spool_inside.h - what the rooms of the spool share: spool.c (queues and threads), stores.c (the event
 * loop's side), transfer.c (one data set's bytes) and commit.c (barriers and answers). For C only: cffi does
 * not read this. */

#ifndef P104_SPOOL_INSIDE_H
#define P104_SPOOL_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "part.h"
#include "pdata.h"

#include "dataset.h"

#include "link.h"

#include "spool.h"

/* A completion on its way to the event loop. */
typedef struct notice {
    struct notice *next;
    p104_store *store;
    int kind; /* enum p104_completion_kind */
    int link_returned;
    int unsent;
} notice;

struct p104_store {
    p104_store *next; /* in the one queue that it stands in */
    uint64_t id;
    int flags;        /* enum p104_store_flag */
    int abandoned;    /* the next turn gives up */
    int lent;         /* link is ours to scan and receive from */
    int whole;        /* body is the whole data set */
    int begun;        /* header and body are written */
    int error;        /* errno of the first failed call: nothing more is written */
    uint64_t received; /* data set bytes so far */
    uint64_t sync_failures; /* the spool's count when this store began */
    p104_link *link;
    p104_part part;
    const uint8_t *response;
    size_t response_length;
    uint8_t *body; /* the start of the data set, copied */
    size_t body_length;
    p104_picker picker;
    notice early; /* PAUSED, RECEIVED */
    notice last;  /* STORED, FAILED, BROKEN */
    uint8_t memory[]; /* header, response and body */
};

typedef struct {
    p104_store *first;
    p104_store **end;
} store_queue;

enum { PAUSED_BUCKETS = 256 };

struct p104_spool {
    p104_folders folders;
    int sync;             /* durability */
    int syncs_whole;      /* one syncfs covers a group and reports its errors (Linux 5.8 and later) */
    int event_fd;
    uint32_t tags[P104_PICK_TAGS];
    size_t tag_count;
    uint64_t last_number;                        /* of part files; event loop only */
    p104_store *paused[PAUSED_BUCKETS];          /* by id; event loop only */
    atomic_uint_fast64_t sync_failures;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work_waits;
    pthread_cond_t commit_waits;
    store_queue work;     /* for an I/O thread */
    store_queue commits;  /* written, for the next barrier */
    notice *notices;
    notice **notices_end;
    int closing;
    int workers_ended;
    p104_spool_counts counts;

    int thread_count;
    pthread_t *threads;
    pthread_t committer;
};

/* What one turn of an I/O thread on a data set came to. */
enum transfer_result {
    TRANSFER_ENDED,       /* read to its end; store->error tells whether it was written */
    TRANSFER_INTERRUPTED, /* the link stands before something else; the part file is gone */
    TRANSFER_SILENT,      /* no byte is there now */
    TRANSFER_TURN_OVER    /* it goes on, but others wait for a thread too */
};

/* Receive (where the link is lent), look at and write one data set's bytes. */
enum transfer_result p104_transfer(p104_store *store);

/* Note the first failure and remove the part file; the rest of the data set is drained. */
void p104_store_fail(p104_store *store, int error);

/* Make every store of a batch durable with one barrier, answer, and post its last notice. */
void p104_commit_batch(p104_spool *spool, p104_store *batch);

/* Give one store its name without a barrier, answer, and post its last notice. */
void p104_commit_unsynced(p104_spool *spool, p104_store *store);

/* Queue a store for an I/O thread. */
void p104_give_work(p104_spool *spool, p104_store *store);

/* Post a notice; wakes the event loop where it may sleep. The link is handed back where it was lent. */
void p104_post(p104_spool *spool, p104_store *store, int kind);

void p104_queue_start(store_queue *queue);
void p104_queue_append(store_queue *queue, p104_store *store);
p104_store *p104_queue_take_all(store_queue *queue);

#endif
