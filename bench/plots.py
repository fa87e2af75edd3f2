"""The plots of a run, PNG files beside its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from figures import Key, Table, distinct

mpl.use("Agg")
WIDTH, HEIGHT = 4.6, 3.4  # inches of one panel


class Panel(NamedTuple):
    """One figure, as a panel's vertical axis."""

    title: str
    figure: str
    scale: float = 1.0  # by which the figure is multiplied


THROUGHPUT = (Panel("instances/s", "instances_per_second"),)
LATENCY = (Panel("median latency, ms", "p50_us", 1e-3), Panel("p99 latency, ms", "p99_us", 1e-3))
CPU = (Panel("CPU-seconds per GB", "cpu_seconds_per_gigabyte"),)
GROWTH = (*THROUGHPUT, Panel("memory (PSS), MiB", "pss_mib"), LATENCY[1])


def _size(cell: str) -> str:
    return cell.split(" x ", 1)[0]


def _associations(cell: str) -> int:
    return int(cell.split(" x ", 1)[1])


def _styles(table: Table) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each receiver, the same in every plot."""
    names = distinct(key.receiver for run in ("grid", "growth") for key in table.keys(run))
    return {name: (f"C{index % 10}", "os^vD*PX<>"[index % 10]) for index, name in enumerate(names)}


def _draw(axes: Axes, table: Table, keys: Sequence[Key], panel: Panel) -> None:
    styles = _styles(table)
    for name in distinct(key.receiver for key in keys):
        own = sorted((key for key in keys if key.receiver == name), key=lambda key: _associations(key.cell))
        values = [(table.median(key, panel.figure) or 0.0) * panel.scale for key in own]
        colour, marker = styles[name]
        width = 2.4 if name.startswith("port104") else 1.2
        counts = [_associations(key.cell) for key in own]
        axes.plot(counts, values, color=colour, marker=marker, markersize=5, linewidth=width, label=name)
    counts = sorted({_associations(key.cell) for key in keys})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.set_xlabel("associations")
    axes.set_ylabel(panel.title)
    axes.grid(visible=True, alpha=0.3)


def _save(
    table: Table, rows: Sequence[Sequence[tuple[str, Sequence[Key], Panel]]], title: str, file: Path
) -> str:
    """A panel for each of `rows`, with one legend below all. Returns the file's name."""
    figure = Figure(
        figsize=(WIDTH * max(len(row) for row in rows), HEIGHT * len(rows) + 0.9), layout="constrained"
    )
    grid = figure.subplots(len(rows), max(len(row) for row in rows), squeeze=False)
    legend: dict[str, Any] = {}
    for row, line in zip(rows, grid, strict=True):
        for (head, keys, panel), axes in zip(row, line, strict=False):
            _draw(axes, table, keys, panel)
            axes.set_title(head)
            handles, labels = axes.get_legend_handles_labels()
            legend |= dict(zip(labels, handles, strict=True))
    figure.suptitle(title)
    figure.legend(list(legend.values()), list(legend), loc="outside lower center", ncols=4, fontsize="small")
    figure.savefig(file, dpi=110)
    return file.name


def _by_size(table: Table, place: str, panels: Sequence[Panel], title: str, file: Path) -> str:
    """A column for each size, a row for each figure."""
    keys = [key for key in table.keys("grid") if key.place == place]
    sizes = distinct(_size(key.cell) for key in keys)
    rows = [
        [(size, [key for key in keys if _size(key.cell) == size], panel) for size in sizes]
        for panel in panels
    ]
    return _save(table, rows, title, file)


def _growth(table: Table, file: Path) -> str:
    keys = table.keys("growth")
    return _save(table, [[("8 KiB", keys, panel) for panel in GROWTH]], "Cost as associations grow", file)


def draw(table: Table, folder: Path) -> list[str]:
    """Every plot that there are figures for; returns their names."""
    drawn = []
    for place in distinct(key.place for key in table.keys("grid")):
        for panels, title in ((THROUGHPUT, "Throughput"), (LATENCY, "Latency"), (CPU, "CPU per GB")):
            file = folder / f"{title}-{place}.png".lower().replace(" ", "-")
            drawn.append(_by_size(table, place, panels, f"{title}, {place}", file))
    if table.keys("growth"):
        drawn.append(_growth(table, folder / "growth.png"))
    return drawn
