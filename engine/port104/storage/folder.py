"""The storage folder itself: made where it is missing, found again after a power cut, owned by one process.

Everything here touches the disk: call it from a worker thread.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from port104.errors import FolderInUseError, StorageError


def prepare_folder(root: Path) -> None:
    """Make `root` and the folders that lead to it, and sync their names.

    Raises StorageError, which says what to do, when that fails.
    """
    try:
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as failure:
        raise StorageError(
            f"storage folder {root} cannot be made: {os.strerror(failure.errno or errno.EIO)};"
            " set storage.temporary to a folder that this user may write"
        ) from failure
    _sync_path(root)


@contextmanager
def owned(root: Path) -> Iterator[None]:
    """Be the one process that works in `root`, as an engine is while it runs (native/folders.c).

    Raises FolderInUseError, or StorageError where the folder cannot be opened.
    """
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as failure:
        raise StorageError(
            f"storage folder {root} cannot be used: {os.strerror(failure.errno or errno.EIO)};"
            " run this as the user that port104 runs as"
        ) from failure
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise FolderInUseError(f"storage folder {root} is in use by another port104: stop it") from taken
        yield
    finally:
        os.close(descriptor)


def others_may_write(root: Path) -> bool:
    """Whether every user of the machine may put `root`'s content under other names, or delete it."""
    return bool(root.stat().st_mode & stat.S_IWOTH)


def _sync_path(root: Path) -> None:
    """Sync the names that lead to `root`, up to where its file system begins.

    At every start: the one that made a folder may have been killed before it synced the name.
    """
    device: int | None = None
    for folder in (root, *root.parents):
        try:
            device = _sync_folder(folder, device)
        except PermissionError:
            return  # somebody else's folder, who made it before us
        except OSError as failure:
            raise StorageError(
                f"folder {folder} of the path to storage folder {root} cannot be synced:"
                f" {os.strerror(failure.errno or errno.EIO)}; check the disk"
            ) from failure
        if device is None:
            return


def _sync_folder(folder: Path, device: int | None) -> int | None:
    """Sync the names in `folder`; its device, or None where it is another than `device`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = os.fstat(descriptor).st_dev
        if device is not None and found != device:
            return None  # a mount point's name is no concern of ours
        os.fsync(descriptor)
    except OSError as failure:
        # A file system without syncs, or without writes that could be lost.
        if failure.errno not in (errno.EINVAL, errno.EROFS):
            raise
    finally:
        os.close(descriptor)
    return found
