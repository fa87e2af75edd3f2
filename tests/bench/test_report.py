"""The report says what was measured, and of whom there is nothing, why."""

import json

import dcm4che
import receivers
import report
from figures import Measurement

FIGURES = {
    "instances_per_second": 2000.0,
    "megabytes_per_second": 16.4,
    "p50_us": 1500,
    "p99_us": 20500,
    "cpu_seconds_per_gigabyte": 3.456,
    "peak_rss_mib": 71.2,
    "pss_mib": 60.0,
    "sender_us_per_instance": 8.4,
}


def results(measurements=(), failures=(), left_out=None):
    return {
        "machine": {"processor": "some"},
        "began": "2026-01-01 00:00 UTC",
        "rounds": 2,
        "receivers": {"port104 (os)": {"version": "1", "settings": "durability os"}},
        "left_out": left_out or {},
        "measurements": [one._asdict() for one in measurements],
        "failures": list(failures),
    }


def measurement(receiver, number, speed, run="grid", **more):
    figures = FIGURES | {"instances_per_second": speed} | more
    return Measurement(run, "RAM disk", "8 KiB x 1", receiver, number, figures)


def test_a_row_has_median_spread_ratio_and_costs():
    runs = [measurement("port104 (os)", 0, 3000.0), measurement("port104 (os)", 1, 5000.0)]
    runs += [measurement("other", 0, 1000.0), measurement("other", 1, 2500.0)]
    text = report.markdown(results(runs), [])
    assert (
        "| 8 KiB x 1 | other | 1,750 | 1,000-2,500 | 2.50 x | 16 | 1.50 | 20.50 | 3.46 | 71 | 60 | 8 |"
        in text
    )


def test_columns_that_nobody_has_figures_for_are_left_out():
    assert "files/barrier" not in _tables(results([measurement("port104 (os)", 0, 1.0)]))
    assert "files/barrier" in _tables(results([measurement("port104 (os)", 0, 1.0, files_per_barrier=7.5)]))


def _tables(of):
    return report.markdown(of, []).split("## Method")[0]


def test_parts_that_were_not_run_are_left_out():
    text = report.markdown(results([measurement("port104 (os)", 0, 1.0)]), [])
    assert "## Throughput" in text
    assert "## Idle associations" not in text
    idle = [measurement("beside idle", 0, 1.0, run="idle", kib_per_idle_association=15.06)]
    assert "Resident memory for each idle association: 15.1 KiB." in report.markdown(results(idle), [])


def test_who_is_missing_is_told_with_the_reason():
    failure = {
        "run": "grid",
        "place": "disk",
        "cell": "8 KiB x 1",
        "receiver": "x",
        "round": 0,
        "reason": "no",
    }
    text = report.markdown(results(failures=[failure], left_out={"y": "z is not installed"}), [])
    assert "- y: not installed: z is not installed" in text
    assert "- x (grid, disk, 8 KiB x 1): failed in round 1: no" in text


def test_files_per_barrier_come_from_the_last_line_of_the_log(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "not JSON\n"
        + json.dumps({"event": "stopped", "stored": 9, "barriers": 4, "barrier_files": 30})
        + "\n"
    )
    assert receivers.files_per_barrier(log) == {"files_per_barrier": 7.5}


def test_without_counters_in_the_log_there_is_no_such_figure(tmp_path):
    log = tmp_path / "log"
    log.write_text(json.dumps({"event": "stopped", "stored": 9}) + "\n")
    assert receivers.files_per_barrier(log) == {}
    log.write_text(json.dumps({"event": "stopped", "barriers": 0, "barrier_files": 0}) + "\n")
    assert receivers.files_per_barrier(log) == {}


def test_mavens_reason_names_what_is_missing_and_no_address():
    said = "[ERROR] Failed: Could not find artifact a:b:jar:1 in central (https://x) -> [Help 1]\n"
    assert dcm4che.reason(said) == "Could not find artifact a:b:jar:1 in central"
