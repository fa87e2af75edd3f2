"""The shim's journal of a process whose changes are known, and the model's word on it."""

import os
import subprocess
import sys

import port104._native
import pytest

from native_calls import CHANGING_CALLS, symbols
from powercut.chain import compile_shim
from powercut.disk import build, paths_by_inode, read_tree
from powercut.journal import Journal, Kind
from powercut.model import after_power_cut
from powercut.test_model import EVERYTHING, NOTHING

CHANGES = """
import os, sys
os.chdir(sys.argv[1])
os.mkdir("folder")
def write(name, *parts):
    with open(name, "xb", buffering=0) as file:
        for part in parts:
            file.write(part)
        os.fsync(file.fileno())
        os.writev(file.fileno(), [b"not ", b"synced"])
write("kept", b"one ", b"two ")
write("folder/moved", b"moved ")
os.rename("folder/moved", "moved")
os.link("kept", "folder/linked")
write("gone", b"gone ")
os.unlink("gone")
write("over", b"over ")
os.rename("over", "old")
names = os.open("folder", os.O_RDONLY)
os.fsync(names)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def disk(tmp_path):
    made = tmp_path / "disk"
    made.mkdir()
    (tmp_path / "held").mkdir()
    (made / "old").write_bytes(b"old")
    return made


def run(disk, library, program, *, kill_at=0):
    """Run a program under the shim; returns its exit code, what it said, and the records."""
    journal = Journal(disk.with_name("journal"), kill_at=kill_at)
    environment = {
        "LD_PRELOAD": str(library),
        "POWERCUT_JOURNAL": str(journal.path),
        "POWERCUT_HELD": str(disk.with_name("held")),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(disk)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr, journal.records()


def content(root):
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


def left(disk, before, records, adversary):
    """What stands on the disk that is built of the adversary's choice."""
    image = after_power_cut(before, records, adversary)
    target = disk.with_name("image")
    build(target, before, image, paths_by_inode(disk, disk.with_name("held")))
    return content(target)


def test_where_everything_happens_the_built_disk_is_the_real_one(disk, library):
    before = read_tree(disk)
    code, said, records = run(disk, library, CHANGES)
    assert (code, said) == (0, "")
    assert left(disk, before, records, EVERYTHING) == content(disk)


def test_bytes_and_names_that_were_synced_are_built(disk, library):
    before = read_tree(disk)
    _, _, records = run(disk, library, CHANGES + "os.fsync(os.open('.', os.O_RDONLY))\n")
    assert left(disk, before, records, NOTHING) == {
        "folder": None,
        "folder/linked": b"one two ",
        "kept": b"one two ",
        "moved": b"moved ",
        "old": b"over ",
    }


def test_names_that_were_not_synced_are_as_before(disk, library):
    """But for the one that was renamed out of a folder that was."""
    before = read_tree(disk)
    _, _, records = run(disk, library, CHANGES)
    assert left(disk, before, records, NOTHING) == {"old": b"old", "moved": b"moved "}


def test_a_start_on_a_built_disk_changes_no_other(disk):
    (disk / "old").write_bytes(bytes(100_000))
    before = read_tree(disk)
    left(disk, before, [], NOTHING)
    with (disk.with_name("image") / "old").open("r+b") as file:
        file.write(b"another, which the journal had")
    assert (disk / "old").read_bytes() == bytes(100_000)


def test_the_power_goes_with_the_record_that_was_named(disk, library):
    _, _, records = run(disk, library, CHANGES)
    for path in disk.iterdir():
        if path.is_file():
            path.unlink()
    (disk / "folder").rename(disk / "first")
    code, _, again = run(disk, library, CHANGES, kill_at=4)
    assert code == -9
    assert [record.kind for record in again] == [record.kind for record in records[:4]]
    assert again[0].kind is Kind.MKDIR


@pytest.mark.parametrize(
    "change",
    [
        "os.copy_file_range(other, file, 3)",
        "os.open(name, os.O_WRONLY | os.O_TRUNC)",
        "os.open(name, os.O_WRONLY | os.O_APPEND)",
    ],
)
def test_what_is_not_modelled_ends_the_process(disk, library, change):
    program = f"""
import os, sys
name = sys.argv[1] + "/new"
other = os.open(sys.argv[1] + "/old", os.O_RDONLY)
file = os.open(name, os.O_WRONLY | os.O_CREAT)
{change}
"""
    code, said, _ = run(disk, library, program)
    assert code == -6
    assert "not modelled" in said


def test_no_call_of_the_spool_passes_the_shim_by(library):
    asked = symbols("--undefined-only", port104._native.__file__) & CHANGING_CALLS
    assert "syncfs" in asked
    assert asked <= symbols("--defined-only", library)
