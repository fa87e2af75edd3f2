"""Runs trials in turn and keeps every figure of every round."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import psutil

from ballast import Ballast
from cells import GIB, KIB, MIB, Cell
from figures import Failure, Measurement
from processes import Running, idle, load, running
from receivers import Figures
from trials import Group, Trial, in_turn

# Warm pages for a warm-up.
WARM_UP_BYTES = GIB // 2
# For a load: as many times what it would write at the warm-up's pace, which is a cold start's. A few too
# many cost nothing within the seconds of a load; too few make a cell of two speeds.
MARGIN, LEAST_BYTES = 2.0, 2 * GIB


class Results(NamedTuple):
    """All that a run gave."""

    measurements: list[Measurement]
    failures: list[Failure]


def measure(trial: Trial, warm_pages: Ballast) -> Figures:
    """Start the receiver, warm it up, measure the cell, and see that it stored all of it."""
    secure = trial.receiver.secure
    with running(trial.receiver, trial.place.folder) as started:
        warm_pages.release(WARM_UP_BYTES)
        with load(started.port, trial.warm_up, trial.instances, trial.window, secure=secure) as opened:
            warm = opened.run()
        started.cpu_seconds_at_rest()  # before: pages cool down in the time
        warm_pages.release(need(trial.cell, warm["megabytes_per_second"] * 1e6))
        figures = _measure_beside_idle(trial, started) if trial.idle else _measure_load(trial, started)
        expected = figures["instances"] + warm["instances"]
        if started.stored_files() != expected:
            raise RuntimeError(f"{started.stored_files()} files of {expected:.0f} instances")
    return figures | started.last_words


def need(cell: Cell, pace: float) -> float:
    """Warm bytes that a load of `cell` is given, after a warm-up of `pace` bytes a second."""
    return max(MARGIN * pace * cell.seconds, cell.bytes_at_once, LEAST_BYTES)


def _measure_beside_idle(trial: Trial, started: Running) -> Figures:
    before = started.rss()
    with idle(started.port, trial.idle):
        cost = (started.rss() - before) / trial.idle / KIB
        return _measure_load(trial, started) | {"kib_per_idle_association": cost}


def _measure_load(trial: Trial, started: Running) -> Figures:
    with load(
        started.port, trial.cell, trial.instances, trial.window, secure=trial.receiver.secure
    ) as opened:
        before = started.cpu_seconds()
        sent = opened.run()
        used = started.cpu_seconds_at_rest() - before
        own = {
            "cpu_seconds_per_gigabyte": used / (sent["instances"] * trial.cell.size / 1e9),
            "peak_rss_mib": started.peak_rss() / MIB,
            "pss_mib": started.pss() / MIB,
            "sender_us_per_instance": sent["sender_cpu_seconds"] / sent["instances"] * 1e6,
        }
    return sent | own


def run(groups: Sequence[Group], rounds: int, warm_pages: Ballast, keep: Callable[[Results], None]) -> None:
    """Every trial of every group, `rounds` times; `keep` is given what there is after each round."""
    results = Results([], [])
    failed: set[tuple[str, str, str, str]] = set()
    for number in range(rounds):
        for group in groups:
            for trial in in_turn(group, number):
                if trial.key not in failed and not _run_one(trial, number, results, warm_pages):
                    failed.add(trial.key)
        keep(results)


def _run_one(trial: Trial, number: int, results: Results, warm_pages: Ballast) -> bool:
    began = time.monotonic()
    try:
        figures = measure(trial, warm_pages)
    except (RuntimeError, OSError, psutil.Error) as error:
        results.failures.append(Failure(*trial.key, number, str(error)))
        said = f"FAILED: {error}"
    else:
        results.measurements.append(Measurement(*trial.key, number, figures))
        said = f"{figures['instances_per_second']:,.0f}/s"
    finally:
        warm_pages.fill()
    took = time.monotonic() - began
    print(f"round {number + 1}, {', '.join(trial.key)}: {said} ({took:.1f} s)", file=sys.stderr, flush=True)
    return not said.startswith("FAILED")
