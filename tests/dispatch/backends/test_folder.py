"""Drops appear whole, once, whatever happens in between."""

import contextlib
import errno
import os
import stat
from pathlib import Path

import msgspec
import pytest
import trio

from port104.dispatch.backends import folder as folder_room
from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.folder import FolderBackend, name_of
from port104.registry.entries import Pipeline

NAME = "covidaet-covid-20261129213000-00000000000000a1"


@pytest.fixture
def inbox(tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return inbox


@pytest.fixture
def dropped(run, folder, inbox, cancel):
    async def drop(**settings):
        pipeline = Pipeline(name="covid", id="p-1", folder=str(inbox), **settings)
        with trio.fail_after(20):
            return await FolderBackend().run(run, pipeline, folder, cancel)

    return drop


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def is_whole(drop):
    assert names(drop) == ["dcm", "manifest.json"]
    assert (drop / "dcm" / "1.2.3.dcm").read_bytes() == b"an instance"
    return True


async def test_a_drop_has_all_of_the_payload(run, dropped, folder, inbox):
    assert await dropped() == Ending("succeeded")
    assert names(inbox) == [NAME] == [name_of(run)]
    assert is_whole(inbox / NAME)
    assert (inbox / NAME / "dcm" / "1.2.3.dcm").samefile(folder / "dcm" / "1.2.3.dcm")


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
async def test_where_there_is_no_link_there_is_a_copy(dropped, folder, inbox, monkeypatch, number):
    def refuse(self, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert await dropped() == Ending("succeeded")
    assert is_whole(inbox / NAME)
    assert not (inbox / NAME / "dcm" / "1.2.3.dcm").samefile(folder / "dcm" / "1.2.3.dcm")


async def test_what_is_there_is_not_dropped_again(dropped, inbox):
    await dropped()
    there = (inbox / NAME).stat().st_ino
    assert await dropped() == Ending("succeeded")
    assert (inbox / NAME).stat().st_ino == there


async def test_what_was_taken_away_is_not_dropped_again(dropped, inbox):
    await dropped()
    (inbox / NAME).rename(inbox.with_name("taken"))
    assert await dropped() == Ending("succeeded")
    assert names(inbox) == []


class Killed(BaseException):
    """Stands for kill -9: what would follow does not happen."""


def steps(monkeypatch, last):
    """Let `last` of the calls that change something happen, and then nothing more."""
    left = iter([True] * last)

    def until_killed(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **named):
            if not next(left, False):
                raise Killed
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, call)

    for name in ("mkdir", "hardlink_to", "touch", "rename"):
        until_killed(Path, name)
    until_killed(folder_room, "sync")
    monkeypatch.setattr(folder_room.shutil, "rmtree", lambda *_, **__: None)


@pytest.mark.parametrize("last", range(12))
async def test_whatever_was_done_before_a_kill_it_appears_once_and_whole(dropped, inbox, last):
    with pytest.MonkeyPatch.context() as monkeypatch:
        steps(monkeypatch, last)
        killed = False
        try:
            await dropped()
        except* Killed:
            killed = True
    assert killed == (last < 11)  # of eleven steps
    seen = [name for name in names(inbox) if not name.startswith(".")]
    for name in seen:
        (inbox / name).rename(inbox.with_name("taken"))
    assert await dropped() == Ending("succeeded")
    assert names(inbox) == ([] if seen else [NAME])
    assert is_whole(inbox.with_name("taken") if seen else inbox / NAME)


async def test_two_runs_of_one_name_have_two_drops(run, folder, inbox, cancel):
    pipeline = Pipeline(name="covid", id="p-1", folder=str(inbox))
    other = msgspec.structs.replace(run, id="00000000000000a2")
    await FolderBackend().run(run, pipeline, folder, cancel)
    (folder / "dropped").unlink()
    await FolderBackend().run(other, pipeline, folder, cancel)
    assert len(names(inbox)) == 2


async def test_a_folder_that_is_not_there_is_not_made(dropped, inbox):
    inbox.rmdir()
    found = await dropped()
    assert found.outcome == "failed"
    assert found.why.startswith(f"it cannot be put into {inbox}: No such file or directory ({inbox}); make")
    assert not inbox.exists()


async def test_a_full_disk_leaves_nothing_behind(dropped, inbox, monkeypatch):
    def refuse(self, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    found = await dropped()
    assert found.outcome == "failed"
    assert found.why.startswith(f"it cannot be put into {inbox}: No space left on device")
    assert names(inbox) == []


async def test_cancelling_ends_it_between_two_files(dropped, folder, inbox, cancel, monkeypatch):
    (folder / "dcm" / "1.2.4.dcm").write_bytes(b"another")
    placed = []

    async def cancel_now():
        cancel.set()
        await trio.sleep_forever()

    def place(source, target):
        placed.append(source)
        with contextlib.suppress(trio.Cancelled):
            trio.from_thread.run(cancel_now)

    monkeypatch.setattr(folder_room, "_place", place)
    assert await dropped() == Ending("cancelled", "was cancelled")
    assert len(placed) == 1
    assert names(inbox) == []


async def test_a_time_limit_ends_it_between_two_files(dropped, inbox, monkeypatch):
    def place(source, target):
        trio.from_thread.run(trio.sleep, 600)

    monkeypatch.setattr(folder_room, "_place", place)
    found = await dropped(time_limit=0.05)
    assert found == Ending("failed", "had not been copied within its time limit of 0.05 s")
    assert names(inbox) == []


async def test_others_than_the_group_cannot_look_into_it(dropped, inbox):
    before = os.umask(0o027)
    try:
        await dropped()
    finally:
        os.umask(before)
    assert stat.S_IMODE((inbox / NAME).stat().st_mode) == 0o750
