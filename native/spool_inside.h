/* spool_inside.h - what the rooms of the spool share: spool.c (its life, the committer), work.c (threads and what
 * waits for them), intake.c (one association), store.c and transfer.c (one data set), commit.c (barriers and
 * answers), checkpoint.c (what the journal holds) and completions.c (news for the event loop). For C only: cffi does not read this. */

#ifndef P104_SPOOL_INSIDE_H
#define P104_SPOOL_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "pdata.h"

#include "dataset.h"

#include "link.h"

#include "command.h"

#include "meta.h"

#include "part.h"

#include "journal.h"

#include "spool.h"

#include "intake.h"

typedef struct p104_store p104_store;

/* A completion on its way to the event loop, which frees it. */
typedef struct p104_notice {
    struct p104_notice *next;
    p104_completion completion;
} p104_notice;

/* A presentation context whose instances are taken. */
typedef struct {
    int flags; /* enum p104_intake_flag */
    uint8_t id;
    p104_uid sop_class;
    p104_uid transfer_syntax;
    uint8_t memory[];
} p104_context;

enum {
    P104_CONTEXTS = 128,
    /* Stored instances are told of together: while others come, the event loop is woken once for many. */
    P104_TELL_MILLISECONDS = 5
};

struct p104_intake {
    p104_intake *next; /* in the work queue */
    p104_spool *spool;
    p104_link *link;
    uint64_t id;
    uint32_t peer_maximum_length;
    uint32_t window;
    uint64_t maximum_size; /* of a data set; UINT64_MAX: any */
    p104_context *contexts[P104_CONTEXTS]; /* by ID / 2 */
    uint8_t called[16];
    size_t called_length;
    uint8_t origin[P104_ORIGIN_LENGTH];
    size_t origin_length;

    /* of who has it: the event loop, or the thread in whose hands it is */
    p104_store *store;  /* being received */
    uint8_t *command;   /* fragments of a command set that has not ended */
    size_t command_length;
    size_t command_size;
    int followed;       /* when the last instance had come, the next command was there: not sent after its answer */
    uint16_t followed_id;
    p104_store *settled; /* and not answered yet: of a peer that does not wait for answers several go together */
    p104_store **settled_end;
    uint32_t settled_count;
    int watched;        /* the socket is known to the spool's epoll */
    atomic_int passed_on; /* through epoll: what one hand wrote is seen by the next */
    int give_up;
    int returning;      /* nothing more is taken, and for what reason */
    int reason;
    p104_notice returned;

    /* under the spool's lock */
    int waits;          /* in nobody's hands, until no more than resume_at are under way */
    uint32_t resume_at;
    uint16_t *message_ids; /* of what is under way and not answered; room for window */
    uint32_t unanswered;
    p104_intake_counts counts;
};

struct p104_store {
    p104_store *next; /* in the commit queue, or of those that are answered together */
    p104_intake *intake;
    const p104_context *context;
    uint16_t message_id;
    uint8_t sop_instance_length;
    char sop_instance[P104_UID_LENGTH + 1];
    int begun;        /* the header is written */
    int error;        /* errno of the first failed call, or enum p104_refusal: nothing more is written */
    uint64_t received; /* data set bytes so far */
    uint64_t sync_failures; /* the spool's count when this store began */
    p104_part part;
    p104_notice *notice; /* to be filled in: there is no want of memory once an instance is taken */
    uint8_t header[P104_META_ROOM];
    p104_picker picker; /* last: started, not cleared */
};

typedef struct {
    p104_intake *first;
    p104_intake **end;
} intake_queue;

struct p104_spool {
    p104_folders folders;
    int sync;             /* durability */
    int syncs_whole;      /* one syncfs covers a group and reports its errors (Linux 5.8 and later) */
    int event_fd;         /* completions wait */
    int epoll_fd;         /* sockets of lent links, and the doorbell */
    int doorbell_fd;      /* the work queue is not empty, or the threads must end */
    uint32_t tags[P104_PICK_TAGS];
    size_t tag_count;
    atomic_uint_fast64_t last_number; /* of part files */
    atomic_uint_fast64_t sync_failures;
    atomic_int refuses;   /* no further instance is taken: the disk is nearly full */
    atomic_int closing;   /* threads end once they have nothing in hand */
    atomic_int idle_threads; /* I/O threads that wait for any event */
    atomic_uint turns;    /* that I/O threads began */
    atomic_int untold;    /* notices of which the event loop was not woken */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t commit_waits;
    pthread_cond_t notices_taken;
    intake_queue work;      /* need a thread though no byte comes */
    intake_queue disk_work; /* need an I/O thread */
    p104_store *commits;  /* written, for the next barrier */
    p104_store **commits_end;
    p104_notice *notices;
    p104_notice **notices_end;
    size_t notice_count;
    int64_t oldest_notice; /* when it came, in milliseconds; later where only some were taken */
    int woken;            /* event_fd was raised since it was last cleared */
    int workers_ended;
    p104_spool_counts counts;

