"""Export requests in the ledger, on both kinds of database."""

import pytest

from outgoing import result
from port104.jobs.ledger.exports import Outcome
from port104.jobs.ledger.looking.messages import message_backlog
from port104.jobs.ledger.messages import Message
from port104.jobs.ledger.nodes import register_node
from port104.jobs.ledger.outbox import Outbox
from port104.jobs.ledger.requests import Became, Request, Requested, Requests

ANSWER = Message(id="answer", routing_key="md.export.complete", kind="X", correlation_id="c", body="{}")


def request(message_id="m1", run="r"):
    return Request(
        message_id=message_id,
        workflow_instance_id="w",
        export_task_id="t",
        correlation_id="c",
        run_id=run,
        attempt=1,
        files=("one", "two"),
        destinations=("PACS",),
    )


def sent(number, path="one"):
    return Requested(path, "PACS", result(number))


@pytest.fixture
def requests(database):
    return Requests(database, "n1")


@pytest.fixture
def deliver(database):
    """Delivers what waits for PACS, in a state."""

    def deliver(state="delivered", **facts):
        outbox = Outbox(database, "n1")
        taken = outbox.take(["n1"], "PACS", 99, 60)
        outbox.settle([Outcome(delivery=each, state=state, **facts) for each in taken], 0.5)
        return len(taken)

    return deliver


def rows(database, sql):
    with database.reading() as session:
        return [tuple(row) for row in session.run(sql)]


def test_a_request_is_taken_in_once_also_after_its_end(database, requests):
    assert requests.take_in(request())
    assert not requests.take_in(request())
    assert requests.waiting(9) == [request()]
    requests.begin(request(), [], 0.5)
    assert not requests.take_in(request())
    assert requests.end(request(), ANSWER)
    assert not requests.take_in(request())
    assert (requests.waiting(9), requests.done(9), requests.count_waiting()) == ([], [], 0)


def test_the_oldest_come_first_and_no_more_than_are_wanted(requests):
    for name in ("m3", "m1", "m2"):
        requests.take_in(request(name))
    assert [each.message_id for each in requests.waiting(2)] == ["m3", "m1"]
    assert requests.count_waiting() == 3


def make_run(database, node):
    with database.changing() as session:
        session.run(
            "INSERT INTO port104_run (id, job_id, pipeline, pipeline_id, name, state, priority, attempt, due,"
            " why, to_be_cancelled, cleaned, first, node) VALUES"
            " ('r', 'j', 'p', 'p', 'n', 'succeeded', 0, 1, 0, '', 0, 1, 1, ?)",
            node,
        )


def test_a_request_is_for_the_engine_in_whose_folder_its_run_is(database, requests):
    make_run(database, "n2")
    requests.take_in(request())
    assert requests.waiting(9) == []
    there = Requests(database, "n2")
    assert there.waiting(9) == [request()]
    there.begin(request(), [sent(1)], 0.5)
    assert rows(database, "SELECT cleaned FROM port104_run") == [(0,)]  # its folder is looked after again


def test_it_is_done_once_everything_has_ended(database, requests, deliver):
    requests.take_in(request())
    requests.begin(request(), [sent(1), Requested("two", "PACS", None, 4, "it is not there")], 0.5)
    assert requests.waiting(9) == []
    assert requests.done(9) == []
    assert deliver(why="0107: a warning") == 1
    ((done, became),) = requests.done(9)
    assert done == request()
    assert became == [
        Became("one", "PACS", None, "delivered", "0107: a warning"),
        Became("two", "PACS", 4, None, "it is not there"),
    ]


def test_another_destination_of_the_same_file_is_not_waited_for(database, requests, deliver):
    requests.take_in(request())
    requests.begin(request(), [sent(1)], 0.5)
    with database.changing() as session:
        session.run("UPDATE port104_result SET destination = 'RIS'")
    assert len(requests.done(9)) == 1


def test_what_failed_is_told_of(requests, deliver):
    requests.take_in(request())
    requests.begin(request(), [sent(1)], 0.5)
    deliver("failed", why="A900: no")
    ((_, became),) = requests.done(9)
    assert became == [Became("one", "PACS", None, "failed", "A900: no")]


def test_what_failed_before_is_sent_again_and_what_succeeded_is_not(database, requests, deliver):
    requests.take_in(request())
    requests.begin(request(), [sent(1), sent(2, "two")], 0.5)
    outbox = Outbox(database, "n1")
    one, two = outbox.take(["n1"], "PACS", 9, 60)
    outbox.settle([Outcome(delivery=one, state="delivered"), Outcome(delivery=two, state="failed")], 0.5)
    requests.end(request(), ANSWER)
    requests.take_in(request("m2"))
    requests.begin(request("m2"), [sent(1), sent(2, "two")], 0.5)
    assert rows(database, "SELECT state, delivered, failed FROM port104_export") == [("waiting", 1, 0)]
    assert requests.done(9) == []
    assert deliver() == 1
    assert rows(database, "SELECT state, delivered, failed FROM port104_export") == [("delivered", 2, 0)]
    assert len(requests.done(9)) == 1


def test_its_end_and_the_answer_are_one(database, requests):
    requests.take_in(request())
    requests.begin(request(), [], 0.5)
    with pytest.raises(AttributeError):
        requests.end(request(), None)
    assert len(requests.done(9)) == 1
    assert requests.end(request(), ANSWER)
    assert not Requests(database, "n2").end(request(), ANSWER)
    assert rows(database, "SELECT id, routing_key FROM port104_message") == [("answer", "md.export.complete")]
    assert rows(database, "SELECT COUNT(*) FROM port104_requested") == [(0,)]


def test_what_ended_long_ago_is_forgotten(requests):
    for name in ("m1", "m2"):
        requests.take_in(request(name))
    requests.begin(request(), [], 0.5)
    requests.end(request(), ANSWER)
    assert requests.forget(60, 9) == 0
    assert requests.forget(-1, 9) == 1
    assert requests.take_in(request())
    assert not requests.take_in(request("m2"))


def test_one_whose_engine_is_gone_is_told_of_and_keeps_no_other_out(database, requests):
    make_run(database, "n2")
    requests.take_in(request("m1"))
    requests.take_in(request("m2", run="another"))
    assert (requests.count_waiting(), requests.stranded()) == (2, [])
    with database.changing() as session:
        register_node(session, "n2", "/n2", "pod-2", session.now() - 301)
        register_node(session, "n1", "/n1", "pod-1", session.now())
    ((engine, count),) = requests.stranded()
    assert (engine.host, count, requests.count_waiting()) == ("pod-2", 1, 1)
    with database.reading() as session:
        assert message_backlog(session).why.startswith("export requests that wait: 1; what is needed is in")
    assert requests.overdue(60, 9) == []
    assert requests.overdue(-1, 9) == [(request("m1"), engine)]


def test_it_is_begun_once(database, requests):
    requests.take_in(request())
    assert requests.begin(request(), [sent(1)], 0.5)
    assert not Requests(database, "n2").begin(request(), [sent(1)], 0.5)
    assert rows(database, "SELECT node FROM port104_result") == [("n1",)]
