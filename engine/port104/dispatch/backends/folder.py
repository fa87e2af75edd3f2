"""Puts a run's payload into a folder of other software, which sees all of it or nothing.

Rules that this room keeps:
- it is made under a hidden name, synced, and appears by a rename;
- it appears once. Before it does, the attempt's folder says so durably: what is said there and no longer
  hidden has appeared, whether the other software has taken it away since or not;
- nothing but what bears the run's own name is touched, so that any number of engines may share a folder.
"""

import errno
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import trio

from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.cancelling import unless_cancelled
from port104.dispatch.payload import INSTANCES, MANIFEST
from port104.jobs.ledger.runs import Run
from port104.registry.entries import Pipeline
from port104.storage.syncing import sync

_READY = "dropped"
# Where a second name is not to be had: another file system, one without links, or too many names.
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)


class FolderBackend:
    """Drops each run into `pipeline.folder`. A Backend."""

    async def run(self, run: Run, pipeline: Pipeline, folder: Path, cancel: trio.Event) -> Ending:
        """Drop it, where it was not dropped before."""
        target = Path(pipeline.folder or "") / name_of(run)
        return await unless_cancelled(cancel, partial(_dropped, folder, target, pipeline.time_limit))


def name_of(run: Run) -> str:
    """What a run's drop is called: two runs may have one name, but not one ID."""
    return f"{run.name}-{run.series}"


async def _dropped(folder: Path, target: Path, time_limit: float) -> Ending:
    with trio.move_on_after(time_limit or float("inf")):
        try:
            await trio.to_thread.run_sync(drop, folder, target)
        except OSError as failure:
            return Ending(
                "failed",
                f"it cannot be put into {target.parent}: {failure.strerror} ({failure.filename or target});"
                " make the folder where it is missing, and check who may write there, and its disk",
            )
        return Ending("succeeded")
    return Ending("failed", f"had not been copied within its time limit of {time_limit:g} s")


def drop(folder: Path, target: Path) -> None:
    """Put the payload in `folder` to `target`, once. Raises OSError, and trio.Cancelled between two files."""
    hidden, ready = target.with_name(f".{target.name}"), folder / _READY
    target.parent.stat()  # so that one that is missing is named
    if target.exists():
        return
    if not ready.exists():
        shutil.rmtree(hidden, ignore_errors=True)  # of an attempt that was killed
        try:
            _fill(folder, hidden)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        ready.touch()
        sync(folder)
    try:
        hidden.rename(target)
    except FileNotFoundError:
        return  # it has appeared already
    sync(target.parent)


def _fill(folder: Path, hidden: Path) -> None:
    """Make a payload like that in `folder`, durably."""
    hidden.mkdir()
    (hidden / INSTANCES).mkdir()
    for file in _files(folder):
        trio.from_thread.check_cancelled()
        _place(file, hidden / file.relative_to(folder))
    for made in (hidden / INSTANCES, hidden, hidden.parent):
        sync(made)


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted((folder / INSTANCES).iterdir())
    yield folder / MANIFEST


def _place(source: Path, target: Path) -> None:
    """Give the file a second name, or copy it where that cannot be."""
    try:
        target.hardlink_to(source)
    except OSError as failure:
        if failure.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)
        sync(target)
