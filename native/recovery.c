/* recovery.c - see recovery.h.
 *
 * It may be interrupted by the next power cut anywhere: a ready name goes only when the final name takes its place, or a
 * twin holds it, which was synced before. */

#include <stddef.h>
#include <stdint.h>

#include "meta.h"

#include "part.h"

#include "journal.h"

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

/* Names of files. */
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

/* Numbers come first in a ready name, so this is the order in which the files were begun. */
static int by_number(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void sort(name_list *list)
{
    if (list->count > 0)
        qsort(list->names, list->count, sizeof *list->names, by_number);
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

static uint8_t shelf_of(const char *name)
{
    return (uint8_t)strtoul((char[]){name[0], name[1], 0}, NULL, 16);
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
    part->shelf = shelf_of(name);
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

/* ---- the journal ---- */

typedef struct {
    const p104_folders *folders;
    name_list names; /* of the files that were written */
} restoring;

static int restore_one(void *context, p104_part *part, const uint8_t *bytes, size_t size)
{
    restoring *all = context;
    part->folders = all->folders;
    part->shelf = shelf_of(part->name);
    int failure = p104_part_restore(part, bytes, size);
    return failure ? failure : remember(&all->names, part->name);
}

int p104_restore(const p104_folders *folders, p104_journal *journal)
{
    restoring all = {.folders = folders};
    int failure = p104_journal_read(journal, restore_one, &all);
    if (failure == 0 && all.names.count > 0)
        failure = p104_sync(syncfs, folders->root);
    forget(&all.names);
    return failure ? failure : p104_journal_clear(journal);
}

/* ---- all of it ---- */

/* Whether the file of a ready name is to replace one that the journal held. That came later: after the other was
 * acknowledged, or it never was, for the journal is cleared before. */
static int is_superseded(const name_list *restored, const char *ready)
{
    p104_part part;
    uint64_t sum;
    char name[P104_NAME_LENGTH + 1] = {0};
    const char *key = name;
    read_name(ready, &part, &sum); /* it was read before */
    memcpy(name, part.name, P104_NAME_LENGTH);
    return part.overwrite && restored->count > 0
        && bsearch(&key, restored->names, restored->count, sizeof *restored->names, by_number);
}

/* Remove such files, and take them off the list. */
static int drop_superseded(const p104_folders *folders, const name_list *restored, name_list *ready)
{
    size_t kept = 0;
    int failure = 0;
    for (size_t index = 0; index < ready->count; index++) {
        char *name = ready->names[index];
        if (failure == 0 && is_superseded(restored, name)) {
            failure = p104_unlink_at(folders->parts, name) < 0 ? errno : 0;
            free(name);
        } else {
            ready->names[kept++] = name;
        }
    }
    ready->count = kept;
    return failure;
}

/* What the journal held is safe in its own files; and a twin may be from a time when instances were answered without a
 * sync. */
static int sync_and_clear(const p104_folders *folders, p104_journal *journal)
{
    int failure = p104_sync(syncfs, folders->root);
    return failure ? failure : p104_journal_clear(journal);
}

int p104_recover(const p104_folders *folders, p104_journal *journal, p104_recovered *recovered)
{
    restoring all = {.folders = folders};
    name_list ready = {0};
    memset(recovered, 0, sizeof *recovered);
    int failure = p104_journal_read(journal, restore_one, &all);
    recovered->restored = all.names.count;
    if (failure == 0)
        failure = list_ready(folders, &ready);
    sort(&ready);
    sort(&all.names);
    if (failure == 0)
        failure = drop_superseded(folders, &all.names, &ready);
    if (failure == 0 && (ready.count > 0 || all.names.count > 0))
        failure = sync_and_clear(folders, journal);
    for (size_t index = 0; failure == 0 && index < ready.count; index++)
        finish(folders, ready.names[index], recovered);
    forget(&all.names);
    forget(&ready);
    return failure;
}
