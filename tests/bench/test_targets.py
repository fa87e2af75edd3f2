"""The targets of the issue, and when one counts as held."""

import pytest

import cells
import targets
from figures import Measurement, Table
from targets import TARGETS, Target, judge, markdown


def measured(values, *, run="grid", place="RAM disk", figure="instances_per_second"):
    """`values`: {(cell, receiver): value}."""
    return Table(
        Measurement(run, place, cell, who, 0, {figure: value}) for (cell, who), value in values.items()
    )


AT_LEAST = Target(2, ("8 KiB x 32",), 2.0, "DCMTK storescp")
AT_MOST = Target(3, ("512 KiB x 32",), 0.5, "DCMTK storescp", figure="p99_us", at_most=True)


@pytest.mark.parametrize(("ours", "word"), [(199, "**missed**"), (200, "held"), (201, "held")])
def test_at_least(ours, word):
    table = measured({("8 KiB x 32", "port104 (os)"): ours, ("8 KiB x 32", "DCMTK storescp"): 100})
    assert judge(AT_LEAST, table).word == word


@pytest.mark.parametrize(("ours", "word"), [(49, "held"), (50, "held"), (51, "**missed**")])
def test_at_most(ours, word):
    values = {("512 KiB x 32", "port104 (os)"): ours, ("512 KiB x 32", "DCMTK storescp"): 100}
    assert judge(AT_MOST, measured(values, figure="p99_us")).word == word


def test_the_worst_cell_decides():
    several = Target(5, ("8 KiB x 1", "8 KiB x 8"), 1.0, "dicom-rs")
    values = {("8 KiB x 1", "port104 (os)"): 300, ("8 KiB x 1", "dicom-rs"): 100}
    values |= {("8 KiB x 8", "port104 (os)"): 90, ("8 KiB x 8", "dicom-rs"): 100}
    verdict = judge(several, measured(values))
    assert (verdict.cell, verdict.measured, verdict.word) == ("8 KiB x 8", 0.9, "**missed**")


def test_cells_that_were_not_measured_are_told():
    several = Target(5, ("8 KiB x 1", "8 KiB x 8"), 1.0, "dicom-rs")
    values = {("8 KiB x 1", "port104 (os)"): 300, ("8 KiB x 1", "dicom-rs"): 100}
    assert judge(several, measured(values)).word == "held, not measured in 1 of 2 cells"


def test_nothing_measured_is_neither_held_nor_missed():
    assert judge(AT_LEAST, Table([])).word == "not measured"


def test_a_figure_of_our_own_needs_nobody_else():
    own = Target(
        7, ("8 KiB x 8",), 64.0, None, ours="beside idle", run="idle", figure="pss_mib", at_most=True
    )
    table = measured({("8 KiB x 8", "beside idle"): 65}, run="idle", figure="pss_mib")
    assert judge(own, table).word == "**missed**"


def test_every_target_of_the_issue_is_there():
    assert {target.number for target in TARGETS} == set(range(1, 10))


def test_targets_speak_of_what_is_measured():
    known = {cell.name for cell in (*cells.FULL, *cells.BUSY, cells.WINDOW_CELL)}
    assert {cell for target in TARGETS for cell in target.cells} <= known
    assert {target.figure for target in TARGETS} <= set(targets.FIGURES)


def test_the_table_has_a_row_for_each_target():
    values = {("8 KiB x 32", "port104 (os)"): 250, ("8 KiB x 32", "DCMTK storescp"): 100}
    lines = markdown(measured(values), [AT_LEAST, AT_MOST]).splitlines()
    asked = [target.describe() for target in (AT_LEAST, AT_MOST)]
    assert asked[0] == "8 KiB x 32, RAM disk, port104 (os): instances/s at least 2 x DCMTK storescp"
    assert asked[1] == "512 KiB x 32, RAM disk, port104 (os): p99 latency at most 0.5 x DCMTK storescp"
    assert lines[2:] == [f"| 2 | {asked[0]} | 2.50 | held |", f"| 3 | {asked[1]} |  | not measured |"]
