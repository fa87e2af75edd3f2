"""Runs of an engine that is gone are begun anew by another one, and never while they may be under way."""

import threading

import pytest

from arrivals import arrival, plan_by
from port104.jobs.ledger.arrivals import record
from port104.jobs.ledger.closing import close_due
from port104.jobs.ledger.nodes import confirm, hear, register_node, take_over
from port104.jobs.ledger.runs import begin, cancel, end, make_job, postpone, under_way
from transaction import work

BEGUN, PATIENCE, LIMIT = 1000.0, 60.0, 3600.0
LOST = BEGUN + PATIENCE + LIMIT


def make_runs(database, patience=PATIENCE):
    """Two engines, n1 and n2, and a job with two runs, which n1 has begun."""
    for node in ("n1", "n2"):
        work(database, register_node, node, f"/payloads/{node}", f"ingress-{node[1]}", BEGUN, patience)
    work(database, record, "n1", [arrival(1)], 100)
    planned = plan_by("PORT104", {"pipeline-a": "A", "pipeline-b": "B"}, 200)
    list(close_due(database, 200, lambda session, group: make_job(session, group, planned, 200)))
    return [work(database, begin, "n1", {"A": 1, "B": 1}, BEGUN) for _ in "ab"]


@pytest.fixture
def runs(database):
    return make_runs(database)


def confirmed(database, *runs, limit=LIMIT, now=BEGUN, node="n1"):
    return [work(database, confirm, node, run, limit, now) for run in runs]


def taken(database, now, node="n2"):
    return work(database, take_over, node, now)


def test_after_its_patience_and_the_time_limit_a_run_is_begun_anew(database, runs):
    assert confirmed(database, *runs) == [True, True]
    assert taken(database, LOST) == []
    found = taken(database, LOST + 1)
    assert sorted((each.id, each.state, each.node, each.host) for each in found) == sorted(
        (run.id, "waiting", "n1", "ingress-1") for run in runs
    )
    assert taken(database, LOST + 2) == []
    with database.reading() as session:
        assert under_way(session, "n1") == []
        ((why,), _) = session.run("SELECT why FROM port104_run")
    assert why == f"its engine on ingress-1 (node n1) was not heard of for {PATIENCE + LIMIT + 1:.0f} s"
    again = work(database, begin, "n2", {"A": 1, "B": 1}, LOST + 3)
    assert (again.attempt, again.tries, again.series) == (2, 2, again.id)


def test_an_engine_that_is_heard_of_keeps_its_runs(database, runs):
    confirmed(database, *runs)
    work(database, hear, "n1", LOST)
    assert taken(database, LOST + 1) == []
    assert taken(database, LOST + PATIENCE + LIMIT) == []
    assert len(taken(database, LOST + PATIENCE + LIMIT + 1)) == 2


def test_a_run_that_was_not_carried_out_yet_has_no_time_limit_to_wait_for(database, runs):
    confirmed(database, runs[0])
    assert taken(database, BEGUN + PATIENCE) == []
    assert [each.id for each in taken(database, BEGUN + PATIENCE + 1)] == [runs[1].id]


@pytest.mark.parametrize("limits", [(0, LIMIT), (LIMIT, 0)])
def test_the_longest_limit_that_it_was_carried_out_under_counts(database, runs, limits):
    for limit in limits:
        confirmed(database, *runs, limit=limit)
    assert taken(database, BEGUN + 1e9) == []


def test_another_attempt_has_a_limit_of_its_own(database, runs):
    confirmed(database, *runs, limit=0)
    work(database, postpone, runs[0], "failed", BEGUN, BEGUN)
    again = work(database, begin, "n1", {"A": 2, "B": 2}, BEGUN + 1)
    assert again.id == runs[0].id
    assert [each.id for each in taken(database, BEGUN + PATIENCE + 1)] == [again.id]


def test_what_an_earlier_version_began_is_not_taken(database, runs):
    with database.changing() as session:
        session.run("UPDATE port104_run SET time_limit = 1e12")
    assert taken(database, BEGUN + 1e9) == []


def test_an_engine_may_keep_its_runs_for_ever(database):
    make_runs(database, patience=None)
    assert taken(database, BEGUN + 1e9) == []


def test_nobody_takes_from_itself_or_what_waits_or_has_ended(database, runs):
    assert taken(database, BEGUN + 1e9, node="n1") == []
    work(database, end, runs[0], "succeeded", "", BEGUN)
    work(database, postpone, runs[1], "failed", BEGUN + 5, BEGUN)
    assert taken(database, BEGUN + 1e9) == []


def test_what_somebody_wants_to_end_ends_once_its_engine_is_lost(database, runs):
    confirmed(database, *runs, limit=0)
    work(database, cancel, runs[0].id, BEGUN)
    assert taken(database, BEGUN + PATIENCE) == []
    assert [(each.id, each.state) for each in taken(database, BEGUN + PATIENCE + 1)] == [
        (runs[0].id, "cancelled")
    ]


def test_an_engine_that_comes_back_finds_what_is_not_its_own(database, runs):
    confirmed(database, runs[0])
    taken(database, LOST + 1)
    assert confirmed(database, *runs, now=LOST + 2) == [False, False]
    assert work(database, begin, "n2", {"A": 1, "B": 1}, LOST + 2, ["n1"]) is not None
    assert confirmed(database, *runs, now=LOST + 3) == [False, False]
    assert not work(database, end, runs[0], "succeeded", "", LOST + 4)


@pytest.mark.parametrize("open_database", ["postgresql"], indirect=True)
@pytest.mark.peer
@pytest.mark.parametrize("first", ["taken", "confirmed"])
def test_of_taking_and_carrying_out_at_once_one_comes_first(open_database, first):
    mine, others = open_database(), open_database()
    run, _ = make_runs(mine)
    found = {}

    def confirm_it():
        found["confirmed"] = work(mine, confirm, "n1", run, LIMIT, LOST + 1)

    def take_it():
        found["taken"] = [each.id for each in taken(others, LOST + 1)]

    database, begun, other = (others, take_over, confirm_it) if first == "taken" else (mine, confirm, take_it)
    with database.changing() as session:
        arguments = ("n2", LOST + 1) if first == "taken" else ("n1", run, LIMIT, LOST + 1)
        found[first] = begun(session, *arguments)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join()
    if first == "taken":
        assert run.id in [each.id for each in found["taken"]]
        assert found["confirmed"] is False
    else:
        assert found == {"confirmed": True, "taken": []}
