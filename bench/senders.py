"""Senders beside each other, to the same receivers: `port104 send`, DCMTK's dcmsend and storescu.

    senders.py [--rounds N] [--folder FOLDER]

Each sends the same files, over one association or several, with its start and its search for files. In each
round all senders of a cell run one after the other, in an order that rotates; the table has medians, and is
printed. Every run starts a receiver of its own with an empty folder.
"""

import argparse
import compileall
import shutil
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import port104 as package
from cells import KIB, WINDOW
from orthanc import orthanc
from processes import alone, prepare, running
from receivers import AE_TITLE, Receiver, dcmtk, installed, port104
from trials import in_turn

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"


class Sender(NamedTuple):
    """`command(port, files)` sends a folder of files."""

    name: str
    command: Callable[[int, Path], list[str]]
    associations: int = 1


class Work(NamedTuple):
    """So many files with pixels of so many bytes."""

    size: int
    files: int


def senders() -> list[Sender]:
    """Those that are installed with DCMTK, and our own with one association, two and four."""

    def dcmsend(port: int, files: Path) -> list[str]:
        return [installed("dcmsend"), "-nuc", "-aec", AE_TITLE, "127.0.0.1", str(port), "+sd", str(files)]

    def storescu(port: int, files: Path) -> list[str]:
        return [installed("storescu"), "-aec", AE_TITLE, "127.0.0.1", str(port), "+sd", str(files)]

    def own(associations: int) -> Callable[[int, Path], list[str]]:
        program = [sys.executable, "-m", "port104", "send", "-aec", AE_TITLE]
        return lambda port, files: [
            *program, "--associations", str(associations), "127.0.0.1", str(port), str(files)
        ]  # fmt: skip

    ours = [Sender(f"port104 send, {number}", own(number), number) for number in (1, 2, 4)]
    return [*ours, Sender("dcmsend", dcmsend), Sender("storescu", storescu)]


def make_files(folder: Path, work: Work) -> Path:
    """Write the files; returns their folder."""
    made = folder / f"port104-bench-files-{work.size}"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for number in range(work.files):
        made.joinpath(f"{number:06}.dcm").write_bytes(_file(f"1.2.3.{work.size}.{number}", work.size))
    return made


def _file(instance: str, size: int) -> bytes:
    uids = (SECONDARY_CAPTURE, instance)
    meta = b"".join(
        _element(2, number, b"UI", uid.encode())
        for number, uid in zip((2, 3, 16), (*uids, EXPLICIT), strict=True)
    )
    data_set = b"".join(
        _element(group, number, vr, value)
        for group, number, vr, value in (
            (8, 0x16, b"UI", uids[0].encode()),
            (8, 0x18, b"UI", uids[1].encode()),
            (0x20, 0x0D, b"UI", b"1.2.3.4"),
            (0x20, 0x0E, b"UI", b"1.2.3.4.5"),
        )
    )
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, size) + bytes(size)
    length = _element(2, 0, b"UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + length + meta + data_set + pixels


def _element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def measure(sender: Sender, receiver: Receiver, folder: Path, files: Path, expected: int) -> float:
    """Files a second. Raises RuntimeError where not every file was sent and stored."""
    with running(receiver, folder) as started:
        begun = time.monotonic()
        done = subprocess.run(
            sender.command(started.port, files), capture_output=True, text=True, timeout=600, check=False
        )
        seconds = time.monotonic() - begun
        stored = started.stored_files()
    if done.returncode or stored != expected:
        raise RuntimeError(
            f"{sender.name}: exit code {done.returncode}, {stored} stored\n{done.stderr[-500:]}"
        )
    return expected / seconds


def compare(folder: Path, rounds: int, plan: Sequence[tuple[Receiver, Work]]) -> None:
    """Measure, and print a row for each receiver and work."""
    who = senders()
    print("| receiver | files | " + " | ".join(sender.name for sender in who) + " |")
    print("|---" * (len(who) + 2) + "|")
    for receiver, work in plan:
        files = make_files(folder, work)
        rates: dict[str, list[float]] = {sender.name: [] for sender in who}
        for number in range(rounds):
            for sender in in_turn(who, number):
                rates[sender.name].append(measure(sender, receiver, folder, files, work.files))
        shutil.rmtree(files)
        told = " | ".join(f"{statistics.median(rates[sender.name]):,.0f}" for sender in who)
        print(f"| {receiver.name} | {work.files:,} x {work.size // KIB} KiB | {told} |", flush=True)


def main() -> None:
    """Read the command line, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))  # a RAM disk: no disk is measured
    options = parser.parse_args()
    # So many that a start takes little of it.
    many = (Work(8 * KIB, 40_000), Work(512 * KIB, 4_000))
    some = (Work(8 * KIB, 3_000), Work(512 * KIB, 1_000))
    few = (Work(8 * KIB, 200), Work(512 * KIB, 200))  # DCMTK's senders take 0.09 s for each
    plan = [
        (receiver, work)
        for receiver, works in ((port104("os", window=WINDOW), many), (orthanc(), some), (dcmtk(), few))
        for work in works
    ]
    with alone():
        prepare(options.folder)
        # As pip leaves it; a working copy may have none, and then the start is half as long again.
        compileall.compile_dir(Path(package.__file__).parent, quiet=1)
        compare(options.folder, options.rounds, plan)


if __name__ == "__main__":
    main()
