/* journal_files.c - see journal.h and journal_inside.h: the two files that a journal stands in. */

#include <stddef.h>
#include <stdint.h>

#include "meta.h"

#include "part.h"

#include "journal_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_MODE = 0750 };

static void half_name(char *name, int half)
{
    name[0] = (char)('0' + half);
    name[1] = 0;
}

/* Past the page cache, which has the files' own bytes: that copy is never read again. */
static int open_half(const p104_journal *journal, int half, int flags)
{
    char name[2];
    half_name(name, half);
    int descriptor = p104_open_at(journal->folder, name, O_RDWR | O_NOFOLLOW | O_DIRECT | flags);
    if (descriptor < 0 && errno == EINVAL) /* a file system that knows no such thing */
        descriptor = p104_open_at(journal->folder, name, O_RDWR | O_NOFOLLOW | flags);
    return descriptor;
}

int p104_journal_open(p104_journal *journal, int root)
{
    memset(journal, 0, sizeof *journal);
    journal->halves[0].descriptor = journal->halves[1].descriptor = -1;
    journal->folder = p104_open_at(root, "journal", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (journal->folder < 0)
        return errno == ENOENT ? 0 : errno;
    for (int half = 0; half < P104_JOURNAL_HALVES; half++) {
        journal->halves[half].descriptor = open_half(journal, half, 0);
        if (journal->halves[half].descriptor < 0 && errno != ENOENT)
            return errno;
    }
    return 0;
}

static void close_half(p104_journal_half *half)
{
    if (half->descriptor >= 0)
        close(half->descriptor);
    half->descriptor = -1;
}

void p104_journal_close(p104_journal *journal)
{
    for (int half = 0; half < P104_JOURNAL_HALVES; half++)
        close_half(&journal->halves[half]);
    if (journal->folder >= 0)
        close(journal->folder);
    free(journal->group);
    journal->folder = -1;
    journal->group = NULL;
}

/* Write through the page cache from here on. Returns whether that is new. */
static int use_cache(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT) && fcntl(descriptor, F_SETFL, flags & ~O_DIRECT) == 0;
}

int p104_journal_write_at(int descriptor, const uint8_t *bytes, uint64_t length, uint64_t at)
{
    while (length > 0) {
        ssize_t written = pwrite(descriptor, bytes, length, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        /* Some file systems want larger blocks, and what is left of a short write may be no whole one. */
        if (written < 0 && errno == EINVAL && use_cache(descriptor))
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        bytes += written;
        at += (uint64_t)written;
        length -= (uint64_t)written;
    }
    return 0;
}

uint8_t *p104_journal_aligned(size_t length)
{
    void *made = NULL;
    return posix_memalign(&made, P104_JOURNAL_BLOCK, length) == 0 ? made : NULL;
}

uint8_t *p104_journal_read_all(int descriptor, uint64_t *length)
{
    struct stat about;
    if (fstat(descriptor, &about) < 0)
        return NULL;
    *length = p104_journal_padded((uint64_t)about.st_size);
    uint8_t *bytes = p104_journal_aligned(*length + P104_JOURNAL_BLOCK); /* so that an empty one is not none */
    uint64_t had = 0;
    ssize_t got = 1;
    errno = ENOMEM;
    while (bytes && had < *length && got != 0) {
        got = pread(descriptor, bytes + had, *length - had, (off_t)had);
        if (got < 0 && errno != EINTR) {
            free(bytes);
            return NULL;
        }
        had += got > 0 ? (uint64_t)got : 0;
    }
    *length = had;
    return bytes;
}

/* ---- their making ---- */

static int remove_halves(p104_journal *journal)
{
    int failure = 0;
    for (int half = 0; half < P104_JOURNAL_HALVES; half++) {
        char name[2];
        half_name(name, half);
        close_half(&journal->halves[half]);
        if (journal->folder >= 0 && p104_unlink_at(journal->folder, name) < 0 && errno != ENOENT)
            failure = errno;
    }
    return failure;
}

/* Every block is written once: later writes change no metadata, which is what makes them cheap. */
static int make_half(p104_journal *journal, int half)
{
    uint8_t *nothing = p104_journal_aligned(P104_JOURNAL_GROUP);
    journal->halves[half].descriptor = open_half(journal, half, O_CREAT | O_EXCL);
    int failure = !nothing ? ENOMEM : journal->halves[half].descriptor < 0 ? errno : 0;
    if (nothing)
        memset(nothing, 0, P104_JOURNAL_GROUP);
    for (uint64_t at = 0; failure == 0 && at < journal->capacity;) {
        uint64_t length = journal->capacity - at;
        length = length < P104_JOURNAL_GROUP ? length : P104_JOURNAL_GROUP;
        failure = p104_journal_write_at(journal->halves[half].descriptor, nothing, length, at);
        at += length;
    }
    free(nothing);
    return failure ? failure : p104_sync(fsync, journal->halves[half].descriptor);
}

static int has_capacity(const p104_journal *journal)
{
    struct stat about;
    for (int half = 0; half < P104_JOURNAL_HALVES; half++) {
        int descriptor = journal->halves[half].descriptor;
        if (descriptor < 0 || fstat(descriptor, &about) < 0 || (uint64_t)about.st_size != journal->capacity)
            return 0;
    }
    return 1;
}

static int make_halves(p104_journal *journal, int root)
{
    int failure = remove_halves(journal);
    if (failure == 0 && journal->folder < 0) {
        if (mkdirat(root, "journal", FOLDER_MODE) < 0 && errno != EEXIST)
            return errno;
        journal->folder = p104_open_at(root, "journal", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        failure = journal->folder < 0 ? errno : p104_sync(fsync, root);
    }
    for (int half = 0; failure == 0 && half < P104_JOURNAL_HALVES; half++)
        failure = make_half(journal, half);
    return failure ? failure : p104_sync(fsync, journal->folder);
}

int p104_journal_prepare(p104_journal *journal, int root, size_t bytes)
{
    journal->capacity = bytes / P104_JOURNAL_HALVES / P104_JOURNAL_BLOCK * P104_JOURNAL_BLOCK;
    if (journal->capacity == 0)
        return remove_halves(journal);
    journal->group = p104_journal_aligned(P104_JOURNAL_GROUP);
    if (!journal->group)
        return ENOMEM;
    if (getrandom(&journal->epoch, sizeof journal->epoch, 0) != sizeof journal->epoch)
        return errno;
    journal->epoch >>= 1; /* it never runs over */
    int failure = has_capacity(journal) ? 0 : make_halves(journal, root);
    if (failure != ENOSPC && failure != EDQUOT)
        return failure;
    journal->capacity = 0; /* a full disk is to be served, and what it holds sent on */
    return remove_halves(journal);
}
