/* part.c - see part.h. */

#include <stddef.h>
#include <stdint.h>

#include "meta.h"

#include "part.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* Other users of the machine have no business with patients' images. */
    FILE_MODE = 0640,
    FOLDER_MODE = 0750,
    /* PS3.10 7.1: preamble and prefix, then (0002,0000) UL, whose 4 byte value ends at 144. */
    GROUP_LENGTH_AT = 140,
    GROUP_AT = 144,
    COMPARE_CHUNK = 128 * 1024,
};

/* ---- calls that a signal may interrupt ---- */

static int open_at(int folder, const char *name, int flags)
{
    int descriptor;
    do
        descriptor = openat(folder, name, flags | O_CLOEXEC, FILE_MODE);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

static int unlink_at(int folder, const char *name)
{
    int result;
    do
        result = unlinkat(folder, name, 0);
    while (result < 0 && errno == EINTR);
    return result;
}

/* Returns 0 or an errno, which stays set. */
static int sync_data(int descriptor)
{
    int result;
    do
        result = fdatasync(descriptor);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

/* ---- folders ---- */

/* Returns 0 or an errno, which stays set. */
static int sync_names(int folder)
{
    int result;
    do
        result = fsync(folder);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

/* Open folder name, making it where it is missing. Returns a descriptor or -1 with errno set. */
static int open_folder(int parent, const char *name)
{
    if (mkdirat(parent, name, FOLDER_MODE) < 0 && errno != EEXIST)
        return -1;
    return open_at(parent, name, O_RDONLY | O_DIRECTORY);
}

static int remove_part_files(int parts)
{
    int descriptor = open_at(parts, ".", O_RDONLY | O_DIRECTORY);
    DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (!folder) {
        int failure = errno;
        if (descriptor >= 0)
            close(descriptor);
        return failure;
    }
    int failure = 0;
    struct dirent *entry;
    while (failure == 0 && (errno = 0, entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.' && unlink_at(parts, entry->d_name) < 0)
            failure = errno;
    if (failure == 0)
        failure = errno;
    closedir(folder);
    return failure;
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
    if (sync_names(folders->instances) || sync_names(folders->root))
        return errno;
    return remove_part_files(folders->parts);
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

/* ---- names ---- */

typedef struct {
    char text[P104_NAME_LENGTH + 16];
} file_name;

/* Written by hand: two names for each instance, and printf would cost as much as the hash in them. */
static char *put_text(char *at, const char *text)
{
    size_t length = strlen(text);
    memcpy(at, text, length + 1);
    return at + length;
}

static file_name part_name(const p104_part *part)
{
    file_name name;
    char *at = name.text;
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[part->number >> shift & 15];
    put_text(at, ".part");
    return name;
}

static file_name final_name(const p104_part *part)
{
    file_name name;
    char *at = put_text(name.text, part->name);
    if (part->copy > 0)
        snprintf(at, sizeof name.text - P104_NAME_LENGTH, ".%u.dcm", (unsigned)part->copy);
    else
        put_text(at, ".dcm");
    return name;
}

static int shelf_of(const p104_part *part)
{
    return part->folders->shelf[part->shelf];
}

/* ---- writing ---- */

int p104_part_open(p104_part *part)
{
    file_name name = part_name(part);
    part->descriptor = open_at(part->folders->parts, name.text, O_WRONLY | O_CREAT | O_EXCL);
    if (part->descriptor < 0)
        return errno;
    part->on_disk = 1;
    return 0;
}

int p104_part_write(p104_part *part, struct iovec *vector, int count)
{
    while (count > 0) {
        ssize_t written = writev(part->descriptor, vector, count);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return errno;
        }
        part->size += (uint64_t)written;
        size_t left = (size_t)written;
        while (count > 0 && left >= vector->iov_len) {
            left -= vector->iov_len;
            vector++;
            count--;
        }
        if (count > 0) {
            vector->iov_base = (uint8_t *)vector->iov_base + left;
            vector->iov_len -= left;
        }
    }
    return 0;
}

int p104_part_splice(p104_part *part, int pipe, size_t length)
{
    while (length > 0) {
        ssize_t written = splice(pipe, NULL, part->descriptor, NULL, length, SPLICE_F_MOVE);
        if (written <= 0) {
            if (written < 0 && errno == EINTR)
                continue;
            return written < 0 ? errno : EIO;
        }
        part->size += (uint64_t)written;
        length -= (size_t)written;
    }
    return 0;
}

int p104_part_sync(p104_part *part)
{
    return sync_data(part->descriptor);
}

int p104_part_close(p104_part *part)
{
    int descriptor = part->descriptor;
    part->descriptor = -1;
    /* EINTR: on Linux the descriptor is closed all the same. */
    return descriptor >= 0 && close(descriptor) < 0 && errno != EINTR ? errno : 0;
}

void p104_part_discard(p104_part *part)
{
    p104_part_close(part);
    if (part->on_disk) {
        file_name name = part_name(part);
        unlink_at(part->folders->parts, name.text);
        part->on_disk = 0;
    }
}

/* ---- names that are taken ---- */

/* Read exactly length bytes at offset; 1 when they were there, 0 when not, -1 with errno. */
static int read_exactly(int descriptor, uint8_t *bytes, size_t length, uint64_t offset)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = pread(descriptor, bytes + done, length - done, (off_t)(offset + done));
        if (got == 0)
            return 0;
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return -1;
    }
    return 1;
}

static uint32_t group_length(const uint8_t *header)
{
    const uint8_t *value = header + GROUP_LENGTH_AT;
    return value[0] | (uint32_t)value[1] << 8 | (uint32_t)value[2] << 16 | (uint32_t)value[3] << 24;
}

/* Whether two files hold the same bytes from here and there on. 1, 0, or -1 with errno. */
static int same_bytes(int here, uint64_t here_at, int there, uint64_t there_at, uint64_t length)
{
    uint8_t *bytes = malloc(2 * COMPARE_CHUNK);
    if (!bytes)
        return -1;
    int same = 1;
    for (uint64_t done = 0; same == 1 && done < length;) {
        size_t chunk = length - done < COMPARE_CHUNK ? (size_t)(length - done) : COMPARE_CHUNK;
        same = read_exactly(here, bytes, chunk, here_at + done);
        if (same == 1)
            same = read_exactly(there, bytes + COMPARE_CHUNK, chunk, there_at + done);
        if (same == 1)
            same = memcmp(bytes, bytes + COMPARE_CHUNK, chunk) == 0;
        done += chunk;
    }
    free(bytes);
    return same;
}

/* Whether the stored file is the same instance: SOP class, SOP instance, transfer syntax (the header
 * between group length and identity_end) and data set. Who sent it may differ. */
static int same_instance(const p104_part *part, int ours, int stored)
{
    struct stat about;
    uint8_t header[1024];
    size_t identity = part->identity_end < sizeof header ? part->identity_end : sizeof header;
    if (fstat(stored, &about) < 0)
        return -1;
    int there = read_exactly(stored, header, identity, 0);
    if (there != 1)
        return there;
    if (memcmp(header + GROUP_AT, part->header + GROUP_AT, identity - GROUP_AT) != 0)
        return 0;
    uint64_t data_set_at = GROUP_AT + (uint64_t)group_length(header);
    uint64_t length = part->size - part->header_length;
    if ((uint64_t)about.st_size != data_set_at + length)
        return 0;
    return same_bytes(ours, part->header_length, stored, data_set_at, length);
}

/* Compare with the file under the final name: 1 same, 0 other bytes, 2 no such file, -1 with errno. */
static int compare_final(const p104_part *part)
{
    file_name name = final_name(part);
    int stored = open_at(shelf_of(part), name.text, O_RDONLY | O_NOFOLLOW);
    if (stored < 0)
        return errno == ENOENT ? 2 : -1;
    name = part_name(part);
    int ours = open_at(part->folders->parts, name.text, O_RDONLY);
    int same = ours < 0 ? -1 : same_instance(part, ours, stored);
    if (same == 1 && part->durable && sync_data(stored))
        same = -1;
    int failure = errno;
    close(stored);
    if (ours >= 0)
        close(ours);
    errno = failure;
    return same;
}

int p104_part_compare(p104_part *part)
{
    while (!part->duplicate) {
        int same = compare_final(part);
        if (same < 0)
            return errno;
        if (same == 2)
            return 0;
        if (same == 1) {
            part->duplicate = 1;
            p104_part_discard(part);
        } else if (part->overwrite) {
            part->replaced = 1;
            return 0;
        } else if (part->copy++ == P104_COPY_LIMIT) {
            return EEXIST; /* somebody re-sends one UID with ever new bytes */
        }
    }
    return 0;
}

/* rename without replacing, also on file systems that lack RENAME_NOREPLACE. 0 or -1 with errno. */
static int rename_to_new(int from_folder, const char *from, int to_folder, const char *to)
{
    if (renameat2(from_folder, from, to_folder, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(from_folder, from, to_folder, to, 0) < 0)
        return -1;
    unlink_at(from_folder, from); /* a failure leaves a part file, removed at the next start */
    return 0;
}

int p104_part_settle(p104_part *part)
{
    file_name from = part_name(part);
    while (!part->duplicate) {
        file_name to = final_name(part);
        int result = part->replaced
            ? renameat(part->folders->parts, from.text, shelf_of(part), to.text)
            : rename_to_new(part->folders->parts, from.text, shelf_of(part), to.text);
        if (result == 0) {
            part->on_disk = 0;
            part->created = !part->replaced;
            return 0;
        }
        if (errno == EINTR)
            continue;
        if (errno != EEXIST)
            return errno;
        int failure = p104_part_compare(part);
        if (failure)
            return failure;
    }
    return 0;
}

void p104_part_withdraw(p104_part *part)
{
    if (part->created) {
        file_name name = final_name(part);
        unlink_at(shelf_of(part), name.text);
        part->created = 0;
    }
}
