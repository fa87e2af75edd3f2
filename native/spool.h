/* spool.h - native I/O threads that write data sets to files, make them durable and answer.
 *
 * One store = one data set on its way to a file: part file -> data synced -> final name ->
 * directory synced -> response sent. The event loop begins stores and takes completions; it never
 * touches a file. Every function here may be called from the event loop only; none of them blocks on
 * a disk, but for p104_spool_open and p104_spool_close.
 *
 * Under the root directory: parts/ (emptied by p104_spool_open) and instances/00 ... instances/ff. */

typedef struct p104_spool p104_spool;
typedef struct p104_store p104_store;

enum p104_durability {
    P104_DURABILITY_OS = 0,  /* answer when the kernel has the file */
    P104_DURABILITY_SYNC = 1 /* answer after data, name and directory are synced */
};

enum p104_store_flag {
    P104_OVERWRITE = 1, /* other bytes under the same name replace it; else both are kept */
    P104_PIPELINED = 2, /* the peer may send on before the answer: return the link early */
    P104_EXPLICIT_VR = 4, /* data set is explicit VR little endian: pick elements */
    P104_IMPLICIT_VR = 8  /* data set is implicit VR little endian: pick elements */
};

/* What p104_store_begin did with the link. */
enum p104_store_result {
    P104_NOT_BEGUN = 0, /* the bytes at hand break the protocol: p104_link_next tells how */
    P104_TAKEN = 1,  /* the whole data set was at hand and was taken; scan on */
    P104_CARRIED = 2 /* an I/O thread receives the rest; the link is lent */
};

enum p104_completion_kind {
    P104_PAUSED = 1,   /* the peer fell silent, or there is no socket to read from; link returned:
                          p104_store_resume or p104_store_abandon must follow */
    P104_RECEIVED = 2, /* P104_PIPELINED only: the data set is read to its end; link returned, another
                          completion follows */
    P104_STORED = 3,   /* last: the file stands under its name and the response was sent or queued */
    P104_FAILED = 4,   /* last: the data set was read to its end but not kept; error = errno */
    P104_BROKEN = 5    /* last: the data set did not come to its end and its part file is gone. The
                          link stands before what broke it, so that p104_link_next finds it again:
                          another PDU, a fault, the end of the stream */
};

/* What became of one store. */
typedef struct {
    uint64_t id;           /* as given to p104_store_begin */
    uint64_t bytes;        /* bytes of the data set received so far */
    int32_t kind;          /* enum p104_completion_kind */
    int32_t error;         /* P104_FAILED: errno of the call on the file that failed */
    uint8_t link_returned; /* 1: the link was lent and is the loop's again */
    uint8_t duplicate;     /* 1: an identical instance was stored already; no second copy was made */
    uint8_t replaced;      /* 1: other bytes were overwritten */
    uint8_t unsent;        /* 1: response bytes are queued on the link: flush when writable */
    uint8_t copy;          /* 0: <name>.dcm; n: <name>.<n>.dcm, other bytes under the same name */
    uint8_t pick_state;    /* enum p104_pick_state; meaningful when kind is P104_STORED */
    uint16_t picked_length; /* bytes used in picked */
    uint8_t picked[1024];  /* (tag: uint32, length: uint16, value)* little endian */
} p104_completion;

/* Counters since p104_spool_open; bench and metrics read them. */
typedef struct {
    uint64_t stored;       /* stores that ended P104_STORED */
    uint64_t failed;       /* stores that ended P104_FAILED */
    uint64_t broken;       /* stores that ended P104_BROKEN */
    uint64_t barriers;     /* sync rounds */
    uint64_t barrier_files; /* files that those rounds covered */
    uint64_t queued;       /* jobs that wait for a thread now */
} p104_spool_counts;

/* Open the spool under directory root, which must exist. Makes what is missing below it, takes
 * an exclusive lock on it, removes every part file and starts the threads. On failure returns NULL
 * and sets *error to an errno (EWOULDBLOCK: another process holds the lock). */
p104_spool *p104_spool_open(const char *root, int durability, int threads,
                            const uint32_t *tags, size_t tag_count, int *error);

/* Finish what is queued, end the threads and free the spool. Blocks. No store may be paused. */
void p104_spool_close(p104_spool *spool);

/* Readable when completions wait. */
int p104_spool_event_fd(const p104_spool *spool);

/* Begin to store the data set that link's scanner expects.
 * id: the caller's key for completions. name: 32 lower-case hex digits; the first two choose the
 * directory. header: the bytes that come before the data set in the file (PS3.10 7.1), of
 * which those after the group length element up to identity_end tell, with the data set, whether two
 * files are the same instance. response: whole P-DATA-TF PDUs, sent when the file is
 * safe. Name, header and response are copied. On P104_TAKEN and P104_CARRIED, and on nothing else,
 * completions with this id follow. Returns enum p104_store_result, or -1 when memory is short. */
int p104_store_begin(p104_spool *spool, p104_link *link, uint64_t id, int flags, const char *name,
                     const uint8_t *header, size_t header_length, size_t identity_end,
                     const uint8_t *response, size_t response_length);

/* Go on with a paused store. Returns P104_CARRIED. */
int p104_store_resume(p104_spool *spool, uint64_t id);

/* Give up a paused store: its part file is removed and P104_BROKEN follows. */
void p104_store_abandon(p104_spool *spool, uint64_t id);

/* Take up to capacity completions. Returns how many; call until it returns 0, which leaves the event
 * cleared. */
size_t p104_spool_completions(p104_spool *spool, p104_completion *out, size_t capacity);

void p104_spool_count(p104_spool *spool, p104_spool_counts *out);
