/* folders.c - see folders.h. */

#include "folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* Other users of the machine have no business with patients' images. */
    FILE_MODE = 0640,
    FOLDER_MODE = 0750,
};

/* ---- calls that a signal may interrupt ---- */

int p104_open_at(int folder, const char *name, int flags)
{
    int descriptor;
    do
        descriptor = openat(folder, name, flags | O_CLOEXEC, FILE_MODE);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

int p104_unlink_at(int folder, const char *name)
{
    int result;
    do
        result = unlinkat(folder, name, 0);
    while (result < 0 && errno == EINTR);
    return result;
}

int p104_rename_at(int from_folder, const char *from, int to_folder, const char *to)
{
    int result;
    do
        result = renameat(from_folder, from, to_folder, to);
    while (result < 0 && errno == EINTR);
    return result;
}

int p104_sync(int (*call)(int), int descriptor)
{
    int result;
    do
        result = call(descriptor);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

/* ---- folders ---- */

/* Open folder name, making it where it is missing. Returns a descriptor or -1 with errno set. */
static int open_folder(int parent, const char *name)
{
    if (mkdirat(parent, name, FOLDER_MODE) < 0 && errno != EEXIST)
        return -1;
    return p104_open_at(parent, name, O_RDONLY | O_DIRECTORY);
}

/* Open what lies below root. Names are synced even where they stood already: the start that made them may
 * have been killed before it synced them, and files below them could be lost. */
static int open_below(p104_folders *folders)
{
    char name[3];
    folders->parts = open_folder(folders->root, "parts");
    if (folders->parts < 0)
        return errno;
    folders->instances = open_folder(folders->root, "instances");
    if (folders->instances < 0)
        return errno;
    for (int shelf = 0; shelf < P104_SHELVES; shelf++) {
        snprintf(name, sizeof name, "%02x", (unsigned)shelf & 0xff);
        folders->shelf[shelf] = open_folder(folders->instances, name);
        if (folders->shelf[shelf] < 0)
            return errno;
    }
    int failure = p104_sync(fsync, folders->instances);
    return failure ? failure : p104_sync(fsync, folders->root);
}

int p104_folders_open(p104_folders *folders, const char *root)
{
    memset(folders, -1, sizeof *folders); /* every descriptor closed */
    folders->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folders->root < 0)
        return errno;
    int failure = flock(folders->root, LOCK_EX | LOCK_NB) < 0 ? errno : open_below(folders);
    if (failure)
        p104_folders_close(folders);
    return failure;
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void p104_folders_close(p104_folders *folders)
{
    for (int shelf = 0; shelf < P104_SHELVES; shelf++)
        close_descriptor(&folders->shelf[shelf]);
    close_descriptor(&folders->instances);
    close_descriptor(&folders->parts);
    close_descriptor(&folders->root); /* gives up the lock */
}
