"""Watches the storage folder's volume: the shell round space.Watermarks."""

import os
from functools import partial
from pathlib import Path

import structlog
import trio

from port104.storage.space import GIGABYTE, Room, Volume, Watermarks
from port104.storage.store import InstanceStore

log = structlog.get_logger("port104.storage")

# A fast network brings a gigabyte or two meanwhile: less than reserveSpaceGB keeps for it.
LOOK_SECONDS = 0.5


class VolumeWatch:
    """Looks at the volume twice a second, has the store refuse instances when it is full, and says so.

    Start `run` once. Nothing here waits for the disk on the event loop: a volume that hangs is not seen to
    change until it answers.
    """

    def __init__(self, store: InstanceStore, watermarks: Watermarks) -> None:
        self._store = store
        self._watermarks = watermarks
        self._blind = False
        self.volume: Volume | None = None
        """Its figures at the last look; None: they could never be read."""

    @property
    def room(self) -> Room:
        """What there was room for at the last look."""
        return self._watermarks.room

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled; started once the first look is taken."""
        await self._look()
        task_status.started()
        while True:
            await trio.sleep(LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        try:
            volume = await trio.to_thread.run_sync(
                partial(read_volume, self._store.root), abandon_on_cancel=True
            )
        except OSError as failure:
            if not self._blind:
                log.warning(
                    "free space cannot be read: the last limits stay",
                    folder=str(self._store.root),
                    reason=os.strerror(failure.errno or 0),
                )
            self._blind = True
            return
        self._blind = False
        self.volume = volume
        before = self.room
        if self._watermarks.judge(volume) != before:
            self._store.refuse(on=self.room is Room.NONE)
            self._report(volume)

    def _report(self, volume: Volume) -> None:
        facts = {
            "folder": str(self._store.root),
            "free_gb": _gigabytes(volume.free),
            "volume_gb": _gigabytes(volume.size),
            "soft_limit_gb": _gigabytes(self._watermarks.limit(volume)),
            "hard_limit_gb": _gigabytes(self._watermarks.reserve),
        }
        if self.room is Room.ENOUGH:
            log.info("enough space again: associations are accepted", **facts)
        elif self.room is Room.LOW:
            log.warning(
                "space runs low: new storage associations are rejected, running ones may finish",
                **facts,
                hint=_hint(volume, self._watermarks),
            )
        else:
            log.error(
                "no space: instances are refused with A700",
                **facts,
                hint=_hint(volume, self._watermarks),
            )


def _hint(volume: Volume, watermarks: Watermarks) -> str:
    if not volume.names:
        return "the volume has no inode left: delete files, or make it anew with more"
    if volume.size <= watermarks.reserve:
        return "storage.reserveSpaceGB is as large as the volume: set it lower, or give it a larger volume"
    return (
        "free space: port104 goes on by itself; the limits are storage.watermarkPercent and"
        " storage.reserveSpaceGB"
    )


def _gigabytes(size: int) -> float:
    return round(size / GIGABYTE, 3)


def read_volume(folder: Path) -> Volume:
    """Ask the file system. Blocks on the disk; raises OSError."""
    figures = os.statvfs(folder)
    used = figures.f_blocks - figures.f_bfree
    return Volume(
        size=(used + figures.f_bavail) * figures.f_frsize,
        free=figures.f_bavail * figures.f_frsize,
        # File systems without a fixed number of inodes state none at all.
        names=figures.f_files == 0 or figures.f_favail > 0,
    )
