"""Results are taken by one engine, settled one by one, and freed where an engine is gone."""

import threading

import msgspec
import pytest

from port104.jobs.ledger import exports
from port104.jobs.ledger.closing import ClosedGroup
from port104.jobs.ledger.exports import Outcome
from port104.jobs.ledger.nodes import register_node
from port104.jobs.ledger.results import Result, register
from port104.jobs.ledger.runs import make_job
from port104.jobs.ledger.tables import SCHEMA
from port104.jobs.planning import plan
from transaction import work

HALF = 0.5


def result(number, destination="PACS"):
    return Result(
        file=f"runs/r/1/output/{number}.dcm",
        destination=destination,
        sop_class_uid="1.2",
        sop_instance_uid=f"1.2.{number}",
        state="waiting",
    )


def put(database, *numbers, destination="PACS", run="r", now=100.0, node="n1"):
    work(database, register_node, node, f"/{node}", "host", now)
    work(database, register, node, run, [result(number, destination) for number in numbers], now)


def take(database, most=10, now=200.0, holder="n1", destination="PACS", nodes=("n1",), until=260.0):
    return work(database, exports.take, holder, nodes, destination, most, now, until)


def settle(database, *outcomes, holder="n1", now=210.0):
    work(database, exports.settle, holder, outcomes, HALF, now)


def ask(database, sql, *parameters):
    with database.reading() as session:
        return [tuple(row) for row in session.run(sql, *parameters)]


def states(database):
    return [state for (state,) in ask(database, "SELECT state FROM port104_result ORDER BY run_id, file")]


def tally(database):
    return ask(
        database,
        "SELECT state, total, delivered, failed, cancelled FROM port104_export ORDER BY run_id, destination",
    )


def identity(database):
    return ask(database, "SELECT id FROM port104_export")[0][0]


def delivered(delivery, **facts):
    return Outcome(delivery=delivery, state="delivered", status=0, **facts)


def failed(delivery, **facts):
    return Outcome(delivery=delivery, state="failed", why="status C000", status=0xC000, **facts)


def postponed(delivery, delay=10.0, **facts):
    return Outcome(delivery=delivery, state="waiting", why="status A700", delay=delay, **facts)


def test_results_are_taken_in_turn_and_delivered(database):
    put(database, 1, 2, 3)
    first = take(database, most=2)
    assert [each.file[-5:] for each in first] == ["1.dcm", "2.dcm"]
    assert (first[0].root, first[0].sop_instance_uid, first[0].attempt) == ("/n1", "1.2.1", 0)
    assert [each.file[-5:] for each in take(database)] == ["3.dcm"]
    assert take(database) == []
    settle(database, *map(delivered, first))
    assert states(database) == ["delivered", "delivered", "sending"]
    assert tally(database) == [("waiting", 3, 2, 0, 0)]


def test_what_is_more_important_is_sent_first_and_nothing_waits_for_ever(database):
    runs = {}
    for word in ("lower", "normal", "higher", "immediate"):
        planned = plan("PORT104", {"a": "A"}, {"priority": word}, 100.0)
        group = ClosedGroup(word, "PORT104", 90.0, 95.0, 1, "idle", None, with_all=False)
        work(database, make_job, group, planned, 100.0)
        ((runs[word],),) = ask(
            database,
            "SELECT r.id FROM port104_run r JOIN port104_job j ON j.id = r.job_id WHERE j.group_id = ?",
            word,
        )
    put(database, 1, run=runs["lower"], now=1000)
    for second, word in enumerate(("normal", "higher", "immediate", "lower")):
        put(database, second + 2, run=runs[word], now=1900 + second)
    assert [each.sop_instance_uid for each in take(database, now=2000.0, until=2060.0)] == [
        *("1.2.4", "1.2.3", "1.2.1", "1.2.2", "1.2.5")
    ]


