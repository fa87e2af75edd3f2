"""Calls of libc that change a file or make it durable: those that the spool uses must pass a test's shim."""

import subprocess

_OPENING = "open open64 openat openat64 creat fopen mkdir mkdirat"
_WRITING = (
    "write pwrite pwrite64 writev pwritev pwritev2 pwritev64 sendfile splice copy_file_range fallocate"
    " posix_fallocate truncate ftruncate mmap msync"
)
_SYNCING = "fsync fdatasync sync syncfs sync_file_range"
_NAMING = "rename renameat renameat2 link linkat symlink unlink unlinkat remove"
CHANGING_CALLS = frozenset(f"{_OPENING} {_WRITING} {_SYNCING} {_NAMING}".split())


def symbols(which, library):
    """The dynamic symbols of a library: `which` is --undefined-only or --defined-only."""
    listed = subprocess.run(["nm", "-D", which, library], capture_output=True, text=True, check=True)
    return {line.split()[-1].split("@")[0] for line in listed.stdout.splitlines()}
