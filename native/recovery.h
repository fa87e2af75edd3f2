/* recovery.h - what a start does with the rests in parts/ of the time before. For C only: cffi does not read this.
 *
 * A file with a ready name was written to its end, and may have been acknowledged: it gets its final name. One without
 * was never acknowledged: it is removed. */

#ifndef P104_RECOVERY_H
#define P104_RECOVERY_H

/* The including file brings part.h first. */

typedef struct {
    uint64_t finished;    /* whole files that got their final name, or whose twin had it */
    uint64_t torn;        /* that are not what their name says: the power went before they were safe, so they were not
                             acknowledged either; kept as <ready name>.torn */
    uint64_t left;        /* that could not get their final name: left for the next start */
    uint64_t last_number; /* of part files that are left; new ones must have higher numbers */
} p104_recovered;

/* Call before any part file is made. Returns 0 or an errno. */
int p104_recover(const p104_folders *folders, p104_recovered *recovered);

#endif
