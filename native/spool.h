/* spool.h - native I/O threads that write data sets to files, make them durable and answer.
 *
 * One store = one data set on its way to a file: part file -> ready name -> synced -> final name -> response sent. What comes is taken by intakes (intake.h). Every function here may be
 * called from the event loop only; none of them blocks on a disk, but for p104_spool_open and p104_spool_close.
 *
 * Under the root directory: parts/, instances/00 ... instances/ff and journal/. */

typedef struct p104_spool p104_spool;

enum p104_durability {
    P104_DURABILITY_OS = 0,  /* answer when the kernel has the file */
    P104_DURABILITY_SYNC = 1 /* answer after data and name are synced */
};

enum p104_completion_kind {
    P104_RETURNED = 1, /* the intake's link is the event loop's again; with P104_RETURN_OTHER and
                          P104_RETURN_DUPLICATE nothing of it is under way */
    P104_STORED = 2,   /* the file stands under its name and the response was sent or queued */
    P104_FAILED = 3    /* the data set was read to its end but not kept, and answered so */
};

/* Why an instance that was written without a fault is not kept all the same. Negative: an errno is not. */
enum p104_refusal {
    P104_TOO_LARGE = -1,   /* its data set is longer than the intake's maximum_size */
    P104_UIDS_DIFFER = -2  /* its data set names another SOP class or instance than its command */
};

/* What became of one instance, or of an intake. Of `picked` only so much is there as is used. */
typedef struct {
    uint64_t id;           /* the intake's */
    uint64_t bytes;        /* of the data set */
    int32_t kind;          /* enum p104_completion_kind */
    int32_t error;         /* P104_FAILED: errno of the call on the file that failed, or enum p104_refusal */
    int32_t reason;        /* P104_RETURNED: enum p104_return_reason */
    uint16_t status;       /* that was answered (PS3.7 annex C) */
    uint8_t duplicate;     /* 1: an identical instance was stored already; no second copy was made */
    uint8_t replaced;      /* 1: other bytes were overwritten */
    uint8_t unsent;        /* 1: response bytes are queued on the link: flush when writable */
    uint8_t copy;          /* 0: <name>.dcm; n: <name>.<n>.dcm, other bytes under the same name */
    uint8_t pick_state;    /* enum p104_pick_state; meaningful when kind is P104_STORED */
    char called[17];       /* the AE title under which it came */
    char sop_instance[65]; /* its UID */
    char name[33];         /* of its file, without suffix; the first two digits are its folder */
    uint16_t picked_length; /* bytes used in picked */
    uint8_t picked[1024];  /* (tag: uint32, length: uint16, value)* little endian; without the SOP Instance UID, so
                              that it is the same for the instances of a series */
} p104_completion;

/* Counters since p104_spool_open; bench and metrics read them. */
typedef struct {
    uint64_t stored;       /* instances that ended P104_STORED */
    uint64_t failed;       /* instances that ended P104_FAILED */
    uint64_t broken;       /* data sets that did not come to their end */
    uint64_t barriers;     /* sync rounds */
    uint64_t barrier_files; /* files that those rounds covered */
    uint64_t recovered;    /* whole files of the time before that p104_spool_open gave their final names */
    uint64_t restored;     /* files that the journal held, and that it wrote anew */
    uint64_t torn;         /* such files that a power cut had torn, before they were acknowledged: kept in parts/ */
    uint64_t left;         /* such files that could not get their final name: the next start tries again */
} p104_spool_counts;

/* Open the spool under directory root, which must exist. Makes what is missing below it, takes
 * an exclusive lock on it, finishes or removes the files in parts/ and in the journal, and starts the threads. journal:
 * bytes of the one that is kept with P104_DURABILITY_SYNC, 0: none. On failure returns NULL
 * and sets *error to an errno (EWOULDBLOCK: another process holds the lock). */
p104_spool *p104_spool_open(const char *root, int durability, size_t journal, int threads,
                            const uint32_t *tags, size_t tag_count, int *error);

/* End the threads and free the spool. Blocks. No intake may be lent or have something under way. */
void p104_spool_close(p104_spool *spool);

/* Readable when completions wait. Returned links and failures are told at once; stored instances may wait
 * some milliseconds for others, so that a busy spool wakes the event loop once for many. */
int p104_spool_event_fd(const p104_spool *spool);

/* How far it is from a completion to the one behind it, in bytes. */
size_t p104_completion_length(const p104_completion *completion);

/* What p104_spool_completions took. */
typedef struct {
    size_t count;
    size_t length;  /* bytes */
    size_t stored;  /* how many of them are P104_STORED */
    size_t awaited; /* how many somebody waits for: all that are not, and those whose response is queued */
} p104_taken;

/* Take completions: as many as wait, at most `most`, and no more than room bytes hold, which must be enough for one; out
 * is aligned as one is. They lie behind each other, each as long as p104_completion_length says. Call until none is taken, which leaves the event
 * cleared. An intake's completions come in order: P104_RETURNED after all that it took before. */
p104_taken p104_spool_completions(p104_spool *spool, void *out, size_t room, size_t most);

/* Take no further instance while on: intakes give their links back before a C-STORE-RQ, with P104_RETURN_OTHER. What is
 * being received by then is kept. */
void p104_spool_refuse(p104_spool *spool, int on);

void p104_spool_count(p104_spool *spool, p104_spool_counts *out);
