/* looking.h - what of many files can be sent as it is: each is looked at, a system call apart from the next, as from Python
 * that takes as long as sending a small one. */

/* A file. plain: it is regular, and its first bytes hold all of its File Meta Information with all three UIDs; what is
 * said of another counts for nothing. */
typedef struct {
    int64_t size;     /* bytes */
    int64_t modified; /* nanoseconds of the epoch */
    p104_file_meta meta;
    uint8_t plain;
} p104_looked;

/* Look at count files, whose paths stand one behind another, each ended by a NUL. Blocks on the disk. */
void p104_look(const char *paths, size_t count, p104_looked *found);
