/* folders.h - the folders below the storage folder, and calls on what is in them. For C only: cffi does not read this.
 *
 *   parts/                   files that have no final name yet
 *   journal/                 copies of small ones that were not synced yet (journal.h)
 *   instances/00 ... ff      whole files under their final names */

#ifndef P104_FOLDERS_H
#define P104_FOLDERS_H

enum { P104_SHELVES = 256 };

/* Open for the life of the spool. */
typedef struct {
    int root;
    int parts;
    int instances;
    int shelf[P104_SHELVES]; /* instances/00 ... instances/ff */
} p104_folders;

/* Make and open the folders below root, and lock it. Returns 0 or an errno (EWOULDBLOCK: another process has it). */
int p104_folders_open(p104_folders *folders, const char *root);
void p104_folders_close(p104_folders *folders);

/* As openat, unlinkat, renameat, fdatasync, fsync and syncfs, through EINTR. */
int p104_open_at(int folder, const char *name, int flags);
int p104_unlink_at(int folder, const char *name);
int p104_rename_at(int from_folder, const char *from, int to_folder, const char *to);
/* Returns 0 or an errno, which stays set. */
int p104_sync(int (*call)(int), int descriptor);

#endif
