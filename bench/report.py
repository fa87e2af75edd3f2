"""The report of a run: bench/results/results.md, from what stands in results.json."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import targets
from figures import Key, Measurement, Table, distinct

OURS = "port104 (os)"
METHOD = """\
A C sender (bench/sender/) sends over loopback, a process for each association, with TCP_NODELAY and
TCP_QUICKACK and PDUs as long as the acceptor takes, at most 1 MiB; it shares the machine with the receiver.
Each receiver is started anew for each cell in each round, warmed up, and sent to for the same time as every
other; its files are counted and deleted afterwards; the order rotates. On a virtual machine memory is kept
warm for all (bench/ballast.py). Figures are medians over the rounds; `least-most` are the slowest and the
fastest round. `port104 (os) is` is the median over the rounds of the ratio of port104 (os) to the receiver
within a round.

CPU includes children, those that ended too. `peak MiB` is the sum over a receiver's processes of each one's
largest resident set (VmHWM; pages that forked processes share count in each); `PSS` is what they hold
together when the load is done, shared pages counted once. `sender us` is the sender's own processor time for
an instance. `files/barrier` includes the warm-up.

Receivers that hold whole instances in memory are left out where these would come to more than 2 GiB at
once, slow ones (Orthanc, pynetdicom) where to more than half of one. Only the receivers that matter most, and
not every cell, are measured on the disk."""


class Column(NamedTuple):
    """A figure as a table shows it."""

    title: str
    figure: str
    show: Callable[[float], str]


COLUMNS = (
    Column("instances/s", "instances_per_second", "{:,.0f}".format),
    Column("MB/s", "megabytes_per_second", "{:,.0f}".format),
    Column("p50 ms", "p50_us", lambda value: f"{value / 1000:.2f}"),
    Column("p99 ms", "p99_us", lambda value: f"{value / 1000:.2f}"),
    Column("CPU-s/GB", "cpu_seconds_per_gigabyte", "{:.2f}".format),
    Column("peak MiB", "peak_rss_mib", "{:,.0f}".format),
    Column("PSS MiB", "pss_mib", "{:,.0f}".format),
    Column("sender us", "sender_us_per_instance", "{:,.0f}".format),
    Column("files/barrier", "files_per_barrier", "{:.1f}".format),
)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _head(titles: Iterable[str]) -> list[str]:
    titles = list(titles)
    return [_row(titles), "|" + "---|" * len(titles)]


def _shown(table: Table, key: Key, columns: Iterable[Column]) -> list[str]:
    values = ((column, table.median(key, column.figure)) for column in columns)
    return ["" if value is None else column.show(value) for column, value in values]


def _least_most(table: Table, key: Key) -> str:
    least, most = table.spread(key, "instances_per_second") or (0.0, 0.0)
    return f"{least:,.0f}-{most:,.0f}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} x"


def compared(table: Table, run: str, place: str, baseline: str) -> str:
    """A row for each cell and receiver of a run; `baseline` by the receiver in one column."""
    columns = [one for one in COLUMNS if any(table.median(key, one.figure) for key in table.keys(run))]
    titles = [one.title for one in columns]
    lines = _head(["cell", "receiver", titles[0], "least-most", f"{baseline} is", *titles[1:]])
    for key in table.keys(run):
        if key.place == place:
            first, *rest = _shown(table, key, columns)
            ratio = table.ratio(key._replace(receiver=baseline), key, "instances_per_second")
            lines.append(_row([key.cell, key.receiver, first, _least_most(table, key), _times(ratio), *rest]))
    return "\n".join(lines)


def _by_cell(table: Table, run: str, baseline: str) -> str:
    places = distinct(key.place for key in table.keys(run))
    return "\n\n".join(f"On the {place}:\n\n{compared(table, run, place, baseline)}" for place in places)


def _idle_cost(table: Table) -> str:
    keys = [key for key in table.keys("idle") if table.median(key, "kib_per_idle_association") is not None]
    costs = [f"{table.median(key, 'kib_per_idle_association') or 0:.1f} KiB" for key in keys]
    return f"Resident memory for each idle association: {', '.join(costs)}."


def _receivers(receivers: dict[str, dict[str, Any]]) -> str:
    lines = _head(["receiver", "version", "settings"])
    for name, one in receivers.items():
        lines.append(_row([name, one["version"], one["settings"]]))
    return "\n".join(lines)


def _left_out(left_out: dict[str, str], failures: list[dict[str, Any]]) -> str:
    lines = [f"- {name}: not installed: {reason}" for name, reason in left_out.items()]
    for one in failures:
        where = ", ".join((one["run"], one["place"], one["cell"]))
        lines.append(f"- {one['receiver']} ({where}): failed in round {one['round'] + 1}: {one['reason']}")
    return "\n".join(lines) or "Nobody."


def markdown(results: dict[str, Any], plots: Iterable[str]) -> str:
    """The whole report."""
    table = Table(Measurement(**one) for one in results["measurements"])
    parts = [
        ("Speed of port104 beside other receivers", _machine(results)),
        ("Targets", targets.markdown(table)),
        ("Throughput, latency, cost", _by_cell(table, "grid", OURS)),
        ("Cost as associations grow", _by_cell(table, "growth", OURS)),
        ("Idle associations", f"{_by_cell(table, 'idle', 'beside idle')}\n\n{_idle_cost(table)}"),
        ("Asynchronous operations window", _by_cell(table, "window", "window 16")),
        ("Over TLS", _by_cell(table, "tls", "port104 (TLS)")),
        ("Plots", "\n".join(f"![{name}]({name})" for name in plots)),
        ("Receivers", _receivers(results["receivers"])),
        ("Left out or failed", _left_out(results["left_out"], results["failures"])),
        ("Method", METHOD),
    ]
    measured = {"Cost as associations grow": "growth", "Idle associations": "idle"}
    measured |= {"Over TLS": "tls"}
    measured |= {"Asynchronous operations window": "window", "Throughput, latency, cost": "grid"}
    shown = [(title, text) for title, text in parts if title not in measured or table.keys(measured[title])]
    first, *others = shown
    return (
        "\n\n".join([f"# {first[0]}", first[1], *(f"## {title}\n\n{text}" for title, text in others)]) + "\n"
    )


def _machine(results: dict[str, Any]) -> str:
    lines = [f"- {name}: {value}" for name, value in results["machine"].items()]
    return "\n".join([*lines, f"- {results['rounds']} rounds, begun {results['began']}"])
