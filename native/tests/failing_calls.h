/* failing_calls.h - calls of the native sources that are made to fail: the nth of one function, or of all.
 *
 * For programs that are linked with --wrap for each of these (CALLS in the Makefile); for one thread. */

#ifndef P104_FAILING_CALLS_H
#define P104_FAILING_CALLS_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>

/* Of the calls that are counted, so many succeed, then one fails. */
static struct {
    const char *name; /* of the function whose calls are counted; NULL: of each */
    long successes;   /* -1: none fails */
    int error;
    long met; /* calls since it was armed */
    int failed; /* the call that was to fail was made */
} fault = {.successes = -1};

static inline void arm(const char *name, long successes, int error)
{
    fault.name = name;
    fault.successes = successes;
    fault.error = error;
    fault.met = 0;
    fault.failed = 0;
}

static inline void disarm(void)
{
    fault.successes = -1;
}

static int fails(const char *name)
{
    if (fault.successes < 0 || (fault.name && strcmp(fault.name, name) != 0))
        return 0;
    if (fault.met++ != fault.successes)
        return 0;
    fault.failed = 1;
    errno = fault.error;
    return 1;
}

#define CALL(type, failure, name, parameters, arguments)            \
    type __real_##name parameters;                                  \
    type __wrap_##name parameters;                                  \
    type __wrap_##name parameters                                   \
    {                                                               \
        return fails(#name) ? (failure) : __real_##name arguments;  \
    }

CALL(void *, NULL, malloc, (size_t size), (size))
CALL(void *, NULL, calloc, (size_t count, size_t size), (count, size))
CALL(void *, NULL, realloc, (void *old, size_t size), (old, size))

CALL(int, -1, mkdirat, (int at, const char *name, mode_t mode), (at, name, mode))
CALL(int, -1, unlinkat, (int at, const char *name, int flags), (at, name, flags))
CALL(int, -1, flock, (int descriptor, int operation), (descriptor, operation))
CALL(int, -1, fstat, (int descriptor, struct stat *about), (descriptor, about))
CALL(DIR *, NULL, fdopendir, (int descriptor), (descriptor))
CALL(struct dirent *, NULL, readdir, (DIR *folder), (folder))
CALL(int, -1, fdatasync, (int descriptor), (descriptor))
CALL(int, -1, fsync, (int descriptor), (descriptor))
CALL(int, -1, syncfs, (int descriptor), (descriptor))
CALL(int, -1, ftruncate, (int descriptor, off_t length), (descriptor, length))
CALL(int, fault.error, posix_memalign, (void **made, size_t alignment, size_t size), (made, alignment, size))
CALL(ssize_t, -1, getrandom, (void *out, size_t length, unsigned flags), (out, length, flags))
CALL(int, -1, renameat, (int from_at, const char *from, int to_at, const char *to), (from_at, from, to_at, to))
CALL(int, -1, renameat2, (int from_at, const char *from, int to_at, const char *to, unsigned flags),
     (from_at, from, to_at, to, flags))
CALL(int, -1, linkat, (int from_at, const char *from, int to_at, const char *to, int flags),
     (from_at, from, to_at, to, flags))

CALL(int, -1, eventfd, (unsigned value, int flags), (value, flags))
CALL(int, -1, epoll_create1, (int flags), (flags))
CALL(int, -1, epoll_ctl, (int epoll, int operation, int descriptor, struct epoll_event *event),
     (epoll, operation, descriptor, event))
CALL(int, -1, pipe2, (int *ends, int flags), (ends, flags))
CALL(ssize_t, -1, write, (int descriptor, const void *bytes, size_t length), (descriptor, bytes, length))
CALL(ssize_t, -1, recv, (int socket, void *out, size_t length, int flags), (socket, out, length, flags))
CALL(ssize_t, -1, send, (int socket, const void *bytes, size_t length, int flags), (socket, bytes, length, flags))

/* Half of what was asked for, where the error is COMES_SHORT. */
enum { COMES_SHORT = 0 };

ssize_t __real_writev(int descriptor, const struct iovec *vector, int count);
ssize_t __wrap_writev(int descriptor, const struct iovec *vector, int count);
ssize_t __wrap_writev(int descriptor, const struct iovec *vector, int count)
{
    if (!fails("writev"))
        return __real_writev(descriptor, vector, count);
    struct iovec half = {vector->iov_base, (vector->iov_len + 1) / 2};
    return fault.error == COMES_SHORT ? __real_writev(descriptor, &half, 1) : -1;
}

ssize_t __real_sendfile(int out, int in, off_t *from, size_t length);
ssize_t __wrap_sendfile(int out, int in, off_t *from, size_t length);
ssize_t __wrap_sendfile(int out, int in, off_t *from, size_t length)
{
    if (!fails("sendfile"))
        return __real_sendfile(out, in, from, length);
    return fault.error == COMES_SHORT ? 0 : -1;
}

ssize_t __real_pread(int descriptor, void *out, size_t length, off_t offset);
ssize_t __wrap_pread(int descriptor, void *out, size_t length, off_t offset);
ssize_t __wrap_pread(int descriptor, void *out, size_t length, off_t offset)
{
    if (!fails("pread"))
        return __real_pread(descriptor, out, length, offset);
    return fault.error == COMES_SHORT ? __real_pread(descriptor, out, (length + 1) / 2, offset) : -1;
}

ssize_t __real_pwrite(int descriptor, const void *bytes, size_t length, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *bytes, size_t length, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *bytes, size_t length, off_t offset)
{
    return fails("pwrite") ? -1 : __real_pwrite(descriptor, bytes, length, offset);
}

ssize_t __real_splice(int from, loff_t *from_at, int to, loff_t *to_at, size_t length, unsigned flags);
ssize_t __wrap_splice(int from, loff_t *from_at, int to, loff_t *to_at, size_t length, unsigned flags);
ssize_t __wrap_splice(int from, loff_t *from_at, int to, loff_t *to_at, size_t length, unsigned flags)
{
    if (!fails("splice"))
        return __real_splice(from, from_at, to, to_at, length, flags);
    length = (length + 1) / 2;
    return fault.error == COMES_SHORT ? __real_splice(from, from_at, to, to_at, length, flags) : -1;
}

static const char *told_release; /* of the kernel, instead of its own */

int __real_uname(struct utsname *out);
int __wrap_uname(struct utsname *out);
int __wrap_uname(struct utsname *out)
{
    int result = fails("uname") ? -1 : __real_uname(out);
    if (told_release)
        strncpy(out->release, told_release, sizeof out->release - 1);
    return result;
}

/* The descriptor is closed even where that fails. */
int __real_close(int descriptor);
int __wrap_close(int descriptor);
int __wrap_close(int descriptor)
{
    int closed = __real_close(descriptor);
    return fails("close") ? -1 : closed;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    return fails("open") ? -1 : __real_open(path, flags);
}

int __real_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return fails("openat") ? -1 : __real_openat(at, path, flags, mode);
}

#endif
