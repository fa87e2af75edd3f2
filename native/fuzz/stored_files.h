/* stored_files.h - the files that must be there after all that an intake told of, and what is in them: for
 * fuzz_association.c, which feeds its spool. */

#ifndef P104_FUZZ_STORED_FILES_H
#define P104_FUZZ_STORED_FILES_H

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "model.h"

#include "tests/turns.h"

static const char CALLED[] = "FUZZED";
static const uint8_t ORIGIN[] = {2, 0, 0x16, 0, 'A', 'E', 4, 0, 'P', 'E', 'E', 'R'};
static const uint32_t TAGS[] = {0x00080016, 0x00080018, 0x0020000d};

/* A file that must be there, and what it holds. */
typedef struct {
    char path[64];
    const message *content; /* NULL: of one of the messages, for an overwriting one failed */
} stored_file;

typedef struct {
    const stream_model *model;
    p104_spool *spool;
    int flags; /* of every context */
    uint32_t window;
    uint64_t maximum_size; /* 0: any */
    size_t count;
    stored_file files[MESSAGES];
} stored_files;

static char root[] = "/tmp/port104-fuzz-XXXXXX";

static void remove_root(void)
{
    char command_line[100];
    snprintf(command_line, sizeof command_line, "rm -rf %s", root);
    HOLDS(system(command_line) == 0);
}

/* One for each durability, in a folder of its own, for all inputs. It is left to the end of the process. */
static p104_spool *spool_of(int durability)
{
    static p104_spool *spools[2];
    char folder[sizeof root + 2];
    int error;
    if (!spools[0] && !spools[1]) {
        HOLDS(mkdtemp(root));
        atexit(remove_root);
    }
    if (!spools[durability]) {
        snprintf(folder, sizeof folder, "%s/%d", root, durability);
        HOLDS(mkdir(folder, 0700) == 0);
        spools[durability] = p104_spool_open(folder, durability, 0, 1, TAGS, sizeof TAGS / sizeof *TAGS, &error);
        HOLDS(spools[durability]);
    }
    return spools[durability];
}

static void begin_files(stored_files *s, const stream_model *model, p104_spool *spool, int flags, uint32_t window,
                        uint64_t maximum_size)
{
    s->model = model;
    s->spool = spool;
    s->flags = flags;
    s->window = window;
    s->maximum_size = maximum_size;
    s->count = 0;
}

static int same_instance(const message *one, const message *other)
{
    return one->data_set_length == other->data_set_length
        && memcmp(one->data_set, other->data_set, one->data_set_length) == 0;
}

/* Where an instance is stored, or would be. Returns its place in the list, a new one's where it is not there yet. */
static stored_file *file_of(stored_files *s, const p104_completion *told)
{
    char path[64];
    stored_file *file = s->files;
    if (told->copy)
        snprintf(path, sizeof path, "%.2s/%s.%u.dcm", told->name, told->name, (unsigned)told->copy);
    else
        snprintf(path, sizeof path, "%.2s/%s.dcm", told->name, told->name);
    while (file < s->files + s->count && strcmp(file->path, path) != 0)
        file++;
    memcpy(file->path, path, sizeof path);
    return file;
}

/* Whether the data set, as far as it can be read, names another instance or class than its command. */
static int names_another(const stored_files *s, const message *sent)
{
    p104_picker picker;
    p104_uid uids[] = {context_of(s->model, sent->context_id)->sop_class, sent->sop_instance};
    p104_picker_start(&picker, (s->flags & P104_EXPLICIT_VR) != 0, TAGS, sizeof uids / sizeof *uids);
    p104_pick(&picker, sent->data_set, sent->data_set_length);
    for (size_t index = 0; index < sizeof uids / sizeof *uids; index++) {
        const p104_picked *picked = &picker.picked[index];
        size_t length = picked->length;
        while (length > uids[index].length && picked->value[length - 1] == 0)
            length--;
        length -= length == uids[index].length + 1 && picked->length == length && picked->value[length - 1] == ' ';
        if (picked->found
            && (length != uids[index].length || memcmp(picked->value, uids[index].bytes, length) != 0))
            return 1;
    }
    return 0;
}

static int is_too_large(const stored_files *s, const message *sent)
{
    return s->maximum_size > 0 && sent->data_set_length > s->maximum_size;
}

