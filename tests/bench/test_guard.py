"""What the guard reads from callgrind, and what it says of a figure."""

import sys
from pathlib import Path

GUARD = Path(__file__).parents[2] / "bench" / "guard"
sys.path.append(str(GUARD))

import budget  # noqa: E402 - found by the line above

DUMP = """\
# callgrind format
pid: 1
part: 1
desc: I1 cache:
desc: Timerange: Basic block 0 - 2741807
desc: Trigger: {trigger}

positions: line
events: Ir sysCount sysTime

fn=(1) main
1 20 1 5
totals: {totals}
"""
STORE = DUMP.format(trigger="Client Request: a store", totals="30001 16 7000")
SCAN = DUMP.format(trigger="Client Request: a scan", totals="17 0 0")
END = DUMP.format(trigger="Program termination", totals="0")


def faults_of(allowed, measured):
    return budget.faults(budget.compare(allowed, measured), 0.1)


def advice_of(allowed, measured):
    return budget.advice(budget.compare(allowed, measured), 0.1)


def test_figures_are_the_named_totals_by_the_work_done():
    assert budget.figures([END, STORE, SCAN], 8) == {
        "a store: instructions": 3750,
        "a store: system calls": 2.0,
        "a scan: instructions": 2.12,
    }


def test_the_least_of_two_measurements_counts():
    assert budget.least({"a": 10, "b": 5, "c": 1}, {"a": 8, "b": 9}) == {"a": 8, "b": 5, "c": 1}


def test_a_figure_fails_only_beyond_the_margin():
    assert faults_of({"a store": 1000}, {"a store": 1099}) == []
    assert faults_of({"a store": 1000}, {"a store": 1101}) == [
        "a store: 1,101, 10.1% above the budget of 1,000; 10% are allowed"
    ]


def test_a_figure_without_a_budget_and_a_budget_without_a_figure_fail():
    first, second = faults_of({"old": 5}, {"new": 5})
    assert first.startswith("new: 5.00, and no budget")
    assert second == "old: not measured"


def test_a_budget_that_is_too_wide_is_told_of_and_does_not_fail():
    assert faults_of({"a": 1000, "b": 1000}, {"a": 899, "b": 900}) == []
    assert advice_of({"a": 1000, "b": 1000}, {"a": 899, "b": 900}) == [
        "a: 10.1% below the budget; lower it with --update"
    ]


def test_a_budget_is_read_as_it_was_written():
    written = budget.Budget(0.1, {"compiler": 'cc "12"'}, {"a store, os: instructions": 7, "calls": 7.25})
    assert budget.read(budget.write(written)) == written


def test_the_table_has_a_line_for_each_figure():
    lines = budget.table(budget.compare({"a": 1000, "old": 5}, {"a": 1500, "new": 7.5})).splitlines()
    assert [line.split() for line in lines] == [
        ["budget", "measured", "change"],
        ["a", "1,000", "1,500", "+50.0%"],
        ["new", "-", "7.50", "-"],
        ["old", "5.00", "-", "-"],
    ]


def test_the_budget_in_the_repository_has_the_figures_of_the_issue():
    kept = budget.read((GUARD / "budget.toml").read_text())
    assert kept.margin == 0.1
    assert {name.split(":")[0] for name in kept.figures} == {
        "1 MB of P-DATA, PDUs of 16 KiB",
        "1 MB of P-DATA, PDUs of 128 KiB",
        "C-STORE of 8 KiB, native, os",
        "C-STORE of 8 KiB, native, sync",
        "C-STORE of 8 KiB, whole engine, os",
    }
