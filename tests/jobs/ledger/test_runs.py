"""Runs are made with their group's end, begun once, and end once."""

import threading

import pytest

from arrivals import arrival, plan_by
from port104.jobs.ledger.arrivals import record
from port104.jobs.ledger.closing import close_due
from port104.jobs.ledger.runs import begin, cancel, end, make_job, next_due, postpone, rerun, under_way
from transaction import work

SETTINGS = {"pipeline-a": "A", "pipeline-b": "B"}
NO_LIMIT = {"A": 99, "B": 99}


def close(database, number=1, now=100.0, **settings):
    """A study comes and is closed: its job is made."""
    with database.changing() as session:
        record(session, "n1", [arrival(number, value=f"study {number}")], now)
    jobs = []
    planned = plan_by("PORT104", SETTINGS | settings, now + 5)
    list(
        close_due(
            database, now + 5, lambda session, group: jobs.append(make_job(session, group, planned, now + 5))
        )
    )
    return jobs[0]


def states(database):
    with database.reading() as session:
        rows = session.run("SELECT pipeline, state, attempt, why FROM port104_run ORDER BY pipeline")
    return [tuple(row) for row in rows]


def begin_one(database, now=200.0, limits=NO_LIMIT, node="n1"):
    return work(database, begin, node, limits, now)


def test_a_closed_group_is_a_job_with_a_run_for_each_pipeline(database):
    job = close(database)
    assert states(database) == [("a", "waiting", 0, ""), ("b", "waiting", 0, "")]
    run = begin_one(database)
    assert (run.job_id, run.called_ae_title, run.attempt, run.retry_delay) == (job, "PORT104", 1, 5.0)
    assert run.name.startswith(f"port104-{run.pipeline}-1970")


def test_without_pipelines_there_is_no_job(database):
    with database.changing() as session:
        record(session, "n1", [arrival(1)], 100)
    nothing = plan_by("PORT104", {}, 105)
    made = []
    list(close_due(database, 105, lambda session, group: made.append(make_job(session, group, nothing, 105))))
    assert made == [None]
    assert begin_one(database) is None


def test_each_run_is_begun_once(database):
    close(database)
    begun = [begin_one(database), begin_one(database), begin_one(database)]
    assert sorted(run.pipeline for run in begun[:2]) == ["a", "b"]
    assert begun[2] is None


def test_the_more_urgent_comes_first_then_the_older(database):
    close(database, 1, 100, priority="lower")
    close(database, 2, 110)
    close(database, 3, 120, priority="immediate")
    close(database, 4, 130)
    names = [begin_one(database, limits={"A": 99}).name[-2:] for _ in range(4)]
    assert names == ["05", "55", "15", "45"]


def test_no_more_at_a_time_than_a_pipeline_allows(database):
    for number in range(3):
        close(database, number, 100 + 10 * number)
    limits = {"A": 2, "B": 0}
    first, second = begin_one(database, limits=limits), begin_one(database, limits=limits)
    assert begin_one(database, limits=limits) is None
    work(database, end, first, "succeeded", "", 300)
    assert begin_one(database, limits=limits).pipeline_id == "A"
    assert {first.pipeline_id, second.pipeline_id} == {"A"}


def test_a_pipeline_that_nobody_knows_is_never_begun(database):
    close(database)
    assert begin_one(database, limits={}) is None


def test_what_ended_is_not_run_again(database):
    close(database)
    run = begin_one(database)
    assert work(database, end, run, "succeeded", "", 300)
    assert not work(database, end, run, "failed", "again", 301)
    assert not work(database, postpone, run, "again", 400, 301)
    assert states(database)[["a", "b"].index(run.pipeline)] == (run.pipeline, "succeeded", 1, "")


def test_what_failed_waits_for_its_time(database):
    close(database)
    run = begin_one(database, limits={"A": 1})
    assert work(database, postpone, run, "exit code 1", 400, 300)
    assert states(database)[0] == ("a", "waiting", 1, "exit code 1")
    assert begin_one(database, 399, {"A": 1}) is None
    again = begin_one(database, 400, {"A": 1})
    assert (again.id, again.attempt) == (run.id, 2)
    assert not work(database, end, run, "succeeded", "", 500), "an end of the first attempt"
    assert work(database, end, again, "succeeded", "", 500)


def test_the_next_time(database):
    with database.reading() as session:
        assert next_due(session) is None
    close(database)
    with database.reading() as session:
        assert next_due(session) == 105


def test_what_an_engine_left_under_way(database):
    close(database)
    mine, other = begin_one(database), begin_one(database, node="n2")
    assert work(database, under_way, "n1") == [mine]
    assert work(database, under_way, "n2") == [other]
    work(database, end, mine, "failed", "", 300)
    assert work(database, under_way, "n1") == []


def test_what_waits_is_cancelled_and_what_ended_runs_again(database):
    close(database)
    run = begin_one(database)
    assert work(database, cancel, run.id, 300) == "running"
    assert work(database, rerun, run.id, 300) == "running"
    work(database, postpone, run, "", 400, 300)
    assert work(database, cancel, run.id, 310) == "waiting"
    assert begin_one(database, 400).id != run.id
    assert work(database, rerun, run.id, 500) == "cancelled"
    again = begin_one(database, 500)
    assert (again.id, again.attempt, again.tries) == (run.id, 2, 1)
    assert (run.series, again.series) == (run.id, f"{run.id}-2")
    assert work(database, cancel, "none", 600) is None
    assert work(database, rerun, "none", 600) is None


@pytest.mark.parametrize("open_database", ["postgresql"], indirect=True)
@pytest.mark.peer
def test_of_many_engines_one_begins_each_run(open_database):
    engines = [open_database() for _ in range(4)]
    for number in range(5):
        close(engines[0], number, 100 + 10 * number)
    begun, faults = [], []

    def take(number):
        try:
            while run := begin_one(engines[number], limits={"A": 3, "B": 99}, node=f"n{number}"):
                begun.append(run)
        except Exception as fault:  # noqa: BLE001 - of whatever kind
            faults.append(fault)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(run.pipeline_id for run in begun) == ["A"] * 3 + ["B"] * 5
    assert len({run.id for run in begun}) == 8
