"""What remains of an engine that is drained, and what it still begins; on both kinds of database."""

import pytest

from arrivals import arrival, plan_by
from outgoing import result
from port104.jobs.ledger import draining
from port104.jobs.ledger.arrivals import record
from port104.jobs.ledger.closing import close_due
from port104.jobs.ledger.commitments import Commitments, Promise, Room
from port104.jobs.ledger.exports import Outcome
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.messages import Message, put
from port104.jobs.ledger.nodes import register_node
from port104.jobs.ledger.objects import StoredInstance
from port104.jobs.ledger.outbox import Outbox
from port104.jobs.ledger.requests import Request, Requests
from port104.jobs.ledger.results import register
from port104.jobs.ledger.runs import begin, end, make_job
from port104.objects.held import Held
from port104.wire.commitment import CommitmentRequest, Reference
from transaction import work

NOW = 2000.0


@pytest.fixture
def ledger(database):
    for node in ("n1", "n2"):
        work(database, register_node, node, f"/payloads/{node}", f"ingress-{node[1]}", NOW)
    return database


def since(database, node="n1"):
    with database.reading() as session:
        return draining.drained_since(session, node)


def remains(database, node="n1"):
    """What is not 0."""
    with database.reading() as session:
        found = draining.remains(session, node)
    counts = {name: getattr(found, name) for name in found.__struct_fields__}
    assert found.is_nothing is not any(
        counts[name] for name in ("groups", "runs", "results", "reports", "messages", "uploads")
    )
    return {name: count for name, count in counts.items() if count}


def close_all(database, **settings):
    planned = plan_by("PORT104", {"pipeline-a": "A", **settings}, NOW)
    list(close_due(database, NOW, lambda session, group: make_job(session, group, planned, NOW)))


def test_an_engine_is_drained_until_that_is_undone(ledger):
    assert since(ledger) is None
    work(ledger, draining.drain, "n1", NOW)
    work(ledger, draining.drain, "n1", NOW + 1)
    work(ledger, register_node, "n1", "/payloads/n1", "ingress-1", NOW + 2)  # it starts again
    assert (since(ledger), since(ledger, "n2")) == (NOW, None)
    work(ledger, draining.undo, "n1")
    assert since(ledger) is None


def test_an_instance_goes_from_its_group_into_a_run_and_its_results(ledger):
    assert remains(ledger) == {}
    work(ledger, record, "n1", [arrival(1)], NOW - 100)
    assert remains(ledger) == {"groups": 1, "instances": 1}
    close_all(ledger)
    assert remains(ledger) == {"runs": 1, "instances": 1}
    run = work(ledger, begin, "n1", {"A": 1}, NOW)
    assert remains(ledger) == {"runs": 1, "instances": 1}
    work(ledger, end, run, "succeeded", "", NOW)
    work(ledger, register, "n1", run.id, [result(1), result(2)], NOW)
    assert remains(ledger) == {"results": 2, "instances": 1}
    outbox = Outbox(ledger, "n1")
    one, other = outbox.take(["n1"], "PACS", 9, 60)
    assert remains(ledger) == {"results": 2, "instances": 1}
    outbox.settle([Outcome(delivery=one, state="committing"), Outcome(delivery=other, state="failed")], 0.5)
    assert remains(ledger) == {"results": 1, "dead_letters": 1, "instances": 1}
    assert remains(ledger, "n2") == {}


def test_what_another_engine_carries_out_with_its_instances_remains(ledger):
    """And what it carries out itself with those of another one."""
    work(ledger, record, "n1", [arrival(1)], NOW - 100)
    work(ledger, record, "n2", [arrival(2)], NOW - 100)
    close_all(ledger)
    run = work(ledger, begin, "n2", {"A": 1}, NOW)
    assert remains(ledger) == {"runs": 1, "instances": 1} == remains(ledger, "n2")
    work(ledger, end, run, "failed", "why", NOW)
    assert remains(ledger) == {"instances": 1}
    assert remains(ledger, "n2") == {"failed_runs": 1, "instances": 1}


def test_a_run_on_all_of_a_study_needs_what_came_before(ledger):
    work(ledger, record, "n1", [arrival(1)], NOW - 100)
    close_all(ledger)
    work(ledger, end, work(ledger, begin, "n1", {"A": 1}, NOW), "succeeded", "", NOW)
    work(ledger, record, "n2", [arrival(2)], NOW - 50)
    close_all(ledger)
    assert remains(ledger) == {"runs": 1, "instances": 1}


def test_reports_that_are_owed_remain(ledger):
    request = CommitmentRequest("1.2", (Reference("1.2.840.10008.5.1.4.1.1.7", "1.2.3"),))
    Commitments(ledger, "n1").promise(Promise("CT1", "PORT104", "10.0.0.1", request), Room(10, 5), 0)
    assert remains(ledger) == {"reports": 1}
    assert remains(ledger, "n2") == {}


def test_messages_that_the_broker_does_not_have_remain_where_no_other_engine_tells_it(database):
    message = Message(id="m1", routing_key="md.x", kind="X", correlation_id="c", body="{}")
    work(database, register_node, "n1", "/payloads/n1", "ingress-1", NOW)
    work(database, put, message, NOW)
    assert remains(database) == {"messages": 1}
    work(database, register_node, "n2", "/payloads/n2", "ingress-2", NOW)
    assert remains(database) == {}


def test_export_requests_that_are_not_begun_remain_where_their_run_is(ledger):
    asked = Request(
        message_id="m1",
        workflow_instance_id="w",
        export_task_id="t",
        correlation_id="c",
        run_id="r",
        attempt=1,
        files=("a",),
        destinations=("PACS",),
    )
    requests = Requests(ledger, "n1")
    requests.take_in(asked)
    assert remains(ledger) == {"results": 1}
    assert remains(ledger, "n2") == {}
    requests.begin(asked, [], 0.5)
    assert remains(ledger) == {}


def test_what_is_held_does_not_remain(ledger):
    work(ledger, record, "n1", [arrival(1, value=None)], NOW - 100)
    assert remains(ledger) == {"instances": 1}


def test_a_drained_engine_begins_what_has_its_instances_alone(ledger):
    work(ledger, record, "n1", [arrival(1, value="1.1")], NOW - 100)
    work(ledger, record, "n2", [arrival(2, value="1.2")], NOW - 100)
    close_all(ledger)
    work(ledger, draining.drain, "n1", NOW)
    mine = work(ledger, begin, "n1", {"A": 9}, NOW)
    assert work(ledger, begin, "n1", {"A": 9}, NOW) is None
    other = work(ledger, begin, "n2", {"A": 9}, NOW)
    assert mine.id != other.id


def test_what_the_object_store_does_not_have_yet_remains(database):
    ledger = Ledger(database, "n1")
    ledger.has_object_store = True
    ledger.record([arrival(1), arrival(2)])
    with database.changing() as session:
        session.run("UPDATE port104_group SET state = 'closed'")
    assert remains(database) == {"uploads": 2, "instances": 2}
    first, _ = ledger.objects.take(9, lambda *_: "key")
    ledger.objects.stored([StoredInstance(first.file, first.written, Held("key", 1, "d", "e"))])
    assert remains(database) == {"uploads": 1, "instances": 1}
    ledger.objects.want_none()  # a start without a store
    assert remains(database) == {"instances": 1}
