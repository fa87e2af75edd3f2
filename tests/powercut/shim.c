/* shim.c - an LD_PRELOAD library that keeps a journal of every change to files and names, and of every sync.
 *
 * POWERCUT_JOURNAL names a file of the layout below, which outlives a killed process; POWERCUT_HELD a folder where
 * a file that loses its last name gets another, so that its bytes can come back. Both stand on the file system
 * whose changes count. model.py tells from the journal what a power cut could have left.
 *
 * Rules:
 * - a change of names and its record are one step, so that the journal has the order of the changes;
 * - a record comes after its change, and a sync's first record before its sync: what the journal takes for
 *   synced was complete before that sync began;
 * - nothing is synced for real: what lasts is the model's word, and rounds are quick;
 * - a change that the model does not know ends the process with a message, instead of passing unseen. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* ---- the journal; journal.py reads the same layout ---- */

enum kind { CREATE = 1, MKDIR, LINK, UNLINK, RENAME, EXCHANGE, WRITE, SYNC_BEGINS, SYNC_ENDS, CUT };

typedef struct {
    uint32_t kind;
    uint32_t unused;
    uint64_t inode;     /* changed or synced; SYNC_BEGINS: 0 is the whole file system */
    uint64_t folder;    /* inode of the folder that holds name */
    uint64_t to_folder; /* RENAME, EXCHANGE: of the folder that holds to_name */
    uint64_t offset;    /* WRITE; SYNC_ENDS: number of the record that began it */
    uint64_t length;    /* WRITE; CUT: of the file from here on */
    char name[104];
    char to_name[104];
} record;

typedef struct {
    atomic_uint_fast64_t count;
    uint64_t kill_at;           /* the process ends with this record; 0: never */
    uint64_t sync_microseconds; /* the longest that a sync takes */
    uint64_t capacity;
    uint8_t unused[sizeof(record) - 32];
    record records[];
} journal;

enum { DESCRIPTORS = 65536 };

static journal *kept;
static dev_t device;
static const char *held;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint_fast64_t written_inode[DESCRIPTORS]; /* of files that were opened for writing; else 0 */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void give_up(const char *what, const char *name)
{
    fprintf(stderr, "powercut shim: %s (%s) is not modelled: teach tests/powercut\n", what, name);
    abort();
}

static void start(void)
{
    struct stat about;
    int descriptor = (int)syscall(SYS_openat, AT_FDCWD, getenv("POWERCUT_JOURNAL"), O_RDWR | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &about) < 0)
        give_up("a journal that cannot be opened", getenv("POWERCUT_JOURNAL"));
    device = about.st_dev;
    held = getenv("POWERCUT_HELD");
    void *mapped = mmap(NULL, (size_t)about.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped == MAP_FAILED)
        give_up("a journal that cannot be mapped", getenv("POWERCUT_JOURNAL"));
    close(descriptor);
    kept = mapped;
}

/* Whether a journal is kept. Asked anew until one is: engines are forked from a process without. */
static int active(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!kept && getenv("POWERCUT_JOURNAL"))
        pthread_once(&once, start);
    return kept != NULL;
}

/* Append with the lock held. Returns the record's number. */
static uint64_t append(const record *made)
{
    uint64_t number = kept->count;
    if (number == kept->capacity)
        give_up("a journal that is full", "journal");
    kept->records[number] = *made;
    kept->count = number + 1;
    if (number + 1 == kept->kill_at) {
        syscall(SYS_kill, getpid(), SIGKILL);
        pause(); /* with the lock: nothing follows */
    }
    return number;
}

static uint64_t append_alone(const record *made)
{
    pthread_mutex_lock(&lock);
    uint64_t number = append(made);
    pthread_mutex_unlock(&lock);
    return number;
}

/* ---- names ---- */

/* Databases are not modelled: none is left after the cut, and what they held is found in the stored files. */
static int is_database(const char *path)
{
    return strstr(path, ".sqlite3") != NULL;
}

