"""The log file is begun anew each day and when it grows too long."""

import logging
import os
from pathlib import Path

import pytest

from port104.service.rotation import RotatingLogFile

NOON = 1_800_000_000.0  # 2027-01-15, 08:00 UTC
DAY = 86_400.0


def record(text, created=NOON):
    return logging.makeLogRecord({"msg": text, "created": created})


@pytest.fixture
def begin(tmp_path: Path):
    opened = []

    def begin(maximum_size=1000, retained_files=10):
        handler = RotatingLogFile(
            tmp_path / "logs" / "a.log", maximum_size=maximum_size, retained_files=retained_files
        )
        opened.append(handler)
        return handler

    yield begin
    for handler in opened:
        handler.close()


def contents(tmp_path: Path):
    return {file.name: file.read_text() for file in sorted((tmp_path / "logs").iterdir())}


def test_a_new_file_each_day(tmp_path: Path, begin):
    handler = begin()
    for day in range(3):
        handler.emit(record(f"day {day}", NOON + day * DAY))
        handler.emit(record("more", NOON + day * DAY + 1))
    assert contents(tmp_path) == {
        "a.20270115-001.log": "day 0\nmore\n",
        "a.20270116-001.log": "day 1\nmore\n",
        "a.log": "day 2\nmore\n",
    }


def test_a_new_file_when_there_is_no_room(tmp_path: Path, begin):
    handler = begin(maximum_size=10)
    for text in ("aaaa", "bbbb", "cccc", "äää", "d" * 20, "e"):
        handler.emit(record(text))
    assert contents(tmp_path) == {
        "a.20270115-001.log": "aaaa\nbbbb\n",
        "a.20270115-002.log": "cccc\n",
        "a.20270115-003.log": "äää\n",
        "a.20270115-004.log": "d" * 20 + "\n",
        "a.log": "e\n",
    }


def test_the_oldest_files_are_deleted_and_others_left_alone(tmp_path: Path, begin):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.notes.log").write_text("mine")
    handler = begin(maximum_size=2, retained_files=2)
    for number in range(1002):
        handler.emit(record(f"{number}"))
    assert contents(tmp_path) == {
        "a.20270115-1000.log": "999\n",
        "a.20270115-1001.log": "1000\n",
        "a.log": "1001\n",
        "a.notes.log": "mine",
    }


def test_no_finished_file_may_be_kept(tmp_path: Path, begin):
    handler = begin(maximum_size=2, retained_files=0)
    for number in range(3):
        handler.emit(record(f"{number}"))
    assert contents(tmp_path) == {"a.log": "2\n"}


def test_a_later_run_goes_on_with_the_file_of_the_same_day(tmp_path: Path, begin):
    first = begin()
    first.emit(record("first"))
    first.close()
    os.utime(tmp_path / "logs" / "a.log", (NOON, NOON))
    second = begin()
    second.emit(record("second", NOON + 60))
    second.emit(record("third", NOON + DAY))
    assert contents(tmp_path) == {"a.20270115-001.log": "first\nsecond\n", "a.log": "third\n"}


def test_a_later_run_finishes_the_file_of_an_earlier_day(tmp_path: Path, begin):
    first = begin()
    first.emit(record("first"))
    first.close()
    os.utime(tmp_path / "logs" / "a.log", (NOON, NOON))
    begin().emit(record("second", NOON + DAY))
    assert contents(tmp_path) == {"a.20270115-001.log": "first\n", "a.log": "second\n"}


def test_a_failed_rotation_does_not_end_logging(tmp_path: Path, begin, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = begin(maximum_size=2)
    handler.emit(record("1"))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError("full")))
        handler.emit(record("lost"))
    handler.emit(record("2"))
    assert contents(tmp_path) == {"a.20270115-001.log": "1\n", "a.log": "2\n"}


def test_a_folder_in_the_way_is_an_error(tmp_path: Path, begin):
    (tmp_path / "logs" / "a.log").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        begin()
