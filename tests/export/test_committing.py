"""Destinations are asked what they hold, by script; the clock jumps."""

import contextlib

import pytest
import trio
from structlog.testing import capture_logs

from port104.database.faults import DatabaseError
from port104.database.sqlite import SqliteDatabase
from port104.dispatch.desk import Desk
from port104.export.committing import Asker
from port104.export.contracts import UnreachableError
from port104.export.policy import ExportPolicy
from port104.jobs.ledger.exports import Outcome
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.results import Result
from port104.jobs.ledger.tables import SCHEMA
from port104.registry.entries import Destination
from port104.wire.command import Status
from port104.wire.commitment import CommitmentReport, Failure

PACS = Destination(name="PACS", ae_title="PACS1", host="10.0.0.1", port=104, storage_commitment=True)
POLICY = ExportPolicy(attempts=2, commitment_timeout=100, first_delay=10)
pytestmark = pytest.mark.usefixtures("no_threads")


class Asked:
    """An asker, and a destination that does with each request what the next of `answers` says."""

    def __init__(self, folder, answers):
        self.database = SqliteDatabase(folder / "ledger.sqlite3", SCHEMA, clock=trio.current_time)
        self.ledger = Ledger(self.database, "n1")
        self.ledger.register("/n1", "host")
        self.destinations = {"PACS": PACS}
        self.answers = list(answers)
        self.requests, self.times, self.resent = [], [], 0
        self.asker = Asker(
            Desk(self.ledger), lambda: self.destinations, self.ask, POLICY, lambda: 0.0, self.resend
        )
        self.ledger.register_results("r", [result(1), result(2)])
        self.send()

    def send(self):
        taken = self.ledger.outbox.take(["n1"], "PACS", 10, 60)
        self.ledger.outbox.settle([Outcome(delivery=each, state="committing") for each in taken], 0.5)

    async def ask(self, destination, request, hear):
        assert destination is PACS
        self.requests.append(request)
        self.times.append(round(trio.current_time()))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            await hear(answer(request))

    def resend(self):
        self.resent += 1

    def states(self):
        with self.database.reading() as session:
            return [state for (state,) in session.run("SELECT state FROM port104_result ORDER BY file")]


def result(number):
    return Result(
        file=f"{number}.dcm",
        destination="PACS",
        sop_class_uid="1.2",
        sop_instance_uid=f"1.2.{number}",
        state="waiting",
    )


def held(request):
    return CommitmentReport(request.transaction_uid, request.references)


def lost(request):
    failed = tuple(Failure(each, 0x0110) for each in request.references)
    return CommitmentReport(request.transaction_uid, (), failed)


@pytest.fixture
def asking(tmp_path):
    @contextlib.asynccontextmanager
    async def asking(*answers, **changes):
        asked = Asked(tmp_path, answers)
        for name, value in changes.items():
            setattr(asked, name, value)
        with contextlib.closing(asked.database), capture_logs() as asked.logs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asked.asker.run)
                yield asked
                nursery.cancel_scope.cancel()

    return asking


async def test_what_is_held_is_delivered(autojump_clock, asking):
    async with asking(held) as asked:
        await trio.sleep(60)
        assert (asked.states(), len(asked.requests)) == (["delivered"] * 2, 1)
    assert asked.requests[0].transaction_uid.startswith("2.25.")
    assert [each["event"] for each in asked.logs] == ["results committed to"]


async def test_a_report_may_come_much_later(autojump_clock, asking):
    async with asking() as asked:
        await trio.sleep(50)
        assert asked.states() == ["committing"] * 2
        assert await asked.asker.reported("ANOTHER", held(asked.requests[0])) == Status.SUCCESS
        assert asked.states() == ["delivered"] * 2
        assert await asked.asker.reported("ANOTHER", held(asked.requests[0])) == Status.INVALID_ARGUMENT_VALUE
    assert asked.logs[-1]["event"] == "report of a storage commitment that nobody asked for"


async def test_what_is_lost_is_sent_again(autojump_clock, asking):
    async with asking(lost, held) as asked:
        await trio.sleep(4)
        assert (asked.states(), asked.resent) == (["waiting"] * 2, 1)
        await trio.sleep(20)
        asked.send()
        await trio.sleep(10)
        assert asked.states() == ["delivered"] * 2


async def test_silence_is_a_failure_after_the_last_attempt(autojump_clock, asking):
    async with asking() as asked:
        await trio.sleep(300)
        assert (asked.states(), asked.times) == (["failed"] * 2, [0, 100])
    assert asked.requests[0].transaction_uid != asked.requests[1].transaction_uid


async def test_who_cannot_be_asked_is_asked_later_and_costs_no_attempt(autojump_clock, asking):
    async with asking(*[UnreachableError("no answer")] * 4, held) as asked:
        await trio.sleep(300)
        assert (asked.states(), asked.times) == (["delivered"] * 2, [0, 10, 30, 70, 150])
    assert [each["event"] for each in asked.logs] == [
        "destination cannot be asked what it holds",
        "results committed to",
    ]


async def test_a_destination_that_is_gone_is_waited_for(autojump_clock, asking):
    async with asking(held, destinations={}) as asked:
        await trio.sleep(60)
        assert asked.requests == []
        asked.destinations = {"PACS": PACS}
        await trio.sleep(10)
        assert asked.states() == ["delivered"] * 2


async def test_where_it_is_not_wanted_any_more_nobody_is_asked(autojump_clock, asking):
    plain = Destination(name="PACS", ae_title="PACS1", host="10.0.0.1", port=104)
    async with asking(destinations={"PACS": plain}) as asked:
        await trio.sleep(10)
        assert (asked.states(), asked.requests) == (["delivered"] * 2, [])


async def test_a_fault_of_ours_ends_nothing(autojump_clock, asking):
    async with asking(ValueError("a fault"), held) as asked:
        await trio.sleep(150)
        assert asked.states() == ["delivered"] * 2


async def test_a_database_that_fails_is_waited_for(autojump_clock, asking, monkeypatch):
    def fails(*_, **__):
        raise DatabaseError("cannot be used")

    async with asking(held) as asked:
        transactions = asked.ledger.outbox.transactions
        with monkeypatch.context() as failing:
            failing.setattr(transactions, "due", fails)
            failing.setattr(transactions, "reported", fails)
            await trio.sleep(20)
            assert asked.requests == []
            report = CommitmentReport("1.2", ())
            assert await asked.asker.reported("PACS1", report) == Status.PROCESSING_FAILURE
        with monkeypatch.context() as failing:
            failing.setattr(transactions, "begin", fails)
            await trio.sleep(20)
        await trio.sleep(10)
        assert asked.states() == ["delivered"] * 2
