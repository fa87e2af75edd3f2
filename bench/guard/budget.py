"""What each figure may cost, and what is said of one that costs more or much less. Pure."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_HEAD = """\
# What the guard allows: instructions in user space, and system calls, of all threads. Written by
# `bench/guard/run.py --update`, to be run where a change is worth what it costs, or made something cheaper.
#
# `margin` is how much more a figure may cost before it fails. Repeated runs differ by 1 per cent, under load
# by 3. The instructions moved by up to 1.5 per cent with the flags that builds of Python differ in, lay 9 per
# cent lower with clang 14 than with gcc 12, and the whole engine took 2 per cent more under Python 3.12 and
# 3.13 than under 3.11. Counts belong to one architecture: elsewhere they are not judged.
"""
_TRIGGER = "Trigger: Client Request: "
# Callgrind's names of what is counted, and ours.
_EVENTS = {"Ir": "instructions", "sysCount": "system calls"}


class Budget(NamedTuple):
    """What each figure may be, and what it was measured with (`machine` is the architecture)."""

    margin: float
    measured_with: Mapping[str, str]
    figures: Mapping[str, float]


class Line(NamedTuple):
    """One figure beside its budget: None where there is no budget, or nothing was measured."""

    name: str
    budget: float | None
    measured: float | None

    def change(self) -> float | None:
        """By how much it costs more than its budget says: 0.1 is a tenth."""
        return self.measured / self.budget - 1 if self.budget and self.measured is not None else None


def read(text: str) -> Budget:
    """Read what `write` wrote."""
    document = tomllib.loads(text)
    return Budget(document["margin"], document["measured_with"], document["figures"])


def write(budget: Budget) -> str:
    """The budget as TOML."""
    lines = [_HEAD, f"margin = {budget.margin}", "", "[measured_with]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in budget.measured_with.items()]
    lines += ["", "[figures]"]
    lines += [f"{json.dumps(name)} = {value}" for name, value in budget.figures.items()]
    return "\n".join(lines) + "\n"


def figures(dumps: Iterable[str], work: int) -> dict[str, float]:
    """What callgrind wrote down of each named stretch, by the `work` done in it; zeros are left out."""
    found = {}
    for dump in dumps:
        fields = dict(line.split(": ", 1) for line in dump.splitlines() if ": " in line)
        if not fields["desc"].startswith(_TRIGGER):
            continue  # of the program's end
        name = fields["desc"].removeprefix(_TRIGGER)
        for event, total in zip(fields["events"].split(), fields["totals"].split(), strict=False):
            if event in _EVENTS and int(total):
                found[f"{name}: {_EVENTS[event]}"] = _rounded(int(total) / work)
    return found


def _rounded(value: float) -> float:
    """To two decimals where these matter."""
    return round(value) if value >= 1000 else round(value, 2)


def least(some: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    """The smaller figures of two measurements: what else the machine does only adds."""
    return {name: min(value, others.get(name, value)) for name, value in some.items()}


def compare(budget: Mapping[str, float], measured: Mapping[str, float]) -> list[Line]:
    """Every figure of either."""
    return [Line(name, budget.get(name), measured.get(name)) for name in {**measured, **budget}]


def faults(lines: Iterable[Line], margin: float) -> list[str]:
    """Why the guard fails, a sentence for each figure; none where it holds."""
    return [fault for line in lines for fault in [_fault(line, margin)] if fault]


def _fault(line: Line, margin: float) -> str:
    change = line.change()
    if line.budget is None:
        return f"{line.name}: {_shown(line.measured)}, and no budget; write one with --update"
    if change is None:
        return f"{line.name}: not measured"
    if change > margin:
        return (
            f"{line.name}: {_shown(line.measured)}, {change:.1%} above the budget of {_shown(line.budget)};"
            f" {margin:.0%} are allowed"
        )
    return ""


def advice(lines: Iterable[Line], margin: float) -> list[str]:
    """Which budgets are too wide to guard anything."""
    return [
        f"{line.name}: {-change:.1%} below the budget; lower it with --update"
        for line in lines
        for change in [line.change()]
        if change is not None and change < -margin
    ]


def table(lines: Iterable[Line]) -> str:
    """The figures for people: what, budget, measured, per cent."""
    rows = [("", "budget", "measured", "change")]
    for line in lines:
        change = line.change()
        shown = "-" if change is None else f"{change:+.1%}"
        rows.append((line.name, _shown(line.budget), _shown(line.measured), shown))
    width = max(len(row[0]) for row in rows)
    return "\n".join(f"{row[0]:{width}}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"
