"""The speed that port104 must show, as data, and whether a run showed it.

    python bench/targets.py [RESULTS.JSON]

prints the table for results of an earlier run.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from figures import Key, Measurement, Table

OS, SYNC = "port104 (os)", "port104 (sync)"
DCMTK, FLOOR, FORKING_FLOOR = "DCMTK storescp", "floor", "floor (forking)"
SMALL = tuple(f"8 KiB x {count}" for count in (1, 8, 32, 200))
MIDDLE = tuple(f"512 KiB x {count}" for count in (1, 8, 32, 200))
LARGE = tuple(f"32 MiB x {count}" for count in (1, 8, 32))

FIGURES = {
    "instances_per_second": "instances/s",
    "p50_us": "median latency",
    "p99_us": "p99 latency",
    "cpu_seconds_per_gigabyte": "CPU-seconds per GB",
    "kib_per_idle_association": "KiB per idle association",
    "files_per_barrier": "files per barrier",
}


class Target(NamedTuple):
    """Ours by theirs in each of `cells`, at least or at most `bound`; without `theirs`, our figure itself."""

    number: int
    cells: tuple[str, ...]
    bound: float
    theirs: str | None
    ours: str = OS
    figure: str = "instances_per_second"
    at_most: bool = False
    run: str = "grid"
    place: str = "RAM disk"

    def describe(self) -> str:
        """For the table."""
        bound = f"{'at most' if self.at_most else 'at least'} {self.bound:g}"
        beside = f" x {self.theirs}" if self.theirs else ""
        run = "" if self.run == "grid" else f"{self.run}: "
        cells = self.cells[0] if len(self.cells) == 1 else f"{self.cells[0]} to {self.cells[-1]}"
        return f"{run}{cells}, {self.place}, {self.ours}: {FIGURES[self.figure]} {bound}{beside}"


TARGETS = (
    Target(1, ("512 KiB x 1",), 1.5, DCMTK),
    Target(1, ("512 KiB x 1",), 0.85, FLOOR),
    Target(1, ("512 KiB x 1",), 1.0, DCMTK, figure="p50_us", at_most=True),
    Target(1, ("512 KiB x 1",), 1.25, FLOOR, figure="cpu_seconds_per_gigabyte", at_most=True),
    Target(2, ("8 KiB x 1",), 1.5, DCMTK),
    Target(2, ("8 KiB x 32",), 2.0, DCMTK),
    Target(2, ("8 KiB x 200",), 2.0, DCMTK),
    Target(2, ("8 KiB x 1",), 0.4, FLOOR),
    Target(3, ("512 KiB x 32",), 1.25, DCMTK),
    Target(3, ("512 KiB x 32",), 0.8, FORKING_FLOOR),
    Target(3, ("512 KiB x 32",), 0.5, DCMTK, figure="p99_us", at_most=True),
    Target(4, ("32 MiB x 1",), 0.9, FLOOR),
    Target(5, MIDDLE, 20.0, "pynetdicom (default)"),
    Target(5, SMALL, 30.0, "pynetdicom (default)"),
    Target(5, SMALL + MIDDLE, 5.0, "Orthanc"),
    Target(5, ("8 KiB x 1", "512 KiB x 1", "32 MiB x 1"), 1.0, "dicom-rs"),
    Target(5, SMALL + MIDDLE + LARGE, 1.0, "dicom-rs (non-blocking)"),
    Target(5, SMALL + MIDDLE + LARGE, 1.0, "dcm4che storescp"),
    Target(6, ("8 KiB x 32", "512 KiB x 32"), 0.8, DCMTK, ours=SYNC, place="disk"),
    # The issue gives no figure; a group of two halves the syncs.
    Target(6, ("8 KiB x 32",), 2.0, None, ours=SYNC, place="disk", figure="files_per_barrier"),
    Target(7, ("8 KiB x 8", "512 KiB x 8"), 0.95, "alone", ours="beside idle", run="idle"),
    Target(
        7, ("8 KiB x 8",), 64.0, None, ours="beside idle", run="idle",
        figure="kib_per_idle_association", at_most=True,
    ),
    Target(9, ("8 KiB x 1", "8 KiB x 32", "512 KiB x 1", "512 KiB x 32"), 1.0, "DCMTK storescp +tls",
           ours="port104 (TLS)", run="tls"),
    # On a RAM disk a sync costs nothing, and leaves the window nothing to hide.
    Target(8, ("8 KiB x 1",), 3.0, "window 1", ours="window 16", run="window", place="disk"),
)  # fmt: skip


class Verdict(NamedTuple):
    """The worst cell's value; `missing` are the cells of the target that were not measured."""

    target: Target
    measured: float | None
    cell: str
    missing: tuple[str, ...]

    @property
    def word(self) -> str:
        """Held, missed or not measured; where only some cells were measured, of those."""
        if self.measured is None:
            return "not measured"
        held = (
            self.measured <= self.target.bound if self.target.at_most else self.measured >= self.target.bound
        )
        word = "held" if held else "**missed**"
        absent = f", not measured in {len(self.missing)} of {len(self.target.cells)} cells"
        return word + absent if self.missing else word


def judge(target: Target, table: Table) -> Verdict:
    """Take the worst of its cells."""
    values = {cell: value for cell in target.cells if (value := _value(target, cell, table)) is not None}
    missing = tuple(cell for cell in target.cells if cell not in values)
    if not values:
        return Verdict(target, None, "", missing)
    worst = (max if target.at_most else min)(values, key=lambda cell: values[cell])
    return Verdict(target, values[worst], worst, missing)


def _value(target: Target, cell: str, table: Table) -> float | None:
    ours = Key(target.run, target.place, cell, target.ours)
    if target.theirs is None:
        return table.median(ours, target.figure)
    return table.ratio(ours, ours._replace(receiver=target.theirs), target.figure)


def markdown(table: Table, targets: Sequence[Target] = TARGETS) -> str:
    """A row for each target: what it asks, what was measured, whether it holds."""
    lines = ["| | target | measured | |", "|---|---|---|---|"]
    for target in targets:
        verdict = judge(target, table)
        measured = "" if verdict.measured is None else f"{verdict.measured:.2f}"
        worst = f" ({verdict.cell})" if len(target.cells) > 1 and verdict.cell else ""
        lines.append(f"| {target.number} | {target.describe()} | {measured}{worst} | {verdict.word} |")
    return "\n".join(lines)


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("results") / "results.json"
    print(markdown(Table(Measurement(**one) for one in json.loads(file.read_text())["measurements"])))
