"""Measures receivers side by side: the same sender, A B A B, medians and ratios, into bench/results/.

Absolute figures belong to the machine; the ratios within a round are what is claimed.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cells
import machine
import plots
import report
import targets
import trials
from ballast import ballast
from cells import Cell
from dcm4che import dcm4che
from dicom_rs import dicom_rs
from figures import Measurement, Table
from orthanc import orthanc
from processes import alone, compile_programs, compile_secure_sender, prepare
from python_peer import pynetdicom
from receivers import BUILD, NotInstalledError, Receiver, dcmtk, floor, port104
from rounds import Results, run

RESULTS = Path(__file__).with_name("results")
RAM_DISK_FOLDER = Path("/dev/shm")
FOLDERS = (RAM_DISK_FOLDER, BUILD / "storage")
PARTS = ("grid", "growth", "idle", "window", "tls")

# In the order of their first round. The references are all that a quick run measures.
REFERENCES: tuple[tuple[str, Callable[[], Receiver]], ...] = (
    ("floor", lambda: floor(forks=False)),
    ("floor (forking)", lambda: floor(forks=True)),
    ("DCMTK storescp", dcmtk),
    ("port104 (os)", lambda: port104("os")),
    ("port104 (sync)", lambda: port104("sync")),
)
OTHERS: tuple[tuple[str, Callable[[], Receiver]], ...] = (
    ("Orthanc", orthanc),
    ("pynetdicom (default)", lambda: pynetdicom("default")),
    ("pynetdicom (raw)", lambda: pynetdicom("raw")),
    ("dicom-rs", lambda: dicom_rs(serves_many=False)),
    ("dicom-rs (non-blocking)", lambda: dicom_rs(serves_many=True)),
    ("dcm4che storescp", dcm4che),
)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part, in some two minutes")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 2")
    parser.add_argument(
        "--folder", type=Path, action="append", help="where receivers write; give it again for a second place"
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given again")
    parser.add_argument("--cell", action="append", help="only cells so called, such as '8 KiB x 32'")
    parser.add_argument(
        "--receiver", action="append", help="only receivers so called, such as 'port104 (os)'"
    )
    parser.add_argument(
        "--report", action="store_true", help="measure nothing; write the report of the last run anew"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the report is written to")
    return parser.parse_args()


def chosen_receivers(arguments: argparse.Namespace) -> tuple[list[Receiver], dict[str, str]]:
    """Those that take part, and of those that cannot, why."""
    receivers, left_out = [], {}
    for name, make in REFERENCES if arguments.quick else REFERENCES + OTHERS:
        if arguments.receiver and name not in arguments.receiver:
            continue
        try:
            receivers.append(make())
        except NotInstalledError as error:
            left_out[name] = str(error)
            print(f"left out: {name}: {error}", file=sys.stderr)
    return receivers, left_out


def plan(arguments: argparse.Namespace, receivers: Sequence[Receiver]) -> list[trials.Group]:
    """Everything that a round measures."""
    folders = arguments.folder or (FOLDERS[:1] if arguments.quick else FOLDERS)
    places = [machine.place(folder) for folder in folders]
    parts = arguments.part or (("grid",) if arguments.quick else PARTS)
    chosen: tuple[Cell, ...] = cells.QUICK if arguments.quick else cells.FULL
    groups = {
        "grid": trials.grid(places, chosen, receivers),
        "growth": trials.growth(places[0], receivers),
        "idle": trials.idle(places[0]),
        "window": trials.window(places),
        "tls": _secure_trials(places[0], parts),
    }
    wanted = (group for part in parts for group in groups[part] if group)
    return [group for group in wanted if not arguments.cell or group[0].cell.name in arguments.cell]


def _secure_trials(place: trials.Place, parts: Sequence[str]) -> list[trials.Group]:
    """Nothing where they are not asked for, or cannot be."""
    if "tls" not in parts:
        return []
    try:
        compile_secure_sender()
        return trials.tls(place)
    except NotInstalledError as error:
        print(f"left out: TLS: {error}", file=sys.stderr)
        return []


def _secure_receivers(groups: Sequence[trials.Group]) -> list[Receiver]:
    """Those that only the trials over TLS name."""
    return [trial.receiver for group in groups for trial in group if trial.receiver.secure]


def described(receiver: Receiver) -> dict[str, Any]:
    """What the report says of a receiver."""
    return {"version": receiver.version, "settings": receiver.settings}


def write(everything: dict[str, Any], results: Results | None, into: Path) -> None:
    """Write JSON, plots and report: after each round, so that a run cut short leaves one."""
    if results is not None:
        everything["measurements"] = [one._asdict() for one in results.measurements]
        everything["failures"] = [one._asdict() for one in results.failures]
    into.mkdir(parents=True, exist_ok=True)
    for old in into.glob("*.png"):
        old.unlink()
    (into / "results.json").write_text(json.dumps(everything, indent=1))
    drawn = plots.draw(Table(Measurement(**one) for one in everything["measurements"]), into)
    (into / "results.md").write_text(report.markdown(everything, drawn))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it all; returns what results.json holds."""
    compile_programs()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that receivers end and files go
    receivers, left_out = chosen_receivers(arguments)
    groups = plan(arguments, receivers)
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    everything: dict[str, Any] = {
        "machine": machine.describe(list({trial.place for group in groups for trial in group})),
        "began": time.strftime("%Y-%m-%d %H:%M %Z"),
        "rounds": rounds,
        "receivers": {one.name: described(one) for one in [*receivers, *_secure_receivers(groups)]},
        "left_out": left_out,
    }
    for place in {trial.place for group in groups for trial in group}:
        prepare(place.folder)
    ram_disk = machine.place(RAM_DISK_FOLDER)
    with ballast(ram_disk.folder, on_ram_disk=ram_disk.name == trials.RAM_DISK) as warm_pages:
        run(groups, rounds, warm_pages, lambda results: write(everything, results, arguments.results))
    return everything


def main() -> None:
    """Parse the command line, run, report."""
    arguments = parse()
    if arguments.report:
        everything = json.loads((arguments.results / "results.json").read_text())
        write(everything, None, arguments.results)
    else:
        with alone():
            everything = measure(arguments)
    print((arguments.results / "results.md").read_text())
    print(targets.markdown(Table(Measurement(**one) for one in everything["measurements"])))


if __name__ == "__main__":
    main()
