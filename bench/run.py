"""Measures receivers side by side in one run: the same sender, A B A B, medians and ratios.

Every cell is (instance size, associations). In each round every receiver serves every cell, started anew and
with its files deleted afterwards, in an order that rotates: whoever writes to a RAM disk first finds
its pages touched. Absolute figures belong to the machine; the ratios are what is claimed.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from receivers import Receiver, dcmtk, floor, port104, running

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "bench"
KIB, MIB = 1024, 1024 * 1024
Figures = dict[str, float]


class Cell(NamedTuple):
    """What is sent: `instances` over each association."""

    size: int
    associations: int
    instances: int

    @property
    def name(self) -> str:
        """For tables."""
        size = f"{self.size // MIB} MiB" if self.size >= MIB else f"{self.size // KIB} KiB"
        return f"{size} x {self.associations}"


FULL = [
    Cell(8 * KIB, 1, 4000),
    Cell(8 * KIB, 8, 1000),
    Cell(8 * KIB, 32, 400),
    Cell(8 * KIB, 200, 60),
    Cell(512 * KIB, 1, 1000),
    Cell(512 * KIB, 8, 200),
    Cell(512 * KIB, 32, 60),
    Cell(512 * KIB, 200, 10),
    Cell(32 * MIB, 1, 20),
    Cell(32 * MIB, 8, 4),
]
QUICK = [Cell(8 * KIB, 1, 3000), Cell(8 * KIB, 32, 200), Cell(512 * KIB, 1, 600), Cell(512 * KIB, 32, 30)]


def compile_programs() -> None:
    """Compile sender and floor into build/bench."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("sender", "floor"):
        flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
        command = [os.environ.get("CC", "cc"), *flags, str(HERE / f"{name}.c"), "-o", str(BUILD / name)]
        subprocess.run(command, check=True)


def send(port: int, cell: Cell, window: int) -> Figures:
    """Run the sender once; its report."""
    arguments = ["127.0.0.1", port, "PORT104", cell.associations, cell.size, cell.instances, window]
    command = [str(BUILD / "sender"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{cell.name}: {done.stderr.strip()}")
    figures: Figures = json.loads(done.stdout)
    if figures["failures"]:
        raise RuntimeError(f"{cell.name}: {figures['failures']} instances were refused")
    return figures


def measure(receiver: Receiver, cell: Cell, folder: Path, window: int) -> Figures:
    """Start the receiver, warm it up with a tenth of the load, and measure the cell."""
    with running(receiver, folder) as started:
        send(started.port, cell._replace(instances=max(1, cell.instances // 10)), window)
        before = started.cpu_seconds()
        figures = send(started.port, cell, window)
        gigabytes = figures["instances"] * cell.size / 1e9
        figures["cpu_seconds_per_gigabyte"] = (started.cpu_seconds() - before) / gigabytes
        figures["peak_rss_mib"] = started.peak_rss() / MIB
    return figures


def run(
    receivers: list[Receiver], cells: list[Cell], rounds: int, folder: Path, window: int
) -> dict[str, Any]:
    """Every receiver in every cell, `rounds` times: {cell: {receiver: [figures]}}."""
    results: dict[str, Any] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for cell in cells:
            turn = number % len(receivers)
            for receiver in receivers[turn:] + receivers[:turn]:
                if receiver.name == "floor" and cell.associations > 1:
                    continue  # one process serves one connection at a time
                results[cell.name][receiver.name].append(measure(receiver, cell, folder, window))
                print(f"round {number + 1}/{rounds}, {cell.name}, {receiver.name}", file=sys.stderr)
    return results


def medians(results: dict[str, Any]) -> dict[str, dict[str, Figures]]:
    """The median of each figure over the rounds."""
    return {
        cell: {
            receiver: {name: statistics.median(one[name] for one in runs) for name in runs[0]}
            for receiver, runs in by_receiver.items()
        }
        for cell, by_receiver in results.items()
    }


def table(figures: dict[str, dict[str, Figures]]) -> str:
    """Markdown: a row for each cell and receiver, with the ratio to port104 (os)."""
    lines = [
        (
            "| instance x associations | receiver | instances/s | port104 is "
            "| MB/s | p50 ms | p99 ms | CPU-s/GB | peak MiB |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell, by_receiver in figures.items():
        ours = by_receiver["port104 (os)"]["instances_per_second"]
        for receiver, one in by_receiver.items():
            lines.append(
                f"| {cell} | {receiver} | {one['instances_per_second']:,.0f} "
                f"| {ours / one['instances_per_second']:.2f} x | {one['megabytes_per_second']:,.0f} "
                f"| {one['p50_us'] / 1000:.2f} | {one['p99_us'] / 1000:.2f} "
                f"| {one['cpu_seconds_per_gigabyte']:.2f} | {one['peak_rss_mib']:.0f} |"
            )
    return "\n".join(lines)


def machine() -> str:
    """What it ran on."""
    system = f"{platform.system()} {platform.release()}"
    return f"{system}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Parse the command line, run, and write bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part, in some two minutes")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 3")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="where receivers write")
    parser.add_argument(
        "--window", type=int, default=1, help="outstanding operations that the sender proposes"
    )
    arguments = parser.parse_args()
    compile_programs()
    everyone = [floor(BUILD, forks=False), floor(BUILD, forks=True), dcmtk(), port104("os"), port104("sync")]
    receivers = [one for one in everyone if shutil.which(one.program)]
    for left_out in sorted({one.name for one in everyone} - {one.name for one in receivers}):
        print(f"left out, not installed: {left_out}", file=sys.stderr)
    cells = QUICK if arguments.quick else FULL
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    results = run(receivers, cells, rounds, arguments.folder, arguments.window)
    setting = f"{machine()}; {rounds} rounds, medians; files under {arguments.folder}"
    report = f"{setting}\n\n{table(medians(results))}\n"
    output = HERE / "results"
    output.mkdir(exist_ok=True)
    (output / "results.md").write_text(report)
    (output / "results.json").write_text(json.dumps({"machine": machine(), "cells": results}, indent=1))
    print(report)


if __name__ == "__main__":
    main()
