"""Results that their destinations are to commit to, on both kinds of database."""

import pytest

from port104.jobs.ledger import exports
from port104.jobs.ledger.exports import Outcome
from port104.jobs.ledger.nodes import register_node
from port104.jobs.ledger.results import Result, register
from port104.jobs.ledger.transactions import Terms, Transactions
from port104.wire.commitment import CommitmentReport, Failure, Reference

TERMS = Terms(attempts=2, delay=0.0, failure_threshold=0.5)


class Ledger:
    """Two results of one run for PACS, which that has stored."""

    def __init__(self, database):
        self.database = database
        self.transactions = Transactions(database, "n1")
        with database.changing() as session:
            register_node(session, "n1", "/n1", "host", 100.0)
            register(session, "n1", "r", [result(1), result(2)], 100.0)
        self.send()

    def send(self, state="committing"):
        with self.database.changing() as session:
            now = session.now()
            taken = exports.take(session, "n1", ["n1"], "PACS", 10, now, now + 60)
            outcomes = [Outcome(delivery=each, state=state, status=0) for each in taken]
            exports.settle(session, "n1", outcomes, 0.5, now)
            return len(taken)

    def begin(self, uid, seconds=60.0, most=10):
        return self.transactions.begin("PACS", uid, TERMS, most=most, seconds=seconds)

    def report(self, uid, held=(), failed=()):
        failures = tuple(Failure(reference(number), 0x0112) for number in failed)
        report = CommitmentReport(uid, tuple(map(reference, held)), failures)
        return self.transactions.reported(report, TERMS)

    def results(self, columns="state"):
        with self.database.reading() as session:
            rows = session.run(f"SELECT {columns} FROM port104_result ORDER BY file")
        return [tuple(row) if len(row) > 1 else row[0] for row in rows]

    def export(self):
        with self.database.reading() as session:
            (row,) = session.run("SELECT state, delivered, failed FROM port104_export")
        return tuple(row)


def reference(number):
    return Reference("1.2", f"1.2.{number}")


def result(number):
    return Result(
        file=f"runs/r/1/output/{number}.dcm",
        destination="PACS",
        sop_class_uid="1.2",
        sop_instance_uid=f"1.2.{number}",
        state="waiting",
    )


@pytest.fixture
def ledger(database):
    return Ledger(database)


def test_what_was_stored_is_asked_about_once(ledger):
    assert ledger.transactions.due() == ["PACS"]
    request = ledger.begin("1.9")
    assert (request.transaction_uid, request.references) == ("1.9", (reference(1), reference(2)))
    assert ledger.begin("1.10") is None
    assert ledger.transactions.due() == []
    assert (ledger.results(), ledger.export()) == (["committing"] * 2, ("waiting", 0, 0))


def test_what_is_held_is_delivered(ledger):
    ledger.begin("1.9")
    assert ledger.report("1.9", held=[1, 2]) == 2
    assert (ledger.results(), ledger.export()) == (["delivered"] * 2, ("delivered", 2, 0))
    assert ledger.report("1.9", held=[1, 2]) == 0


def test_what_was_noted_when_it_was_stored_stays(ledger):
    with ledger.database.changing() as session:
        session.run("UPDATE port104_result SET why = 'status B000' WHERE sop_instance = '1.2.1'")
    ledger.begin("1.9")
    ledger.report("1.9", held=[1, 2])
    assert ledger.results("why") == ["status B000", ""]


def test_what_kept_it_from_being_asked_goes(ledger):
    ledger.begin("1.9")
    ledger.transactions.unasked("1.9", "no answer", 0)
    ledger.begin("1.10")
    ledger.report("1.10", held=[1, 2])
    assert ledger.results("why") == ["", ""]


def test_what_is_not_held_is_sent_again_while_there_are_attempts(ledger):
    ledger.begin("1.9")
    assert ledger.report("1.9", held=[1], failed=[2]) == 2
    assert ledger.results() == ["delivered", "waiting"]
    assert "0112: no such SOP instance" in ledger.results("why")[1]
    assert ledger.send() == 1
    assert ledger.begin("1.10").references == (reference(2),)
    ledger.report("1.10", failed=[2])
    assert (ledger.results(), ledger.export()) == (["delivered", "failed"], ("partial", 1, 1))


def test_what_a_report_leaves_out_is_asked_about_again(ledger):
    ledger.begin("1.9", seconds=0)
    ledger.report("1.9", held=[1])
    assert ledger.begin("1.10").references == (reference(2),)


def test_a_destination_that_says_nothing_is_asked_again_and_then_it_is_a_failure(ledger):
    ledger.begin("1.9", seconds=0)
    assert ledger.begin("1.10", seconds=0) is not None
    assert ledger.results("attempt") == [2, 2]
    assert ledger.report("1.9", held=[1, 2]) == 0
    assert ledger.begin("1.11") is None
    assert (ledger.results(), ledger.export()) == (["failed"] * 2, ("failed", 0, 2))
    assert "did not say in time" in ledger.results("why")[0]


def test_what_could_not_be_asked_costs_no_attempt(ledger):
    for number in range(5):
        ledger.begin(f"1.{number}")
        ledger.transactions.unasked(f"1.{number}", "no answer", 0)
    assert ledger.results("state, attempt, why") == [("committing", 1, "storage commitment: no answer")] * 2
    ledger.begin("1.9")
    ledger.transactions.unasked("1.9", "no answer", 60)
    assert ledger.begin("1.10") is None


def test_no_more_are_asked_about_at_once_than_may_be(ledger):
    assert len(ledger.begin("1.9", most=1).references) == 1
    assert len(ledger.begin("1.10", most=1).references) == 1


def test_where_no_commitment_is_wanted_any_more_they_are_delivered(ledger):
    ledger.transactions.needless("PACS", TERMS)
    assert (ledger.results(), ledger.export()) == (["delivered"] * 2, ("delivered", 2, 0))


def test_a_cancelled_export_is_not_asked_about(ledger):
    with ledger.database.changing() as session:
        ((identity,),) = session.run("SELECT id FROM port104_export")
        assert exports.cancel(session, identity, 0.5, session.now()) == 2
    assert ledger.begin("1.9") is None
    with ledger.database.changing() as session:
        exports.retry(session, identity, 0.5, session.now())
    assert ledger.send() == 2
    assert ledger.begin("1.10") is not None
    assert ledger.results("attempt") == [1, 1]


def test_others_ask_for_an_engine_that_is_gone_and_one_of_them(database):
    ledger = Ledger(database)
    two, three = (Transactions(database, node) for node in ("n2", "n3"))
    assert (two.due(), two.begin("PACS", "1.1", TERMS, most=10, seconds=60)) == ([], None)
    with database.changing() as session:
        register_node(session, "n2", "/n2", "host", 100.0 + 301)
    assert two.due() == three.due() == ["PACS"]
    assert two.begin("PACS", "1.1", TERMS, most=10, seconds=60) is not None
    assert three.begin("PACS", "1.2", TERMS, most=10, seconds=60) is None
    assert ledger.report("1.1", held=(1, 2)) == 2
    assert (ledger.results(), ledger.export()) == (["delivered"] * 2, ("delivered", 2, 0))
