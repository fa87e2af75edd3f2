"""The watch on the volume: what it tells the store and the log, without a disk and without waiting."""

import errno
import os

import pytest
import trio

from port104.storage import volume
from port104.storage.space import GIGABYTE, Room, Volume, Watermarks
from port104.storage.volume import VolumeWatch, read_volume

GB = GIGABYTE


class Store:
    """Remembers what it was told."""

    def __init__(self, root):
        self.root = root
        self.refused = []

    def refuse(self, *, on):
        self.refused.append(on)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def found(store, monkeypatch):
    """What looks find, from the first to the last, which is found again and again: Volumes or OSErrors."""
    figures = []

    def read(folder):
        assert folder == store.root
        figure = figures.pop(0) if len(figures) > 1 else figures[0]
        if isinstance(figure, OSError):
            raise figure
        return figure

    monkeypatch.setattr(volume, "read_volume", read)
    return figures


@pytest.fixture
def watch(store):
    return VolumeWatch(store, Watermarks(85, 5 * GB))


@pytest.fixture
def look(watch, found):
    """Has the watch look once at a volume of 100 GB, of which so much is free, or at another figure."""

    async def look(figure):
        found[:] = [figure if isinstance(figure, Volume | OSError) else Volume(100 * GB, figure)]
        await watch._look()
        return watch.room

    return look


async def test_it_has_looked_once_it_is_started_and_looks_on(watch, store, found, nursery, autojump_clock):
    found += [Volume(100 * GB, GB), Volume(100 * GB, GB), Volume(100 * GB, 90 * GB)]
    await nursery.start(watch.run)
    assert store.refused == [True]
    while watch.room is not Room.ENOUGH:
        await trio.sleep(volume.LOOK_SECONDS)
    assert store.refused == [True, False]
    nursery.cancel_scope.cancel()


async def test_each_change_is_obeyed_and_said_once(look, store, logged):
    rooms = [await look(gb * GB) for gb in (50, 10, 10, 4, 4, 10, 50, 50)]
    enough, low, none = Room.ENOUGH, Room.LOW, Room.NONE
    assert rooms == [enough, low, low, none, none, low, enough, enough]
    assert store.refused == [False, True, False, False]
    assert [entry["log_level"] for entry in logged] == ["warning", "error", "warning", "info"]
    assert logged[1] == {
        "event": "no space: instances are refused with A700",
        "log_level": "error",
        "folder": str(store.root),
        "free_gb": 4.0,
        "volume_gb": 100.0,
        "soft_limit_gb": 15.0,
        "hard_limit_gb": 5.0,
        "hint": "free space: port104 goes on by itself; the limits are storage.watermarkPercent and"
        " storage.reserveSpaceGB",
    }


@pytest.mark.parametrize(
    ("figure", "hint"),
    [
        (Volume(5 * GB, 5 * GB), "storage.reserveSpaceGB is as large as the volume"),
        (Volume(100 * GB, 50 * GB, names=False), "no inode left"),
    ],
)
async def test_what_else_may_be_wrong_is_said(look, logged, figure, hint):
    assert await look(figure) is Room.NONE
    assert hint in logged[0]["hint"]


async def test_a_volume_that_cannot_be_read_changes_nothing(look, store, logged):
    assert await look(OSError(errno.EIO, "")) is Room.ENOUGH
    assert await look(4 * GB) is Room.NONE
    for _ in range(2):
        assert await look(OSError(errno.EIO, "")) is Room.NONE
    assert store.refused == [True]
    assert [entry["log_level"] for entry in logged] == ["warning", "error", "warning"]
    assert logged[0]["reason"] == os.strerror(errno.EIO)


def test_a_real_volume_is_read_as_df_reads_it(tmp_path):
    figures = os.statvfs(tmp_path)
    found = read_volume(tmp_path)
    assert 0 < found.free <= found.size
    assert found.size <= figures.f_blocks * figures.f_frsize
    assert found.names
