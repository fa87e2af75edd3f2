/* recovery.c - see recovery.h.
 *
 * It may be interrupted by the next power cut anywhere: a ready name goes only when the final name takes its place, or a
 * twin holds it, which was synced before. */

#include <stddef.h>
#include <stdint.h>

#include "meta.h"

#include "part.h"

#include "recovery.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NUMBER_DIGITS = 16,
    CHUNK = 128 * 1024,
};

/* Names of ready files. */
typedef struct {
    char **names;
    size_t count;
    size_t room;
} name_list;

static void forget(name_list *list)
{
    for (size_t index = 0; index < list->count; index++)
        free(list->names[index]);
    free(list->names);
}

static int remember(name_list *list, const char *name)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        char **names = realloc(list->names, room * sizeof *names);
        if (!names)
            return ENOMEM;
        list->names = names;
        list->room = room;
    }
    list->names[list->count] = strdup(name);
    if (!list->names[list->count])
        return ENOMEM;
    list->count++;
    return 0;
}

/* Numbers come first in a name, so this is the order in which the files were begun. */
static int by_number(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* ---- names ---- */

static int ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name);
    size_t end = strlen(suffix);
    return length >= end && strcmp(name + length - end, suffix) == 0;
}

/* Read digits and the dot behind them. Returns where it goes on, or NULL. */
static const char *take_digits(const char *at, size_t digits)
{
    if (!at || strspn(at, "0123456789abcdef") != digits || at[digits] != '.')
        return NULL;
    return at + digits + 1;
}

/* Read a ready name (part.h) into part, and the sum that it states. Returns 0, or -1 where it is none. */
static int read_name(const char *text, p104_part *part, uint64_t *sum)
{
    const char *name = take_digits(text, NUMBER_DIGITS);
    const char *size = take_digits(name, P104_NAME_LENGTH);
    const char *digits = take_digits(size, NUMBER_DIGITS);
    const char *rule = take_digits(digits, NUMBER_DIGITS);
    if (!rule)
        return -1;
    part->overwrite = strcmp(rule, "replace.ready") == 0;
    if (!part->overwrite && strcmp(rule, "keep.ready") != 0)
        return -1;
    part->number = strtoull(text, NULL, 16);
    part->size = strtoull(size, NULL, 16);
    *sum = strtoull(digits, NULL, 16);
    memcpy(part->name, name, P104_NAME_LENGTH);
    part->shelf = (uint8_t)strtoul((char[]){name[0], name[1], 0}, NULL, 16);
    return 0;
}

/* ---- files ---- */

/* Sum the file; its first bytes go to start, which has P104_META_ROOM. Returns 0 or an errno. */
static int sum_file(int descriptor, p104_sum *sum, uint8_t *start)
{
    uint8_t *chunk = malloc(CHUNK);
    if (!chunk)
        return ENOMEM;
    ssize_t got;
    p104_sum_start(sum);
    do {
        got = read(descriptor, chunk, CHUNK);
        if (got > 0 && sum->length < P104_META_ROOM) {
            size_t room = P104_META_ROOM - (size_t)sum->length;
            memcpy(start + sum->length, chunk, (size_t)got < room ? (size_t)got : room);
        }
        if (got > 0)
            p104_sum_add(sum, chunk, (size_t)got);
    } while (got > 0 || (got < 0 && errno == EINTR));
    int failure = got < 0 ? errno : 0;
    free(chunk);
    return failure;
}

/* Read the file of a ready name. Returns 1 when it is what the name says, 0 when it is not, -1 with errno. */
static int read_file(const char *name, p104_part *part, uint64_t stated, uint8_t *start)
{
    int descriptor = p104_open_at(part->folders->parts, name, O_RDONLY | O_NOFOLLOW);
    if (descriptor < 0)
        return -1;
    int failure = sum_file(descriptor, &part->sum, start);
    close(descriptor);
    if (failure) {
        errno = failure;
        return -1;
    }
    size_t length = part->size < P104_META_ROOM ? (size_t)part->size : P104_META_ROOM;
    part->header = start;
    return part->sum.length == part->size && p104_sum_of(&part->sum) == stated
        && p104_measure_meta(start, length, &part->header_length, &part->identity_end) == 0;
}

static void set_aside(const p104_folders *folders, const char *name, p104_recovered *recovered)
{
    char torn[NAME_MAX + 1] = {0};
    memcpy(torn, name, strlen(name));
    memcpy(torn + strlen(name), ".torn", 5);
    if (p104_rename_at(folders->parts, name, folders->parts, torn) == 0)
        recovered->torn++;
    else
        recovered->left++;
}

/* Give one ready file its final name. */
static void finish(const p104_folders *folders, const char *name, p104_recovered *recovered)
{
    uint8_t start[P104_META_ROOM] = {0};
    uint64_t stated;
    p104_part part = {.folders = folders, .descriptor = -1, .on_disk = 1, .ready = 1, .durable = 1};
    read_name(name, &part, &stated); /* it was read before */
    int whole = read_file(name, &part, stated, start);
    if (whole == 0) {
        set_aside(folders, name, recovered);
    } else if (whole > 0 && p104_part_settle(&part) == 0) {
        recovered->finished++;
    } else {
        recovered->left++;
        recovered->last_number = part.number;
    }
}

/* Remove what was never whole, and list the rest. */
static int sort_out(const p104_folders *folders, DIR *folder, name_list *ready)
{
    p104_part part;
    uint64_t sum;
    int failure = 0;
    struct dirent *entry;
    while (failure == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        if (read_name(entry->d_name, &part, &sum) == 0)
            failure = remember(ready, entry->d_name);
        else if (entry->d_name[0] != '.' && !ends_with(entry->d_name, ".torn")
                 && p104_unlink_at(folders->parts, entry->d_name) < 0)
            failure = errno;
    }
    return failure ? failure : errno;
}

static int list_ready(const p104_folders *folders, name_list *ready)
{
    int descriptor = p104_open_at(folders->parts, ".", O_RDONLY | O_DIRECTORY);
    DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (!folder) {
        int failure = errno;
        if (descriptor >= 0)
            close(descriptor);
        return failure;
    }
    int failure = sort_out(folders, folder, ready);
    closedir(folder);
    return failure;
}

int p104_recover(const p104_folders *folders, p104_recovered *recovered)
{
    name_list ready = {0};
    memset(recovered, 0, sizeof *recovered);
    int failure = list_ready(folders, &ready);
    if (failure == 0 && ready.count > 0) {
        qsort(ready.names, ready.count, sizeof *ready.names, by_number);
        /* A twin may be from a time when instances were answered without a sync. */
        failure = p104_sync(syncfs, folders->root);
    }
    for (size_t index = 0; failure == 0 && index < ready.count; index++)
        finish(folders, ready.names[index], recovered);
    forget(&ready);
    return failure;
}
