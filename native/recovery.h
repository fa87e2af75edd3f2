/* recovery.h - what a start does with the journal and the rests in parts/ of the time before. For C only: cffi does not
 * read this.
 *
 * What the journal holds is written anew where it stands, or stood: that may be torn, or in the page cache alone. A file
 * that is to replace it was acknowledged before it, or not yet: it is removed. Another with a ready name was written to
 * its end, and may have been acknowledged: it gets its final name. One without was never acknowledged: it is removed. */

#ifndef P104_RECOVERY_H
#define P104_RECOVERY_H

/* The including file brings part.h and journal.h first. */

typedef struct {
    uint64_t finished;    /* whole files that got their final name, or whose twin had it */
    uint64_t torn;        /* that are not what their name says: the power went before they were safe, so they were not
                             acknowledged either; kept as <ready name>.torn */
    uint64_t left;        /* that could not get their final name: left for the next start */
    uint64_t restored;    /* files that the journal held */
    uint64_t last_number; /* of part files that are left; new ones must have higher numbers */
} p104_recovered;

/* Call before any part file is made. Afterwards the journal is clear. Returns 0 or an errno. */
int p104_recover(const p104_folders *folders, p104_journal *journal, p104_recovered *recovered);

/* The journal's part of it alone, while the spool works; then the journal is clear. Returns 0 or an errno. */
int p104_restore(const p104_folders *folders, p104_journal *journal);

#endif
