"""Promises of reports are kept: over the association that stands, over another, later, or never."""

import contextlib

import pytest
import trio
from structlog.testing import capture_logs

from arrivals import arrival
from port104.database.faults import DatabaseError
from port104.database.sqlite import SqliteDatabase
from port104.dispatch.committing import Committer
from port104.dispatch.desk import Desk
from port104.dispatch.reporting import UnreportedError
from port104.errors import AbortedError
from port104.jobs.committing import CommitmentPolicy
from port104.jobs.ledger.commitments import Promise
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.objects import StoredInstance
from port104.jobs.ledger.tables import SCHEMA
from port104.net.contracts import AskedCommitment
from port104.objects.held import Held
from port104.registry.entries import Destination
from port104.wire.command import Status
from port104.wire.commitment import CommitmentReport, CommitmentRequest, Failure, Reference
from raw_peer import SECONDARY_CAPTURE
from stored_file import put

CT = Destination(name="ct", ae_title="CT1", host="10.0.0.1", port=104)
POLICY = CommitmentPolicy(of_one_peer=2, patience=100)
HELD, MISSING = Reference(SECONDARY_CAPTURE, "1.2.3"), Reference(SECONDARY_CAPTURE, "1.2.4")
ASKED = AskedCommitment("CT1", "PORT104", "10.0.0.1", CommitmentRequest("1.9", (HELD, MISSING)))
REPORT = CommitmentReport("1.9", (HELD,), (Failure(MISSING, Status.NO_SUCH_SOP_INSTANCE),))
pytestmark = pytest.mark.usefixtures("no_threads")


class Peer:
    """Who asked: by `back` on its association, by `report` on another; each answers or raises by script."""

    def __init__(self, folder, *answers):
        self.database = SqliteDatabase(folder / "ledger.sqlite3", SCHEMA, clock=trio.current_time)
        self.ledger = Ledger(self.database, "node")
        self.answers = list(answers)
        self.told = []
        self.destinations = {"ct": CT}
        self.desk = Desk(self.ledger)
        self.committer = self.another(folder)

    def another(self, folder):
        """One of the next start."""
        return Committer(
            self.desk,
            folder,
            lambda: self.destinations,
            self.by_another,
            POLICY,
            jitter=lambda: 0.0,
            heard=self.heard,
        )

    async def heard(self, calling, report):
        self.told.append((calling, report))
        return Status.INVALID_ARGUMENT_VALUE

    def ask(self, asked=ASKED):
        return self.committer.requested(asked)

    async def report(self, report):
        return self.answer("back", report)

    async def by_another(self, peer, calling, report):
        return self.answer((peer.name, calling), report)

    def answer(self, way, report):
        self.told.append((round(trio.current_time()), way, report))
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def ways(self):
        return [(time, way) for time, way, _ in self.told]

    def owes(self):
        return self.ledger.commitments.seconds_until_due() is not None


@pytest.fixture
def peer(tmp_path):
    """Makes a peer, whose committer runs in the block."""

    @contextlib.asynccontextmanager
    async def made(*answers):
        put(tmp_path, "1.2.3")
        peer = Peer(tmp_path, *answers)
        with contextlib.closing(peer.database), capture_logs() as peer.logs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(peer.committer.run)
                yield peer
                nursery.cancel_scope.cancel()

    return made


async def test_a_report_goes_back_after_a_moment(autojump_clock, peer):
    async with peer() as asking:
        assert await asking.ask() == Status.SUCCESS
        asking.committer.may_report(ASKED, asking)
        await trio.sleep(5)
        assert asking.told == [(1, "back", REPORT)]
        assert not asking.owes()
    (said,) = asking.logs
    assert said["event"] == "storage commitment reported"
    assert (said["held"], said["failed"], said["reasons"]) == (1, 1, "0112")


async def test_where_the_association_is_over_it_goes_by_another(autojump_clock, peer):
    async with peer(AbortedError("over")) as asking:
        await asking.ask()
        asking.committer.may_report(ASKED, asking)
        await trio.sleep(5)
        assert asking.ways == [(1, "back"), (1, ("ct", "PORT104"))]
        assert not asking.owes()


async def test_after_a_restart_it_goes_by_another(autojump_clock, peer, tmp_path):
    async with peer() as asking:
        await asking.another(tmp_path).requested(ASKED)
        await trio.sleep(10)
        assert [way for _, way in asking.ways] == [("ct", "PORT104")]


