/* identity.h - whether a stored file is the instance that a part file holds. For C only: cffi does not read this. */

#ifndef P104_IDENTITY_H
#define P104_IDENTITY_H

/* The including file brings part.h first. */

/* Compare the part file, open for reading as `ours`, with the stored file open as `stored`: SOP class, SOP instance,
 * transfer syntax (the header between group length and identity_end) and data set. Who sent it may differ.
 * Returns 1 same, 0 another, -1 with errno. */
int p104_same_instance(const p104_part *part, int ours, int stored);

#endif