    pthread_mutex_t books; /* guards what follows; never taken with the lock held */
    pthread_cond_t checkpoint_waits;
    p104_journal journal;
    int journal_fails;    /* what it holds may not be on the disk elsewhere, and cannot be put there */
    int checkpoint_ends;

    int thread_count;
    pthread_t *threads;
    pthread_t committer;
    pthread_t standby;
    int standing_by;
    pthread_t checkpoint;
    int checkpointing;
};

/* What an I/O thread moves bytes through from socket to file without copying them. Both ends are -1 until it is
 * first needed. */
typedef struct {
    int write_end;
    int read_end;
} p104_pipe;

/* ---- work.c ---- */

/* Give an intake to a thread, whatever its socket holds. */
void p104_give_work(p104_intake *intake);
/* Give an intake to a thread that may wait for the disk. */
void p104_give_disk_work(p104_intake *intake);
/* Give an intake to a thread once its socket is readable; it may be at work before this returns. */
void p104_watch(p104_intake *intake);
/* Look a little while for its next message, where an I/O thread is there for others. Returns whether it came. */
int p104_linger(const p104_intake *intake);
/* Forget its socket. */
void p104_unwatch(p104_intake *intake);
/* Have every thread look whether there is work, or the end has come. */
void p104_ring(const p104_spool *spool);
/* The life of an I/O thread, and of the standby. */
void *p104_do_work(void *spool);
void *p104_stand_by(void *spool);

/* ---- spool.c ---- */

/* Queue a written store for the next barrier. */
void p104_give_commit(p104_spool *spool, p104_store *store);

/* ---- intake.c ---- */

/* One turn: as far as the bytes at hand and one receive go. pipe: of the I/O thread, or NULL for a thread that must not
 * wait for the disk. */
void p104_intake_turn(p104_intake *intake, p104_pipe *pipe);
/* Answer what is settled: before more bytes are waited for, and before others have the intake. */
void p104_intake_answer(p104_intake *intake);
/* A store is about to be answered: once it is, its peer may use the message ID again. */
void p104_intake_forget(const p104_store *store);
/* A store is answered: count it. Call with the lock. Returns the intake where it waited for this: it needs a
 * thread then; else NULL, and others may free it. */
p104_intake *p104_intake_settle(const p104_store *store);

/* ---- store.c ---- */

/* A store for the instance that request announces on a presentation context. NULL: memory is short. */
p104_store *p104_store_new(p104_intake *intake, const p104_context *context, const p104_store_request *request);
/* Whether the UIDs in the data set, as far as the picker has seen them, are those of the command (PS3.4 B.2.3). Call at
 * the data set's end. */
int p104_store_matches(const p104_store *store);
/* Free a store of which the event loop was not told. */
void p104_store_free(p104_store *store);

/* ---- transfer.c ---- */

/* What one turn on a data set came to. */
enum p104_transfer_result {
    P104_TRANSFER_ENDED,       /* read to its end; store->error tells whether it was written */
    P104_TRANSFER_INTERRUPTED, /* the link stands before something else; the part file is gone */
    P104_TRANSFER_SILENT,      /* no byte is there now */
    P104_TRANSFER_TURN_OVER    /* it goes on, but others wait for a thread too */
};

/* Receive, look at and write one data set's bytes. */
enum p104_transfer_result p104_transfer(p104_store *store, p104_pipe *pipe);

void p104_pipe_close(p104_pipe *pipe);

/* Note the first failure, an errno or enum p104_refusal, and remove the part file; the rest of the data set is drained. */
void p104_store_fail(p104_store *store, int error);

/* ---- commit.c ---- */

/* Make every store of a batch durable with one barrier, answer, and tell of it. */
void p104_commit_batch(p104_spool *spool, p104_store *batch);
/* Whether a written file is small enough that it needs no ready name before the barrier. */
int p104_may_be_journaled(const p104_spool *spool, const p104_store *store);
/* Give one store its name without a barrier, or none where it failed. */
void p104_settle(p104_spool *spool, p104_store *store);

/* Responses that go out in one send, at the most. */
enum { P104_TOGETHER = 8 };

/* Answer stores of one intake, P104_TOGETHER at the most, and tell of them. Then others may free the intake. */
void p104_answer(p104_spool *spool, p104_store *first);

/* ---- checkpoint.c; the first three with the books lock ---- */

/* Whether what the journal holds is there, or could be mended. */
int p104_journal_works(p104_spool *spool);
/* Whether a group fits, here or in the other half, which is turned to. */
int p104_journal_has_room(p104_spool *spool, uint64_t need);
/* Sync the file system, and forget what the journal holds. Returns 0 or an errno. */
int p104_sync_whole(p104_spool *spool);
/* The life of the thread that syncs what the journal holds. */
void *p104_checkpoint(void *spool);

/* ---- completions.c ---- */

/* Tell the event loop that a store is stored or has failed, and free it. */
void p104_tell_of_store(p104_spool *spool, p104_store *store, uint16_t status, int unsent);
/* Tell it that an intake is returned, which is its own from here on. */
void p104_tell_returned(p104_spool *spool, p104_intake *intake);
/* Wake the event loop for what was to be told soon. */
void p104_wake(p104_spool *spool);

#endif