/* Tell the folder and the name in it. Returns whether it is on the journal's file system, and modelled. */
static int place(int at, const char *path, uint64_t *folder, char *name, size_t room)
{
    struct stat about;
    if (is_database(path))
        return 0;
    char parent[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(parent, sizeof parent, "%.*s/", (int)(slash - path), path);
    if (fstatat(at, parent, &about, 0) < 0 || about.st_dev != device)
        return 0;
    *folder = about.st_ino;
    const char *last = slash ? slash + 1 : path;
    if (strlen(last) >= room)
        give_up("a name so long", last);
    strcpy(name, last);
    return 1;
}

static uint64_t inode_at(int at, const char *path)
{
    struct stat about;
    return fstatat(at, path, &about, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : about.st_ino;
}

/* Give a file that is about to lose a name another one. */
static void hold(int at, const char *path)
{
    struct stat about;
    char name[PATH_MAX];
    if (fstatat(at, path, &about, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(about.st_mode))
        return;
    snprintf(name, sizeof name, "%s/%llu", held, (unsigned long long)about.st_ino);
    if (REAL(linkat)(at, path, AT_FDCWD, name, 0) < 0 && errno != EEXIST)
        give_up("a file that cannot be held", path);
}

static void note_descriptor(int descriptor, uint64_t inode)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS)
        written_inode[descriptor] = inode;
}

typedef int open_call(int, const char *, int, mode_t);

static int opened(open_call *call, int at, const char *path, int flags, mode_t mode)
{
    record made = {.kind = CREATE};
    struct stat about;
    if (!active() || ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT)))
        return call(at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int was_there = inode_at(at, path) != 0;
    int ours = place(at, path, &made.folder, made.name, sizeof made.name);
    if (ours && ((was_there && (flags & O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || (flags & O_APPEND)))
        give_up("opening so", path);
    int descriptor = call(at, path, flags, mode);
    if (descriptor >= 0 && ours && fstat(descriptor, &about) == 0) {
        made.inode = about.st_ino;
        note_descriptor(descriptor, about.st_ino);
        if (!was_there)
            append(&made);
    }
    pthread_mutex_unlock(&lock);
    return descriptor;
}

static int real_openat(int at, const char *path, int flags, mode_t mode)
{
    return REAL(openat)(at, path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPENAT_CALL(name)                                        \
    int name(int at, const char *path, int flags, ...)           \
    {                                                            \
        va_list arguments;                                       \
        va_start(arguments, flags);                              \
        mode_t mode = mode_of(flags, arguments);                 \
        va_end(arguments);                                       \
        return opened(real_openat, at, path, flags, mode);       \
    }

#define OPEN_CALL(name)                                             \
    int name(const char *path, int flags, ...)                      \
    {                                                               \
        va_list arguments;                                          \
        va_start(arguments, flags);                                 \
        mode_t mode = mode_of(flags, arguments);                    \
        va_end(arguments);                                          \
        return opened(real_openat, AT_FDCWD, path, flags, mode);    \
    }

OPEN_CALL(open)
OPEN_CALL(open64)
OPENAT_CALL(openat)
OPENAT_CALL(openat64)

int mkdirat(int at, const char *path, mode_t mode)
{
    record made = {.kind = MKDIR};
    if (!active())
        return REAL(mkdirat)(at, path, mode);
    pthread_mutex_lock(&lock);
    int result = REAL(mkdirat)(at, path, mode);
    int error = errno;
    if (result == 0 && place(at, path, &made.folder, made.name, sizeof made.name)) {
        made.inode = inode_at(at, path);
        append(&made);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    record made = {.kind = LINK};
    if (!active())
        return REAL(linkat)(from_at, from, to_at, to, flags);
    pthread_mutex_lock(&lock);
    int result = REAL(linkat)(from_at, from, to_at, to, flags);
    int error = errno;
    if (result == 0 && place(to_at, to, &made.folder, made.name, sizeof made.name)) {
        made.inode = inode_at(to_at, to);
        append(&made);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *path, int flags)
{
    record made = {.kind = UNLINK};
    if (!active())
        return REAL(unlinkat)(at, path, flags);
    pthread_mutex_lock(&lock);
    int ours = place(at, path, &made.folder, made.name, sizeof made.name);
    if (ours)
        hold(at, path);
    int result = REAL(unlinkat)(at, path, flags);
    int error = errno;
    if (result == 0 && ours)
        append(&made);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    record made = {.kind = flags & RENAME_EXCHANGE ? EXCHANGE : RENAME};
    if (!active())
        return REAL(renameat2)(from_at, from, to_at, to, flags);
    pthread_mutex_lock(&lock);
    int ours = place(from_at, from, &made.folder, made.name, sizeof made.name)
        && place(to_at, to, &made.to_folder, made.to_name, sizeof made.to_name);
    made.inode = inode_at(from_at, from);
    int same = made.inode == inode_at(to_at, to); /* rename of one file onto itself does nothing */
    if (ours && made.kind == RENAME)
        hold(to_at, to);
    int result = REAL(renameat2)(from_at, from, to_at, to, flags);
    int error = errno;
    if (result == 0 && ours && !same)
        append(&made);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    return renameat2(from_at, from, to_at, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- bytes ---- */

/* The inode of a file of the journal's file system that was opened for writing, or 0. */
static uint64_t written(int descriptor)
{
    struct stat about;
    if (!active() || descriptor < 0 || descriptor >= DESCRIPTORS || !written_inode[descriptor])
        return 0;
    /* Descriptors are closed and used again without a word. */
    int same = fstat(descriptor, &about) == 0 && about.st_dev == device && S_ISREG(about.st_mode)
        && about.st_ino == written_inode[descriptor];
    return same ? about.st_ino : 0;
}

static ssize_t note_write(int descriptor, ssize_t result)
{
    uint64_t inode = result > 0 ? written(descriptor) : 0;
    if (inode) {
        off_t end = lseek(descriptor, 0, SEEK_CUR);
        append_alone(&(record){.kind = WRITE,
                               .inode = inode,
                               .offset = (uint64_t)(end - result),
                               .length = (uint64_t)result});
    }
    return result;
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    return note_write(descriptor, REAL(write)(descriptor, bytes, length));
}

ssize_t writev(int descriptor, const struct iovec *vector, int count)
{
    return note_write(descriptor, REAL(writev)(descriptor, vector, count));
}

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags)
{
    if (to_at && written(to))
        give_up("splice", "to an offset");
    return note_write(to, REAL(splice)(from, from_at, to, to_at, length, flags));
}

static ssize_t note_write_at(int descriptor, ssize_t result, off_t at)
{
    uint64_t inode = result > 0 ? written(descriptor) : 0;
    if (inode)
        append_alone(
            &(record){.kind = WRITE, .inode = inode, .offset = (uint64_t)at, .length = (uint64_t)result});
    return result;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t at)
{
    return note_write_at(descriptor, REAL(pwrite)(descriptor, bytes, length, at), at);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t at)
{
    return note_write_at(descriptor, REAL(pwrite64)(descriptor, bytes, length, at), at);
}

static int note_cut(int descriptor, int result, off_t length)
{
    uint64_t inode = result == 0 ? written(descriptor) : 0;
    if (inode)
        append_alone(&(record){.kind = CUT, .inode = inode, .length = (uint64_t)length});
    return result;
}

int ftruncate(int descriptor, off_t length)
{
    return note_cut(descriptor, REAL(ftruncate)(descriptor, length), length);
}

int ftruncate64(int descriptor, off64_t length)
{
    return note_cut(descriptor, REAL(ftruncate64)(descriptor, length), length);
}

#define UNKNOWN_WRITE(type, name, parameters, arguments) \
    type name parameters                                 \
    {                                                    \
        if (written(descriptor))                         \
            give_up(#name, "a written file");            \
        return REAL(name) arguments;                     \
    }

UNKNOWN_WRITE(ssize_t, pwritev, (int descriptor, const struct iovec *vector, int count, off_t at),
              (descriptor, vector, count, at))
UNKNOWN_WRITE(ssize_t, sendfile, (int descriptor, int from, off_t *at, size_t length),
              (descriptor, from, at, length))
UNKNOWN_WRITE(ssize_t, copy_file_range,
              (int from, off64_t *from_at, int descriptor, off64_t *at, size_t length, unsigned flags),
              (from, from_at, descriptor, at, length, flags))
UNKNOWN_WRITE(int, fallocate, (int descriptor, int mode, off_t at, off_t length), (descriptor, mode, at, length))
UNKNOWN_WRITE(int, sync_file_range, (int descriptor, off64_t at, off64_t length, unsigned flags),
              (descriptor, at, length, flags))

/* ---- syncs ---- */

/* A sync that takes some time, for others to be written meanwhile and for the end to come in its midst. */
static void synced(uint64_t inode)
{
    uint64_t began = append_alone(&(record){.kind = SYNC_BEGINS, .inode = inode});
    uint64_t microseconds = kept->sync_microseconds * (began % 8) / 8;
    struct timespec pause_for = {.tv_nsec = (long)microseconds * 1000};
    if (microseconds > 0)
        nanosleep(&pause_for, NULL);
    append_alone(&(record){.kind = SYNC_ENDS, .inode = inode, .offset = began});
}

static int sync_file(int (*call)(int), int descriptor)
{
    struct stat about;
    if (!active() || fstat(descriptor, &about) < 0 || about.st_dev != device)
        return call(descriptor);
    synced(about.st_ino);
    return 0;
}

int fsync(int descriptor)
{
    return sync_file(REAL(fsync), descriptor);
}

int fdatasync(int descriptor)
{
    return sync_file(REAL(fdatasync), descriptor);
}

int syncfs(int descriptor)
{
    struct stat about;
    if (!active() || fstat(descriptor, &about) < 0 || about.st_dev != device)
        return REAL(syncfs)(descriptor);
    synced(0);
    return 0;
}

void sync(void)
{
    if (active())
        synced(0);
}
