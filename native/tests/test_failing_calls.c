/* Each call that the spool makes, of the system or for memory, fails once, at every place where it is made. Then it tells
 * so or goes on without; what it answered with success stands whole under its name, no part file and no descriptor is
 * left, and the next association finds everything mended. */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "turns.h"

#include "buffers.h"
#include "check.h"
#include "messages.h"

enum { WINDOW = 8, SMALL = 100, LARGE = 200 * 1024, FILES = 8, COMMANDS = 4096, JOURNAL = 32 * 1024 };

static const char SYNTAX[] = "1.2.840.10008.1.2.1";
static const char CALLED[] = "PORT104";
static const char LARGE_INSTANCE[] = "1.2.4";
static const uint8_t ORIGIN[] = {2, 0, 0x16, 0, 'A', 'E', 2, 0, 'M', 'E'};
static const uint32_t TAGS[] = {0x00080018};

static char root[] = "/tmp/port104-failing-XXXXXX";
static uint8_t stream[4 * (LARGE + COMMANDS)];

static int entries_in(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    CHECK(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static int open_descriptors(void)
{
    return entries_in("/proc/self/fd");
}

static const char *below_root(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void remove_files(void)
{
    char command_line[100];
    snprintf(command_line, sizeof command_line, "rm -rf %s/*", root);
    CHECK(system(command_line) == 0);
}

static p104_spool *open_spool(int durability, size_t journal, int *error)
{
    *error = 0;
    return p104_spool_open(root, durability, journal, 2, TAGS, 1, error);
}

/* ---- opening ---- */

static void leave_a_part_file(void)
{
    int error;
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 0, &error);
    CHECK(spool);
    p104_spool_close(spool);
    int descriptor = open(below_root("parts/1.part"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(close(descriptor) == 0);
}

/* A file that was not synced by itself, and one with a ready name that it had replaced. */
static void leave_a_journal(void)
{
    static const uint8_t bytes[SMALL] = "small";
    p104_journal journal;
    p104_part part = {.size = SMALL};
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(p104_journal_open(&journal, folder) == 0 && p104_journal_prepare(&journal, folder, JOURNAL) == 0);
    memset(part.name, 'a', P104_NAME_LENGTH);
    part.descriptor = open(below_root("aside"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(write(part.descriptor, bytes, SMALL) == SMALL);
    p104_sum_start(&part.sum);
    p104_sum_add(&part.sum, bytes, SMALL);
    p104_journal_begin(&journal, 1);
    CHECK(p104_journal_add(&journal, &part) == 0 && p104_journal_write(&journal) == 0);
    close(part.descriptor);
    CHECK(unlink(below_root("aside")) == 0);
    p104_journal_close(&journal);
    close(folder);
    char name[160];
    snprintf(name, sizeof name, "parts/%016x.%.32s.%016x.%016x.replace.ready", 1, part.name, 2, 3);
    int ready = open(below_root(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(close(ready) == 0);
}

static void leave_no_journal(void)
{
    char command_line[100];
    snprintf(command_line, sizeof command_line, "rm -rf %s/journal", root);
    CHECK(system(command_line) == 0);
}

enum { EITHER = 2 };

/* The nth of these calls fails. Returns whether so many were made. */
static int open_with_a_failure(const char *name, long successes, int errno_given, int goes_on)
{
    int error;
    int before = open_descriptors();
    arm(name, successes, errno_given);
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, JOURNAL, &error);
    int met = fault.failed;
    disarm();
    CHECK(goes_on == EITHER || (spool != NULL) == (!met || goes_on));
    CHECK(spool ? error == 0 : error == errno_given);
    if (spool) {
        CHECK(entries_in(below_root("parts")) == 0);
        p104_spool_close(spool);
    }
    CHECK(open_descriptors() == before);
    return met;
}

static int test_opening(int with_journal)
{
    static const struct {
        const char *name;
        int error;
        int goes_on;
    } CALLS[] = {
        {"malloc", ENOMEM, 0}, {"calloc", ENOMEM, 0}, {"open", EACCES, 0}, {"flock", EIO, 0}, {"mkdirat", EIO, 0},
        {"mkdirat", EEXIST, 1}, {"openat", EMFILE, 0}, {"openat", EINTR, 1}, {"fsync", EIO, 0}, {"fsync", EINTR, 1},
        {"fdopendir", ENOMEM, 0}, {"readdir", EIO, 0}, {"unlinkat", EACCES, 0}, {"unlinkat", EINTR, 1},
        {"eventfd", EMFILE, 0}, {"epoll_create1", EMFILE, 0}, {"epoll_ctl", ENOSPC, 0}, {"pthread_create", EAGAIN, 0},
        {"pwrite", EIO, 0}, {"pwrite", ENOSPC, EITHER}, {"pwrite", EDQUOT, EITHER}, {"pwrite", EINTR, 1}, {"uname", EFAULT, 1}, {"close", EIO, EITHER}, {"write", EINTR, 1}, {"fstat", EIO, EITHER}, {"syncfs", EIO, 0},
        {"syncfs", EINTR, 1}, {"fdatasync", EIO, 0}, {"fdatasync", EINTR, 1}, {"pread", EIO, 0}, {"pread", EINTR, 1},
        {"pread", COMES_SHORT, 1}, {"writev", EIO, 0}, {"ftruncate", EIO, 0}, {"posix_memalign", ENOMEM, 0},
        {"getrandom", EIO, 0}, {"realloc", ENOMEM, 0}, {"openat", EINVAL, EITHER},
    };
    int cases = 0;
    for (size_t call = 0; call < sizeof CALLS / sizeof *CALLS; call++) {
        long place = 0;
        do { /* of 256 shelves, each of which is like the first, a few do */
            leave_a_part_file();
            if (with_journal)
                leave_a_journal();
            else
                leave_no_journal();
            place += place > 6 && place < 250 ? 240 : 1;
            cases++;
        } while (open_with_a_failure(CALLS[call].name, place - 1, CALLS[call].error, CALLS[call].goes_on));
    }
    return cases;
}

/* ---- one association ---- */

/* Where and how the spool works. */
typedef struct {
    int durability;
    const char *release; /* of the kernel; NULL: its own */
    int flags;
    int fed;
    size_t journal;
} way;

typedef struct {
    p104_spool *spool;
    p104_link *link;
    p104_intake *intake;
    int peer;
    int ours;
    int returned;
} association;

/* What stands under each name that was told as stored: bytes `fill`, so many. */
typedef struct {
    char name[P104_NAME_LENGTH + 1];
    int copy;
    uint8_t fill;
    uint64_t length;
} file;

static file files[FILES];
static int file_count;

/* A, the same again, other bytes under its name, and a large one with a name of its own. Lengths tell them apart. */
static size_t put_messages(uint8_t *out)
{
    size_t at = message(out, 1, INSTANCE, 'a', SMALL);
    at += message(out + at, 2, INSTANCE, 'a', SMALL);
    at += message(out + at, 3, INSTANCE, 'b', SMALL + 2);
    at += put_command(out + at, store_request(4, LARGE_INSTANCE));
    return at + put_data(out + at, LAST_DATA, 'c', LARGE);
}

static int begin(association *one, p104_spool *spool, way chosen)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    *one = (association){.spool = spool, .peer = ends[0], .ours = ends[1]};
    one->link = p104_link_new(chosen.fed ? -1 : ends[1], ends[1]);
    if (!one->link)
        return 0;
    p104_link_establish(one->link, 0);
    one->intake = p104_intake_new(spool, one->link, 1, WINDOW, 0, 0, (const uint8_t *)CALLED, sizeof CALLED - 1, ORIGIN,
                                  sizeof ORIGIN);
    return one->intake && p104_intake_allow(one->intake, 1, CLASS, SYNTAX, chosen.flags) == 0;
}

static void end(association *one)
{
    if (one->intake)
        p104_intake_free(one->intake);
    if (one->link)
        p104_link_free(one->link);
    close(one->peer);
    close(one->ours);
}

static void note_file(const p104_completion *told)
{
    file found = {.copy = told->copy, .fill = told->bytes == SMALL ? 'a' : told->bytes == LARGE ? 'c' : 'b',
                  .length = told->bytes};
    memcpy(found.name, told->name, sizeof found.name);
    int at = 0;
    while (at < file_count && (strcmp(files[at].name, found.name) != 0 || files[at].copy != found.copy))
        at++;
    CHECK(at < FILES);
    files[at] = found;
    file_count += at == file_count;
}

static void check_file(const file *expected)
{
    static uint8_t content[LARGE + P104_META_ROOM];
    char name[100];
    char suffix[8] = "";
    if (expected->copy)
        snprintf(suffix, sizeof suffix, ".%d", expected->copy);
    snprintf(name, sizeof name, "instances/%.2s/%s%s.dcm", expected->name, expected->name, suffix);
    FILE *opened = fopen(below_root(name), "rb");
    CHECK(opened);
    size_t length = fread(content, 1, sizeof content, opened);
    fclose(opened);
    CHECK(length > expected->length && memcmp(content + 128, "DICM", 4) == 0);
    for (size_t at = length - expected->length; at < length; at++)
        CHECK(content[at] == expected->fill);
}

/* A failed call that overwrote: the name holds what it held, or the new bytes, which were answered with a failure. */
static void forget_overwritten(const p104_completion *told, way chosen)
{
    if (!(chosen.flags & P104_OVERWRITE))
        return;
    for (int at = 0; at < file_count; at++)
        if (strcmp(files[at].name, told->name) == 0)
            files[at] = files[--file_count];
}

static void take_news(association *one, way chosen)
{
    p104_completion told;
    while (p104_spool_completions(one->spool, &told, sizeof told, 1).count > 0) {
        if (told.kind == P104_STORED)
            note_file(&told);
        else if (told.kind == P104_FAILED)
            forget_overwritten(&told, chosen);
        one->returned |= told.kind == P104_RETURNED;
    }
}

static void lend(association *one, way chosen, int give_up)
{
    one->returned = 0;
    p104_intake_lend(one->intake, give_up);
    run_threads(one->spool);
    take_news(one, chosen);
}

static void feed_all(association *one, way chosen, size_t length)
{
    size_t at = 0;
    while (at < length && !p104_link_errno(one->link)) {
        long taken = p104_link_feed(one->link, stream + at, length - at);
        if (taken <= 0)
            break; /* memory was short, or what came before broke off */
        at += (size_t)taken;
        lend(one, chosen, 0);
    }
    lend(one, chosen, 1);
}

/* As fast as it is read; the end follows. */
static void send_all(association *one, way chosen, size_t length)
{
    size_t at = 0;
    lend(one, chosen, 0);
    while (at < length && !one->returned) {
        ssize_t taken = write(one->peer, stream + at, length - at);
        at += taken > 0 ? (size_t)taken : 0;
        run_threads(one->spool);
        take_news(one, chosen);
    }
    shutdown(one->peer, SHUT_WR);
    run_threads(one->spool);
    take_news(one, chosen);
}

/* Store the messages; returns how many stand then. */
static int converse(p104_spool *spool, way chosen)
{
    association one;
    uint8_t *pooled = p104_buffer_take(); /* the one buffer of the pool: the association has to ask for memory */
    file_count = 0;
    if (begin(&one, spool, chosen)) {
        size_t length = put_messages(stream);
        if (chosen.fed)
            feed_all(&one, chosen, length);
        else
            send_all(&one, chosen, length);
        CHECK(one.returned);
        p104_intake_counts counts;
        p104_intake_count(one.intake, &counts);
        CHECK(counts.under_way == 0);
    }
    end(&one);
    free(pooled);
    for (int at = 0; at < file_count; at++)
        check_file(&files[at]);
    return file_count;
}

static void empty(int descriptor)
{
    DIR *folder = fdopendir(dup(descriptor));
    CHECK(folder);
    rewinddir(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.')
            CHECK(unlinkat(descriptor, entry->d_name, 0) == 0);
    closedir(folder);
}

static int shelf_of(const char *instance)
{
    char name[P104_NAME_LENGTH + 1];
    unsigned shelf;
    p104_file_name(name, (const uint8_t *)CALLED, sizeof CALLED - 1,
                   (p104_uid){(const uint8_t *)instance, strlen(instance)});
    CHECK(sscanf(name, "%2x", &shelf) == 1);
    return (int)shelf;
}

/* Of 256 shelves those that can hold something: this is done before each case. */
static void empty_folders(const p104_spool *spool)
{
    empty(spool->folders.parts);
    empty(spool->folders.shelf[shelf_of(INSTANCE)]);
    empty(spool->folders.shelf[shelf_of(LARGE_INSTANCE)]);
}

static int test_storing(way chosen)
{
    static const struct {
        const char *name;
        int error;
        int leaves_a_part; /* until the next start */
    } CALLS[] = {
        {"malloc", ENOMEM, 0}, {"calloc", ENOMEM, 0}, {"realloc", ENOMEM, 0}, {"openat", EMFILE, 0}, {"openat", EINTR, 0},
        {"writev", ENOSPC, 0}, {"writev", EINTR, 0}, {"pipe2", EMFILE, 0}, {"splice", EIO, 0}, {"splice", EINTR, 0},
        {"fdatasync", EIO, 0}, {"fdatasync", EINTR, 0}, {"fsync", EIO, 0}, {"fsync", EINTR, 0}, {"syncfs", EIO, 0},
        {"syncfs", EINTR, 0}, {"close", EIO, 0}, {"close", EINTR, 0}, {"fstat", EIO, 0}, {"pread", EIO, 0},
        {"pread", EINTR, 0}, {"pwrite", EIO, 0}, {"pwrite", EINTR, 0}, {"posix_memalign", ENOMEM, 0}, {"ftruncate", EIO, 0}, {"renameat2", EIO, 0}, {"renameat2", EINTR, 0}, {"renameat2", EINVAL, 0},
        {"renameat2", ENOSYS, 0}, {"renameat", EIO, 0}, {"renameat", EINTR, 0}, {"unlinkat", EIO, 1},
        {"unlinkat", EINTR, 0}, {"recv", ECONNRESET, 0}, {"recv", EINTR, 0}, {"recv", EAGAIN, 0}, {"send", EPIPE, 0},
        {"send", EINTR, 0}, {"send", EAGAIN, 0}, {"epoll_ctl", ENOMEM, 0}, {"epoll_wait", EINTR, 0}, {"write", EINTR, 0},
        {"write", EIO, 0}, {"writev", COMES_SHORT, 0}, {"pread", COMES_SHORT, 0}, {"splice", COMES_SHORT, 0},
    };
    int error;
    int cases = 0;
    told_release = chosen.release;
    p104_spool *spool = open_spool(chosen.durability, chosen.journal, &error);
    CHECK(spool);
    const int everything = chosen.flags & P104_OVERWRITE ? 2 : 3;
    CHECK(converse(spool, chosen) == everything);
    for (size_t call = 0; call < sizeof CALLS / sizeof *CALLS; call++) {
        int met = 1;
        for (long place = 0; met; place++) {
            empty_folders(spool);
            int before = open_descriptors();
            arm(CALLS[call].name, place, CALLS[call].error);
            converse(spool, chosen);
            met = fault.failed;
            disarm();
            CHECK(open_descriptors() == before);
            CHECK(CALLS[call].leaves_a_part || entries_in(below_root("parts")) == 0);
            cases++;
        }
    }
    empty_folders(spool);
    CHECK(converse(spool, chosen) == everything);
    p104_spool_close(spool);
    remove_files();
    told_release = NULL;
    return cases;
}

/* ---- a whole file whose final name a power cut took ---- */

static void take_back(const file *stored)
{
    static uint8_t content[P104_META_ROOM + SMALL];
    char path[100];
    char ready[160];
    p104_sum sum;
    snprintf(path, sizeof path, "instances/%.2s/%s.dcm", stored->name, stored->name);
    FILE *opened = fopen(below_root(path), "rb");
    CHECK(opened);
    size_t length = fread(content, 1, sizeof content, opened);
    fclose(opened);
    p104_sum_start(&sum);
    p104_sum_add(&sum, content, length);
    snprintf(ready, sizeof ready, "%s/parts/%016x.%s.%016zx.%016llx.keep.ready", root, 7, stored->name, length,
             (unsigned long long)p104_sum_of(&sum));
    CHECK(rename(below_root(path), ready) == 0);
}

/* Returns how many files got their name; no descriptor is left. */
static uint64_t recovered(int expected)
{
    int error;
    int before = open_descriptors();
    p104_spool_counts counts = {0};
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC, 0, &error);
    disarm();
    CHECK(spool ? error == 0 : error == expected);
    if (spool) {
        p104_spool_count(spool, &counts);
        CHECK(counts.torn == 0 && counts.recovered + counts.left == 1);
        p104_spool_close(spool);
    }
    CHECK(open_descriptors() == before);
    return counts.recovered;
}

/* The start fails, or goes on without the file; the next one gives it its name. */
static int test_finishing(void)
{
    static const struct {
        const char *name;
        int error;
    } CALLS[] = {
        {"malloc", ENOMEM}, {"realloc", ENOMEM}, {"openat", EMFILE}, {"openat", EINTR}, {"syncfs", EIO}, {"renameat2", EIO},
    };
    int error;
    int cases = 0;
    p104_spool *spool = open_spool(P104_DURABILITY_OS, 0, &error);
    CHECK(spool && converse(spool, (way){P104_DURABILITY_OS, NULL, P104_OVERWRITE, 0, 0}) == 2);
    p104_spool_close(spool);
    for (size_t call = 0; call < sizeof CALLS / sizeof *CALLS; call++) {
        long place = 0;
        int met;
        do { /* as for opening */
            take_back(&files[0]);
            arm(CALLS[call].name, place, CALLS[call].error);
            int named = recovered(CALLS[call].error) == 1;
            met = fault.failed;
            CHECK(named || met);
            CHECK(named || recovered(0) == 1);
            CHECK(entries_in(below_root("parts")) == 0);
            check_file(&files[0]);
            place += place > 6 && place < 250 ? 240 : 1;
            cases++;
        } while (met);
    }
    remove_files();
    return cases;
}

/* A peer that does not read its answers, and what queues them fails: behind a lost one no other is sent. */
static int test_sending(void)
{
    static const struct {
        const char *name;
        int error;
    } CALLS[] = {{"realloc", ENOMEM}, {"send", EPIPE}};
    for (size_t call = 0; call < sizeof CALLS / sizeof *CALLS; call++) {
        int ends[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        p104_link *link = p104_link_new(ends[0], ends[0]);
        CHECK(link);
        while (p104_link_unsent(link) == 0)
            CHECK(p104_link_send(link, stream, 1000) == 0);
        arm(CALLS[call].name, 0, CALLS[call].error);
        int result = CALLS[call].error == EPIPE ? p104_link_flush(link) : p104_link_send(link, stream, 1000);
        disarm();
        CHECK(result == -CALLS[call].error);
        CHECK(p104_link_send(link, stream, 1000) == result && p104_link_flush(link) == result);
        p104_link_free(link);
        close(ends[0]);
        close(ends[1]);
    }
    return sizeof CALLS / sizeof *CALLS;
}

int main(void)
{
    CHECK(mkdtemp(root));
    int cases = test_opening(0) + test_opening(1) + test_sending() + test_finishing();
    for (int durability = P104_DURABILITY_OS; durability <= P104_DURABILITY_SYNC; durability++)
        for (int fed = 0; fed < 2; fed++)
            for (int overwrite = 0; overwrite < 2; overwrite++)
                cases += test_storing((way){durability, NULL, overwrite ? P104_OVERWRITE : P104_EXPLICIT_VR, fed, 0});
    cases += test_storing((way){P104_DURABILITY_SYNC, "5.7.19", P104_EXPLICIT_VR, 0, JOURNAL});
    cases += test_storing((way){P104_DURABILITY_SYNC, "4.19.0", P104_EXPLICIT_VR, 0, 0});
    cases += test_storing((way){P104_DURABILITY_SYNC, "5.10.0", P104_EXPLICIT_VR, 0, JOURNAL});
    cases += test_storing((way){P104_DURABILITY_SYNC, NULL, P104_OVERWRITE, 0, JOURNAL});
    CHECK(rmdir(root) == 0);
    printf("test_failing_calls: %d cases\n", cases);
    return 0;
}
