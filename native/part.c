/* part.c - see part.h. */

#include <stddef.h>
#include <stdint.h>

#include "meta.h"

#include "part.h"

#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- names ---- */

/* Room for the longest, a ready name. */
typedef struct {
    char text[160];
} file_name;

/* Written by hand: several names for each instance, and printf would cost as much as the hash in them. */
static char *put_text(char *at, const char *text)
{
    size_t length = strlen(text);
    memcpy(at, text, length + 1);
    return at + length;
}

static char *put_number(char *at, uint64_t number)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[number >> shift & 15];
    *at = 0;
    return at;
}

static file_name ready_name(const p104_part *part)
{
    file_name name;
    char *at = put_number(name.text, part->number);
    *at++ = '.';
    at = put_text(at, part->name);
    *at++ = '.';
    at = put_number(at, part->size);
    *at++ = '.';
    at = put_number(at, p104_sum_of(&part->sum));
    put_text(at, part->overwrite ? ".replace.ready" : ".keep.ready");
    return name;
}

static file_name part_name(const p104_part *part)
{
    file_name name;
    if (part->ready)
        return ready_name(part);
    put_text(put_number(name.text, part->number), ".part");
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
    part->descriptor = p104_open_at(part->folders->parts, name.text, O_RDWR | O_CREAT | O_EXCL);
    if (part->descriptor < 0)
        return errno;
    part->on_disk = 1;
    p104_sum_start(&part->sum);
    return 0;
}

int p104_part_write(p104_part *part, struct iovec *vector, int count)
{
    for (int index = 0; part->durable && index < count; index++)
        p104_sum_add(&part->sum, vector[index].iov_base, vector[index].iov_len);
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
    return p104_sync(fdatasync, part->descriptor);
}

int p104_part_read(const p104_part *part, uint8_t *bytes)
{
    uint64_t had = 0;
    while (had < part->size) {
        ssize_t got = pread(part->descriptor, bytes + had, part->size - had, (off_t)had);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : EIO;
        had += (uint64_t)got;
    }
    return 0;
}

int p104_part_make_ready(p104_part *part)
{
    file_name from = part_name(part);
    file_name to = ready_name(part);
    if (p104_rename_at(part->folders->parts, from.text, part->folders->parts, to.text) < 0)
        return errno;
    part->ready = 1;
    return 0;
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
        p104_unlink_at(part->folders->parts, name.text);
        part->on_disk = 0;
    }
}

/* ---- names that are taken ---- */

/* Compare with the file under the final name: 1 same, 0 other bytes, 2 no such file, -1 with errno. */
static int compare_final(const p104_part *part)
{
    file_name name = final_name(part);
    int stored = p104_open_at(shelf_of(part), name.text, O_RDONLY | O_NOFOLLOW);
    if (stored < 0)
        return errno == ENOENT ? 2 : -1;
    name = part_name(part);
    int ours = p104_open_at(part->folders->parts, name.text, O_RDONLY);
    int same = ours < 0 ? -1 : p104_same_instance(part, ours, stored);
    if (same == 1 && part->durable && p104_sync(fdatasync, stored))
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
    p104_unlink_at(from_folder, from); /* a failure leaves a part file, removed at the next start */
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

int p104_part_restore(const p104_part *part, const uint8_t *bytes, size_t size)
{
    file_name name = final_name(part);
    p104_part whole = {.descriptor = p104_open_at(shelf_of(part), name.text, O_WRONLY | O_CREAT | O_NOFOLLOW)};
    struct iovec vector = {(void *)bytes, size};
    if (whole.descriptor < 0)
        return errno;
    int failure = p104_part_write(&whole, &vector, 1);
    if (failure == 0 && ftruncate(whole.descriptor, (off_t)size) < 0)
        failure = errno;
    int closing = p104_part_close(&whole);
    return failure ? failure : closing;
}
