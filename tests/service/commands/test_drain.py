"""`port104 drain`: it waits, says for what, and tells by its exit code whether something remains."""

import json

import pytest

from port104.service.commands import drain

NOTHING = {
    "since": "2026-11-30T08:00:00Z",
    "empty": True,
    "associations": 0,
    "counting": False,
    "unwritten": 0,
    "groups": 0,
    "runs": 0,
    "results": 0,
    "reports": 0,
    "messages": 0,
    "uploads": 0,
    "failedRuns": 1,
    "deadLetters": 2,
    "instances": 300,
}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(drain, "_SECONDS", 0.0)


def asked(control):
    return [(method, path) for method, path, *_ in control.requests]


def test_it_waits_and_says_for_what(run, control):
    under_way = NOTHING | {"empty": False, "counting": True, "unwritten": 7, "runs": 2}
    control.will_answer(200, under_way)
    control.will_answer(200, under_way)
    control.will_answer(200, under_way | {"counting": False, "unwritten": 0})
    control.will_answer(200, NOTHING)
    code, out, err = run("drain")
    assert code == 0
    assert asked(control) == [("POST", "/api/drain"), *[("GET", "/api/drain")] * 3]
    assert err.splitlines() == [
        "waiting for stored files to be held against the ledger, 7 instances, 2 runs",
        "waiting for 2 runs",
    ]
    assert out.splitlines() == [
        "associations that are established\t0",
        "instances that are not in the ledger yet\t0",
        "groups that are open\t0",
        "runs that wait or are under way\t0",
        "results that are not delivered\t0",
        "reports of storage commitment that peers are owed\t0",
        "messages that the message broker does not have\t0",
        "instances that the object store does not have\t0",
        "runs that failed (port104 jobs rerun)\t1",
        "results that could not be delivered (port104 exports retry)\t2",
        "instances that are kept here alone\t300",
    ]


def test_after_its_timeout_it_tells_what_remains(run, control):
    under_way = NOTHING | {"empty": False, "results": 2}
    control.will_answer(200, under_way)
    code, out, err = run("drain", "--timeout", 0, "-o", "json")
    assert (code, err) == (5, "")
    assert json.loads(out) == under_way


def test_it_is_undone(run, control):
    control.will_answer(200, NOTHING | {"since": None, "empty": False})
    assert run("drain", "--undo") == (0, "", "")
    assert asked(control) == [("DELETE", "/api/drain")]


def test_where_none_runs(run, folder):
    code, _, err = run("drain")
    assert code == 3
    assert "start it" in err