/* Whether a message that came before holds the same instance. */
static int came_before(const stored_files *s, const message *sent)
{
    for (const message *other = s->model->messages; other < sent; other++)
        if (other->storable && other->sop_instance.length == sent->sop_instance.length
            && memcmp(other->sop_instance.bytes, sent->sop_instance.bytes, sent->sop_instance.length) == 0
            && same_instance(other, sent))
            return 1;
    return 0;
}

/* A duplicate leaves the file as it is; where files are overwritten, one that was under way with it may have replaced by
 * now what it is a duplicate of: they were answered together, and either may come first. */
static void check_duplicate(const stored_files *s, const stored_file *file, const message *sent)
{
    int same = !file->content || same_instance(file->content, sent);
    HOLDS(same || (s->flags & P104_OVERWRITE && s->window > 1 && came_before(s, sent)));
}

static void take_stored(stored_files *s, const p104_completion *told, const message *sent)
{
    stored_file *file = file_of(s, told);
    int was_there = file < s->files + s->count;
    HOLDS(told->status == 0 && told->error == 0 && !is_too_large(s, sent) && !names_another(s, sent));
    HOLDS(was_there == (told->duplicate || told->replaced));
    HOLDS(!told->replaced || (s->flags & P104_OVERWRITE));
    if (told->duplicate)
        check_duplicate(s, file, sent);
    else
        file->content = sent;
    s->count += !was_there;
}

/* For a reason: a call failed, one UID came with ever new bytes, or it is not to be kept. */
static void take_failed(stored_files *s, const p104_completion *told, const message *sent)
{
    stored_file *file = file_of(s, told);
    HOLDS(told->kind == P104_FAILED && told->status != 0 && told->error != 0);
    if (told->error == P104_TOO_LARGE)
        HOLDS(told->status == 0xa700 && is_too_large(s, sent));
    else if (told->error == P104_UIDS_DIFFER)
        HOLDS(told->status == 0xa900 && names_another(s, sent));
    else
        HOLDS(fault.failed || told->error == EEXIST);
    if (file < s->files + s->count && (s->flags & P104_OVERWRITE))
        file->content = NULL;
}

static void check_file(const stored_files *s, const stored_file *file)
{
    int instances = s->spool->folders.instances;
    static uint8_t content[P104_META_ROOM + STREAM_LIMIT];
    uint8_t header[P104_META_ROOM];
    size_t identity_end;
    const message *sent = file->content;
    int descriptor = openat(instances, file->path, O_RDONLY | O_CLOEXEC, 0);
    HOLDS(descriptor >= 0);
    ssize_t got = read(descriptor, content, sizeof content);
    close(descriptor);
    HOLDS(unlinkat(instances, file->path, 0) == 0);
    if (!sent)
        return;
    const offered_context *context = context_of(s->model, sent->context_id);
    size_t length = p104_encode_meta(header, context->sop_class, sent->sop_instance, context->transfer_syntax, ORIGIN,
                                     sizeof ORIGIN, &identity_end);
    HOLDS(got == (ssize_t)(length + sent->data_set_length));
    HOLDS(memcmp(content, header, length) == 0);
    HOLDS(sent->data_set_length == 0 || memcmp(content + length, sent->data_set, sent->data_set_length) == 0);
}

static int is_empty(int folder)
{
    int entries = 0;
    DIR *listing = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
    HOLDS(listing);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        entries += entry->d_name[0] != '.';
    closedir(listing);
    return entries == 0;
}

static int shelf_of(const stored_files *s, const message *sent)
{
    char name[P104_NAME_LENGTH + 1];
    unsigned shelf;
    p104_file_name(name, (const uint8_t *)CALLED, sizeof CALLED - 1, sent->sop_instance);
    HOLDS(sscanf(name, "%2x", &shelf) == 1);
    return s->spool->folders.shelf[shelf];
}

/* All of them, and nothing else, where the first `answered` messages were. Removes them. */
static void check_files(const stored_files *s, size_t answered)
{
    for (size_t index = 0; index < s->count; index++)
        check_file(s, &s->files[index]);
    HOLDS(is_empty(s->spool->folders.parts));
    for (size_t index = 0; index < answered; index++)
        if (s->model->messages[index].storable)
            HOLDS(is_empty(shelf_of(s, &s->model->messages[index])));
}

#endif
