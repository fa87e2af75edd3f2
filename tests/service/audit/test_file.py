"""The audit file: whole lines, begun anew, never deleted."""

import errno
import os
import stat

import pytest

from port104.service.audit.file import AuditFile

NOON = 1_800_000_000.0  # 2027-01-15, 08:00 UTC
DAY = 86_400.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit" / "trail.log"


@pytest.fixture
def begin(path):
    opened = []

    def begin(**changes):
        opened.append(AuditFile(path, **changes))
        return opened[-1]

    yield begin
    for file in opened:
        file._close()


def contents(path):
    return {file.name: file.read_bytes() for file in sorted(path.parent.iterdir())}


def test_lines_are_appended(path, begin):
    begin().append([b"one", b"two"], NOON)
    os.utime(path, (NOON, NOON))
    begin().append([b"three"], NOON)
    assert contents(path) == {"trail.log": b"one\ntwo\nthree\n"}


def test_others_may_not_read(path, begin):
    begin()
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_a_new_file_each_day_and_when_full(path, begin):
    file = begin(maximum_bytes=10)
    for text, at in ((b"aaaa", 0.0), (b"bbbb", 0.0), (b"cccc", 0.0), (b"d", DAY)):
        file.append([text], NOON + at)
    assert contents(path) == {
        "trail.20270115-001.log": b"aaaa\nbbbb\n",
        "trail.20270115-002.log": b"cccc\n",
        "trail.log": b"d\n",
    }


def test_a_file_of_an_earlier_day_is_finished(path, begin):
    begin().append([b"old"], NOON)
    os.utime(path, (NOON, NOON))
    begin().append([b"new"], NOON + DAY)
    assert contents(path) == {"trail.20270115-001.log": b"old\n", "trail.log": b"new\n"}


def test_half_a_line_of_a_killed_run_stays_by_itself(path, begin):
    path.parent.mkdir()
    path.write_bytes(b"whole\nhal")
    os.utime(path, (NOON, NOON))
    begin().append([b"next"], NOON)
    assert path.read_bytes() == b"whole\nhal\nnext\n"


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_full_disk_leaves_no_half_line(path, begin, monkeypatch, call):
    file = begin()
    file.append([b"one"], NOON)
    whole = os.write

    def fail(descriptor, data=b""):
        whole(descriptor, bytes(data[: len(data) // 2]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space"):
            file.append([b"two"], NOON)
    file.append([b"two"], NOON)
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_file_that_cannot_be_begun_anew_is_opened_again(path, begin, monkeypatch):
    file = begin(maximum_bytes=4)
    file.append([b"one"], NOON)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(OSError(errno.EMFILE, "Too many files")))
        with pytest.raises(OSError, match="Too many"):
            file.append([b"two"], NOON)
    file.append([b"two"], NOON)
    assert contents(path) == {"trail.20270115-001.log": b"one\n", "trail.log": b"two\n"}
