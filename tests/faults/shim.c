/* shim.c - an LD_PRELOAD library that makes file calls below one folder slow, fail or come up short.
 *
 * FILE_FAULTS_FOLDER names the folder, FILE_FAULTS_CONTROL a file of the layout below that the test
 * maps too, so that faults are switched while the server runs. Calls on other files pass through. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, SYNC = 4, RENAME = 8, LOOK = 16, UNLINK = 32, READ = 64, CLOSE = 128, LIST = 256 };

/* file_faults.py packs the same fields in the same order. */
typedef struct {
    atomic_uint armed;
    atomic_uint stalled_classes;
    atomic_uint stall_milliseconds;
    atomic_uint failing_classes;
    atomic_uint failing_errno;
    atomic_uint failing_every;  /* every nth call of the failing classes fails */
    atomic_uint failing_number; /* unless 0: the nth alone */
    atomic_uint short_writes;  /* 1: a write takes half of its bytes */
    atomic_uint interrupted;   /* 1: every other call fails with EINTR */
    atomic_uint volume_megabytes; /* unless 0: the size of the volume, as statvfs tells it */
    atomic_uint free_megabytes;   /* then: how much of it is free */
    atomic_uint main_thread_calls;
    atomic_uint calls;
    atomic_uint failing_calls; /* of the failing classes, since faults were set */
} control;

static control *faults;
static char folder[PATH_MAX];
static size_t folder_length;

static void start(void)
{
    const char *name = getenv("FILE_FAULTS_CONTROL");
    const char *below = getenv("FILE_FAULTS_FOLDER");
    if (!name || !below)
        return;
    int descriptor = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC);
    if (descriptor < 0)
        return;
    folder_length = (size_t)snprintf(folder, sizeof folder, "%s", below);
    void *mapped = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED)
        faults = mapped;
}

/* Asked anew until there are faults to obey: engines may be forked from a process without. */
static control *active(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!faults && getenv("FILE_FAULTS_CONTROL"))
        pthread_once(&once, start);
    return faults && faults->armed ? faults : NULL;
}

/* Databases are spared: a fault of the spool is to be the spool's alone. */
static int below_folder(const char *path)
{
    return strncmp(path, folder, folder_length) == 0 && !strstr(path, ".sqlite3");
}