def test_an_export_ends_with_its_last_result(database):
    put(database, 1, 2)
    one, other = take(database)
    settle(database, delivered(one))
    settle(database, failed(other), now=220)
    assert tally(database) == [("partial", 2, 1, 1, 0)]
    assert ask(database, "SELECT ended FROM port104_export") == [(220,)]
    assert ask(database, "SELECT why, status, attempt FROM port104_result WHERE state = 'failed'") == [
        ("status C000", 0xC000, 1)
    ]


def test_what_waits_for_another_attempt_is_due_then(database):
    put(database, 1, 2)
    one, other = take(database)
    settle(database, postponed(one), postponed(other, delay=0, tried=False))
    assert [each.attempt for each in take(database, now=210)] == [0]
    assert [each.attempt for each in take(database, now=220)] == [1]


def test_a_success_stays_whatever_is_told_later(database):
    put(database, 1)
    (one,) = take(database)
    settle(database, delivered(one))
    settle(database, failed(one))
    settle(database, postponed(one))
    assert (states(database), tally(database)) == (["delivered"], [("delivered", 1, 1, 0, 0)])
    assert work(database, exports.retry, identity(database), HALF, 300) == 0
    assert take(database, now=999) == []


def test_a_success_counts_also_for_what_is_not_held_any_more(database):
    put(database, 1, 2)
    one, other = take(database)
    assert work(database, exports.free_abandoned, "n2", HALF, 300) == 2
    taken = take(database, holder="n2", now=300)
    settle(database, delivered(one), failed(other))
    assert states(database) == ["delivered", "sending"]
    settle(database, *map(failed, taken), holder="n2")
    assert tally(database) == [("partial", 2, 1, 1, 0)]


def test_what_an_engine_held_when_it_was_killed_is_sent_again(database):
    put(database, 1, 2)
    one, _ = take(database)
    settle(database, delivered(one))
    assert work(database, exports.free, "n1", HALF, 220) == 1
    assert states(database) == ["delivered", "waiting"]


def test_what_is_held_is_held_for_its_time(database):
    put(database, 1)
    take(database, until=260)
    work(database, exports.renew, "n1", 320)
    assert work(database, exports.free_abandoned, "n2", HALF, 310) == 0
    assert work(database, exports.free_abandoned, "n1", HALF, 400) == 0  # it knows better what it does
    assert work(database, exports.free_abandoned, "n2", HALF, 400) == 1


def test_what_waits_is_told_for_each_destination(database):
    put(database, 1, 2, 3, now=100)
    put(database, 4, destination="RIS", now=150)
    put(database, 5, destination="RIS", run="s", now=90, node="n2")
    put(database, 6, destination="WEB", run="t", now=90, node="n3")
    with database.reading() as session:
        found = exports.due(session, ["n1", "n2"], 120, 2)
    assert sorted((each.destination, each.first, each.count) for each in found) == [
        ("PACS", 100, 2),
        ("RIS", 90, 1),
    ]
    assert take(database, destination="RIS", nodes=("n1", "n2"), now=120)[0].root == "/n2"
    assert work(database, exports.other_nodes, "n1") == [("n3", "/n3")]


def test_a_retry_gives_attempts_of_its_own(database):
    put(database, 1, 2)
    one, other = take(database)
    settle(database, delivered(one), failed(other))
    assert work(database, exports.retry, identity(database), HALF, 300) == 1
    assert tally(database) == [("waiting", 2, 1, 0, 0)]
    (again,) = take(database, now=300)
    assert (again.key, again.attempt, again.waited) == (other.key, 0, 0)
    settle(database, delivered(again))
    assert tally(database) == [("delivered", 2, 2, 0, 0)]


def test_what_is_cancelled_is_not_sent_and_what_is_being_sent_has_no_further_attempt(database):
    put(database, 1, 2, 3, 4)
    one, other = take(database, most=2)
    assert work(database, exports.cancel, identity(database), HALF, 205) == 2
    assert states(database) == ["sending", "sending", "cancelled", "cancelled"]
    settle(database, delivered(one), postponed(other))
    assert tally(database) == [("partial", 4, 1, 0, 3)]
    assert work(database, exports.retry, identity(database), HALF, 300) == 3
    assert work(database, exports.cancel, identity(database), HALF, 300) == 3
    assert work(database, exports.cancel, "nothing", HALF, 300) is None