async def test_who_cannot_be_reached_is_called_again_and_later(autojump_clock, peer):
    async with peer(*[UnreportedError("no answer")] * 3) as asking:
        await asking.ask()
        await trio.sleep(80)
        assert [time for time, _ in asking.ways] == [1, 11, 31, 71]
        assert not asking.owes()
    said = [(each["log_level"], each["event"]) for each in asking.logs if each["log_level"] != "debug"]
    assert said == [
        ("warning", "storage commitment not reported yet"),
        ("warning", "storage commitment reported"),
    ]
    assert asking.logs[0]["reason"] == "no answer"


async def test_who_can_never_be_reached_is_given_up(autojump_clock, peer):
    async with peer(*[UnreportedError("no answer")] * 100) as asking:
        await asking.ask()
        await trio.sleep(500)
        assert not asking.owes()
    assert (asking.logs[-1]["log_level"], asking.logs[-1]["event"]) == (
        "error",
        "storage commitment was never reported",
    )


async def test_who_has_no_entry_is_told_once_it_has_one(autojump_clock, peer):
    async with peer() as asking:
        asking.destinations = {}
        await asking.ask()
        await trio.sleep(5)
        assert "no destination has its AE title" in asking.logs[0]["reason"]
        asking.destinations = {
            "far": Destination(name="far", ae_title="CT1", host="10.0.0.9", port=104),
            "ct": CT,
            "other": Destination(name="other", ae_title="CT2", host="10.0.0.1", port=104),
        }
        await trio.sleep(10)
        assert asking.ways == [(11, ("ct", "PORT104"))]


async def test_a_status_that_is_no_success_ends_it_too(autojump_clock, peer):
    async with peer(0x0110) as asking:
        await asking.ask()
        await trio.sleep(5)
        assert not asking.owes()
    assert asking.logs[-1]["reason"] == "the peer answered status 0110: processing failure"


async def test_a_fault_of_ours_ends_nothing(autojump_clock, peer):
    async with peer(ValueError("a fault")) as asking:
        await asking.ask()
        await trio.sleep(20)
        assert [time for time, _ in asking.ways] == [1, 11]


async def test_no_more_is_promised_than_there_is_room_for(autojump_clock, peer):
    async with peer() as asking:
        asking.destinations = {}
        statuses = [
            await asking.ask(AskedCommitment("CT1", "PORT104", "10.0.0.1", CommitmentRequest(uid, (HELD,))))
            for uid in ("1.1", "1.2", "1.3")
        ]
    assert statuses == [Status.SUCCESS, Status.SUCCESS, Status.RESOURCE_LIMITATION]


async def test_what_cannot_be_written_down_is_not_promised(autojump_clock, peer, monkeypatch):
    async with peer() as asking:
        asking.database.close()
        monkeypatch.setattr(asking.ledger.commitments, "promise", fails)
        assert await asking.ask() == Status.PROCESSING_FAILURE


async def test_a_database_that_fails_is_waited_for(autojump_clock, peer, monkeypatch):
    async with peer() as asking:
        with monkeypatch.context() as failing:
            failing.setattr(asking.ledger.commitments, "take", fails)
            await asking.ask()
            await trio.sleep(20)
            assert asking.told == []
        await trio.sleep(10)
        assert len(asking.told) == 1


async def test_a_report_is_passed_on_to_who_asked(autojump_clock, peer):
    async with peer() as asking:
        status = await asking.committer.reported("PACS", REPORT)
        assert (status, asking.told) == (Status.INVALID_ARGUMENT_VALUE, [("PACS", REPORT)])


def fails(*_):
    raise DatabaseError("cannot be used")


async def test_what_is_in_the_object_store_alone_is_held(autojump_clock, tmp_path):
    peer = Peer(tmp_path, Status.SUCCESS)
    path = put(tmp_path, MISSING.sop_instance_uid)
    file, written = f"{path.parent.name}/{path.name}", path.stat().st_mtime_ns
    put(tmp_path, HELD.sop_instance_uid)
    peer.ledger.has_object_store = True
    told = arrival(4, sop_class_uid=SECONDARY_CAPTURE, file=file, written=written, replaced=False)
    peer.ledger.record([told])
    peer.ledger.objects.take(9, lambda *_: "key")
    peer.ledger.objects.stored([StoredInstance(file, written, Held("key", 1, "d", "e"))])
    path.unlink()
    other = Reference("1.2.840.10008.5.1.4.1.1.2", MISSING.sop_instance_uid)
    request = CommitmentRequest("1.9", (HELD, MISSING, other))
    committer = peer.committer
    promise = Promise("CT1", "PORT104", "10.0.0.1", request)
    before = await committer._check(promise)
    assert {each.reference for each in before.failed} == {MISSING, other}
    peer.ledger.objects.released([(file, written)])
    report = await committer._check(promise)
    assert report == CommitmentReport(
        "1.9", (HELD, MISSING), (Failure(other, Status.CLASS_INSTANCE_CONFLICT),)
    )
    peer.database.close()