static int descriptor_below(int descriptor)
{
    char link[64];
    char path[PATH_MAX];
    if (descriptor == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return below_folder(path);
}

static int concerned(int descriptor, const char *path)
{
    if (path && path[0] == '/')
        return below_folder(path);
    return (descriptor >= 0 || descriptor == AT_FDCWD) && descriptor_below(descriptor);
}

/* Count, stall and perhaps fail a call. Returns 0 when it shall go on, else an errno. */
static int meet(unsigned class, int descriptor, const char *path)
{
    control *now = active();
    if (!now || !concerned(descriptor, path))
        return 0;
    unsigned number = ++now->calls;
    if (getpid() == (pid_t)syscall(SYS_gettid))
        now->main_thread_calls++;
    if (now->stalled_classes & class) {
        unsigned milliseconds = now->stall_milliseconds;
        struct timespec stall = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
        nanosleep(&stall, NULL);
    }
    if (now->interrupted && number % 2 == 0)
        return EINTR;
    if (now->failing_classes & class) {
        unsigned every = now->failing_every ? now->failing_every : 1;
        unsigned only = now->failing_number;
        unsigned count = ++now->failing_calls;
        if (only ? count == only : count % every == 0)
            return (int)now->failing_errno;
    }
    return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_OR_GO_ON(class, descriptor, path)             \
    do {                                                   \
        int failure = meet((class), (descriptor), (path)); \
        if (failure) {                                     \
            errno = failure;                               \
            return -1;                                     \
        }                                                  \
    } while (0)

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN_CALL(name)                                          \
    int name(const char *path, int flags, ...)                   \
    {                                                            \
        va_list arguments;                                       \
        va_start(arguments, flags);                              \
        mode_t mode = mode_of(flags, arguments);                 \
        va_end(arguments);                                       \
        FAIL_OR_GO_ON(OPEN, AT_FDCWD, path);                           \
        return REAL(name)(path, flags, mode);                    \
    }

#define OPENAT_CALL(name)                                        \
    int name(int at, const char *path, int flags, ...)           \
    {                                                            \
        va_list arguments;                                       \
        va_start(arguments, flags);                              \
        mode_t mode = mode_of(flags, arguments);                 \
        va_end(arguments);                                       \
        FAIL_OR_GO_ON(OPEN, at, path);                           \
        return REAL(name)(at, path, flags, mode);                \
    }

OPEN_CALL(open)
OPEN_CALL(open64)
OPENAT_CALL(openat)
OPENAT_CALL(openat64)

static int shortened(int descriptor)
{
    control *now = active();
    return now && now->short_writes && descriptor_below(descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    FAIL_OR_GO_ON(WRITE, descriptor, NULL);
    if (length > 1 && shortened(descriptor))
        length /= 2;
    return REAL(write)(descriptor, bytes, length);
}

#define PWRITE_CALL(name, offset_type)                                                   \
    ssize_t name(int descriptor, const void *bytes, size_t length, offset_type offset)   \
    {                                                                                    \
        FAIL_OR_GO_ON(WRITE, descriptor, NULL);                                          \
        if (length > 1 && shortened(descriptor))                                         \
            length /= 2;                                                                 \
        return REAL(name)(descriptor, bytes, length, offset);                            \
    }

PWRITE_CALL(pwrite, off_t)
PWRITE_CALL(pwrite64, off64_t)

/* The start of what a gather-write was given, when it is to come up short. */
static struct iovec shorter(const struct iovec *vector)
{
    struct iovec first = vector[0];
    if (first.iov_len > 1)
        first.iov_len /= 2;
    return first;
}

ssize_t writev(int descriptor, const struct iovec *vector, int count)
{
    FAIL_OR_GO_ON(WRITE, descriptor, NULL);
    if (count == 0 || !shortened(descriptor))
        return REAL(writev)(descriptor, vector, count);
    struct iovec first = shorter(vector);
    return REAL(writev)(descriptor, &first, 1);
}

ssize_t pwritev(int descriptor, const struct iovec *vector, int count, off_t offset)
{
    FAIL_OR_GO_ON(WRITE, descriptor, NULL);
    if (count == 0 || !shortened(descriptor))
        return REAL(pwritev)(descriptor, vector, count, offset);
    struct iovec first = shorter(vector);
    return REAL(pwritev)(descriptor, &first, 1, offset);
}

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags)
{
    FAIL_OR_GO_ON(WRITE, to, NULL);
    if (length > 1 && shortened(to))
        length /= 2;
    return REAL(splice)(from, from_at, to, to_at, length, flags);
}

ssize_t sendfile(int to, int from, off_t *at, size_t length)
{
    FAIL_OR_GO_ON(WRITE, to, NULL);
    return REAL(sendfile)(to, from, at, length);
}

int ftruncate(int descriptor, off_t length)
{
    FAIL_OR_GO_ON(WRITE, descriptor, NULL);
    return REAL(ftruncate)(descriptor, length);
}

#define PREAD_CALL(name, offset_type)                                              \
    ssize_t name(int descriptor, void *bytes, size_t length, offset_type offset)   \
    {                                                                              \
        FAIL_OR_GO_ON(READ, descriptor, NULL);                                     \
        return REAL(name)(descriptor, bytes, length, offset);                      \
    }

PREAD_CALL(pread, off_t)
PREAD_CALL(pread64, off64_t)

/* A descriptor is closed even where that fails: what was to be written then is lost. */
int close(int descriptor)
{
    int failure = meet(CLOSE, descriptor, NULL);
    int result = REAL(close)(descriptor);
    if (failure) {
        errno = failure;
        return -1;
    }
    return result;
}

/* ---- calls that only meet a fault or pass ---- */

#define CALL_ON_DESCRIPTOR(class, name)           \
    int name(int descriptor)                      \
    {                                             \
        FAIL_OR_GO_ON(class, descriptor, NULL);   \
        return REAL(name)(descriptor);            \
    }

CALL_ON_DESCRIPTOR(SYNC, fsync)
CALL_ON_DESCRIPTOR(SYNC, fdatasync)
CALL_ON_DESCRIPTOR(SYNC, syncfs)

int sync_file_range(int descriptor, off64_t offset, off64_t length, unsigned flags)
{
    FAIL_OR_GO_ON(SYNC, descriptor, NULL);
    return REAL(sync_file_range)(descriptor, offset, length, flags);
}

#define CALL_ON_PATH(class, name, type)                    \
    int name(const char *path, type argument)              \
    {                                                      \
        FAIL_OR_GO_ON(class, AT_FDCWD, path);              \
        return REAL(name)(path, argument);                 \
    }

CALL_ON_PATH(LOOK, stat, struct stat *)
CALL_ON_PATH(LOOK, stat64, struct stat64 *)
CALL_ON_PATH(LOOK, lstat, struct stat *)
CALL_ON_PATH(LOOK, lstat64, struct stat64 *)
CALL_ON_PATH(LOOK, access, int)
CALL_ON_PATH(OPEN, mkdir, mode_t)

#define STATVFS_CALL(name, type)                                                      \
    int name(const char *path, type *figures)                                         \
    {                                                                                 \
        FAIL_OR_GO_ON(LOOK, AT_FDCWD, path);                                          \
        int result = REAL(name)(path, figures);                                       \
        control *now = active();                                                      \
        if (result == 0 && now && now->volume_megabytes && below_folder(path)) {      \
            figures->f_frsize = 1000000;                                              \
            figures->f_blocks = now->volume_megabytes;                                \
            figures->f_bfree = figures->f_bavail = now->free_megabytes;               \
        }                                                                             \
        return result;                                                                \
    }

STATVFS_CALL(statvfs, struct statvfs)
STATVFS_CALL(statvfs64, struct statvfs64)

int fstatat(int at, const char *path, struct stat *status, int flags)
{
    FAIL_OR_GO_ON(LOOK, at, path);
    return REAL(fstatat)(at, path, status, flags);
}

int fstatat64(int at, const char *path, struct stat64 *status, int flags)
{
    FAIL_OR_GO_ON(LOOK, at, path);
    return REAL(fstatat64)(at, path, status, flags);
}

DIR *opendir(const char *path)
{
    int failure = meet(LIST, AT_FDCWD, path);
    if (failure) {
        errno = failure;
        return NULL;
    }
    return REAL(opendir)(path);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    FAIL_OR_GO_ON(OPEN, at, path);
    return REAL(mkdirat)(at, path, mode);
}

#define FROM_TO_CALL(name)                         \
    int name(const char *from, const char *to)     \
    {                                              \
        FAIL_OR_GO_ON(RENAME, AT_FDCWD, to);       \
        return REAL(name)(from, to);               \
    }

FROM_TO_CALL(rename)
FROM_TO_CALL(link)

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    FAIL_OR_GO_ON(RENAME, to_at, to);
    return REAL(renameat)(from_at, from, to_at, to);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    FAIL_OR_GO_ON(RENAME, to_at, to);
    return REAL(renameat2)(from_at, from, to_at, to, flags);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    FAIL_OR_GO_ON(RENAME, to_at, to);
    return REAL(linkat)(from_at, from, to_at, to, flags);
}

int unlink(const char *path)
{
    FAIL_OR_GO_ON(UNLINK, AT_FDCWD, path);
    return REAL(unlink)(path);
}

int unlinkat(int at, const char *path, int flags)
{
    FAIL_OR_GO_ON(UNLINK, at, path);
    return REAL(unlinkat)(at, path, flags);
}