def test_a_kill_after_a_cancel_leaves_it_cancelled(database):
    put(database, 1)
    take(database)
    work(database, exports.cancel, identity(database), HALF, 205)
    work(database, exports.free, "n1", HALF, 220)
    assert tally(database) == [("cancelled", 1, 0, 0, 1)]


def test_what_waited_too_long_is_given_up_with_the_reason(database):
    put(database, 1, 2, now=100)
    (one,) = take(database, most=1)
    settle(database, postponed(one))
    assert work(database, exports.give_up, 100, "not delivered in 7 days", HALF, 500, 10) == 0
    assert work(database, exports.give_up, 101, "not delivered in 7 days", HALF, 500, 10) == 2
    assert tally(database) == [("failed", 2, 0, 2, 0)]
    assert ask(database, "SELECT why FROM port104_result ORDER BY file") == [
        ("not delivered in 7 days: status A700",),
        ("not delivered in 7 days",),
    ]


def test_results_that_come_later_are_of_the_same_export(database):
    put(database, 1)
    settle(database, *map(delivered, take(database)))
    put(database, 1, now=300)
    assert tally(database) == [("delivered", 1, 1, 0, 0)]
    put(database, 1, 2, now=300)
    assert tally(database) == [("waiting", 2, 1, 0, 0)]


@pytest.mark.parametrize("open_database", ["postgresql"], indirect=True)
@pytest.mark.peer
def test_of_two_engines_one_takes_each_result(open_database):
    databases = [open_database(), open_database()]
    put(databases[0], *range(60))
    taken = [[], []]

    def take_all(index):
        while found := take(databases[index], most=3, holder=f"h{index}"):
            taken[index] += found

    threads = [threading.Thread(target=take_all, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [each.key for each in taken[0] + taken[1]]
    # Where both wanted the same, one came away with less and may have gone: the rest waits.
    assert len(keys) == len(set(keys)) == states(databases[0]).count("sending")


def test_a_pause_is_written_down_until_it_is_over(database):
    work(database, exports.pause, "n1", "PACS", "refused", 130, 100)
    work(database, exports.pause, "n1", "PACS", "timed out", 190, 130)
    assert ask(database, "SELECT destination, why, since, due FROM port104_pause") == [
        ("PACS", "timed out", 100, 190)
    ]
    work(database, exports.resume, "n1", "PACS")
    assert ask(database, "SELECT * FROM port104_pause") == []


def test_results_of_before_there_were_exports_are_sent(open_database):
    before = open_database(msgspec.structs.replace(SCHEMA, migrations=SCHEMA.migrations[:1]))
    for run, destination in (("r", "PACS"), ("r", "RIS"), ("s", "PACS")):
        row = (run, "a.dcm", destination, "n1", "1.2", "1.2.1", "waiting", "", 100.0)
        work(
            before,
            lambda session, row: session.run(
                "INSERT INTO port104_result (run_id, file, destination, node, sop_class, sop_instance, state,"
                " why, registered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *row,
            ),
            row,
        )
    before.close()
    database = open_database()
    assert ask(database, "SELECT id, destination, total FROM port104_export ORDER BY id") == [
        ("r-1", "PACS", 1),
        ("r-2", "RIS", 1),
        ("s-1", "PACS", 1),
    ]
    settle(database, *map(delivered, take(database, now=100)))
    assert [row[0] for row in tally(database)] == ["delivered", "waiting", "delivered"]


def test_what_waited_too_long_for_an_engine_that_is_gone_says_so(database):
    put(database, 1, now=100)
    put(database, 2, now=100, run="s", node="n2")
    work(database, register_node, "n2", "/n2", "host", 10_000)
    assert work(database, exports.give_up, 500, "not delivered in 7 days", HALF, 11_000, 9) == 2
    (gone,), (lives,) = ask(database, "SELECT why FROM port104_result ORDER BY node")
    assert gone.startswith(
        "not delivered in 7 days: what is needed is in the storage folder of the engine on"
    )
    assert lives == "not delivered in 7 days"
