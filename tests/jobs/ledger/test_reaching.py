"""A run is left to the engine that has its instances, where no other sees them; on both kinds of database."""

import pytest

from arrivals import arrival, plan_by
from port104.jobs.ledger.arrivals import record
from port104.jobs.ledger.closing import close_due
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.nodes import register_node
from port104.jobs.ledger.objects import StoredInstance
from port104.jobs.ledger.reaching import others
from port104.jobs.ledger.runs import begin, make_job
from port104.objects.held import Held
from transaction import work

NOW, PATIENCE = 2000.0, 60.0


def make_run(database, *nodes, patience=PATIENCE):
    """A job with a run, of an instance of each of these engines; n1, n2 and n3 were heard of at NOW."""
    for node in ("n1", "n2", "n3"):
        work(database, register_node, node, f"/payloads/{node}", node, NOW, patience)
    for number, node in enumerate(nodes):
        work(database, record, node, [arrival(number)], NOW - 100)
    planned = plan_by("PORT104", {"pipeline-a": "A"}, NOW)
    list(close_due(database, NOW, lambda session, group: make_job(session, group, planned, NOW)))


def begins(database, node, *, seen=(), now=NOW):
    return work(database, begin, node, {"A": 1}, now, seen) is not None


def test_it_is_left_to_who_has_its_instances(database):
    make_run(database, "n1")
    assert not begins(database, "n2")
    assert not begins(database, "n2", seen=["n3"])
    assert begins(database, "n1")


def test_who_sees_its_folder_begins_it_too(database):
    make_run(database, "n1")
    assert begins(database, "n2", seen=["n3", "n1"])


def test_what_nobody_sees_together_fails_where_a_part_of_it_is(database):
    make_run(database, "n1", "n2")
    assert not begins(database, "n3")
    assert begins(database, "n2")


@pytest.mark.parametrize(("patience", "gone"), [(PATIENCE, NOW + PATIENCE + 1), (None, NOW + 301)])
def test_of_an_engine_that_is_gone_anybody_begins_it(database, patience, gone):
    """And says what is missing."""
    make_run(database, "n1", patience=patience)
    assert not begins(database, "n2", now=gone - 2)
    assert begins(database, "n2", now=gone)


def test_others_are_known_with_their_folders(database):
    make_run(database)
    with database.reading() as session:
        assert sorted(others(session, "n1")) == [("n2", "/payloads/n2"), ("n3", "/payloads/n3")]


def test_what_is_in_the_object_store_anybody_reaches(database):
    ledger = Ledger(database, "n1")
    ledger.has_object_store = True
    make_run(database, "n1")
    ledger.objects.want_some()
    (waiting,) = ledger.objects.take(9, lambda *_: "key")
    assert not begins(database, "n2")
    ledger.objects.stored([StoredInstance(waiting.file, waiting.written, Held("key", 1, "d", "e"))])
    assert begins(database, "n2")
