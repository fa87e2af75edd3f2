"""Requests become results, and are answered when these are delivered."""

import json

import pytest
import structlog
import trio

from beside import running
from port104.database.faults import DatabaseError
from port104.errors import StorageError
from port104.events import fulfilling
from port104.events.fulfilling import CLEAR_SECONDS, LOOK_SECONDS, STRANDED_SECONDS, Fulfiller
from port104.jobs.ledger.exports import Outcome
from port104.jobs.ledger.nodes import register_node
from port104.jobs.ledger.requests import Request
from stored_file import put

pytestmark = pytest.mark.usefixtures("no_threads")
RUN = "587ff194427e857f"
PATIENCE = 7200.0


class Works:
    def __init__(self, desk, root):
        self.desk = desk
        self.ledger = desk._ledger
        self.root = root
        self.destinations = {"PACS"}
        self.told = []
        self.output = root / "runs" / RUN / "1" / "output"
        self.output.mkdir(parents=True)
        self.fulfiller = Fulfiller(
            desk,
            root,
            lambda: self.destinations,
            0.5,
            PATIENCE,
            registered=lambda: self.told.append("registered"),
            answered=lambda: self.told.append("answered"),
        )

    def leave(self, *names):
        for number, name in enumerate(names):
            put(self.root / "aside", f"1.2.{number}").rename(self.output / name)

    def ask(self, *names, message_id="m1", destinations=("PACS",)):
        request = Request(
            message_id=message_id,
            workflow_instance_id="w",
            export_task_id="t",
            correlation_id="c",
            run_id=RUN,
            attempt=1,
            files=tuple(f"runs/{RUN}/1/output/{name}" for name in names),
            destinations=destinations,
        )
        self.ledger.requests.take_in(request)
        self.fulfiller.look()

    def deliver(self, state="delivered"):
        taken = self.ledger.outbox.take(["n1"], "PACS", 99, 60)
        self.ledger.outbox.settle([Outcome(delivery=each, state=state, why="x") for each in taken], 0.5)
        return [each.file.rpartition("/")[2] for each in taken]

    @property
    def answers(self):
        with self.ledger._database.reading() as session:
            rows = session.run("SELECT body FROM port104_message ORDER BY created")
        told = [json.loads(body) for (body,) in rows]
        return [(each["status"], [*each["file_statuses"].values()]) for each in told]


@pytest.fixture
def works(desk, tmp_path):
    return Works(desk, tmp_path)


def fulfilled(works):
    return running(works.fulfiller.run)


async def test_a_request_is_delivered_and_answered(autojump_clock, works):
    works.leave("a.dcm", "b.dcm")
    async with fulfilled(works):
        works.ask("a.dcm", "b.dcm")
        await trio.sleep(0.001)
        assert works.told == ["registered"]
        assert works.answers == []
        assert works.deliver() == ["a.dcm", "b.dcm"]
        await trio.sleep(2 * LOOK_SECONDS)
        assert works.answers == [("Success", [0, 0])]
        assert works.told == ["registered", "answered"]


async def test_what_cannot_be_sent_is_answered_and_the_rest_is_sent(autojump_clock, works):
    works.leave("a.dcm")
    (works.output / "b.txt").write_text("no DICOM")
    async with fulfilled(works):
        works.ask("a.dcm", "b.txt", "c.dcm")
        await trio.sleep(0.001)
        works.deliver()
        await trio.sleep(2 * LOOK_SECONDS)
    assert works.answers == [("PartialFailure", [0, 2, 4])]


async def test_a_destination_that_is_not_there_is_answered_at_once(autojump_clock, works):
    works.leave("a.dcm")
    async with fulfilled(works):
        works.ask("a.dcm", destinations=("PACS", "NOWHERE"))
        await trio.sleep(2 * LOOK_SECONDS)
    assert works.answers == [("Failure", [1])]
    assert works.deliver() == []


async def test_what_failed_is_answered_and_may_be_asked_for_again(autojump_clock, works):
    works.leave("a.dcm")
    async with fulfilled(works):
        works.ask("a.dcm")
        await trio.sleep(0.001)
        works.deliver("failed")
        await trio.sleep(2 * LOOK_SECONDS)
        assert works.answers == [("Failure", [3])]
        works.ask("a.dcm", message_id="m2")
        await trio.sleep(0.001)
        works.deliver()
        await trio.sleep(2 * LOOK_SECONDS)
    assert works.answers == [("Failure", [3]), ("Success", [0])]


async def test_after_a_restart_it_goes_on(autojump_clock, works):
    works.leave("a.dcm")
    works.ask("a.dcm")
    async with fulfilled(works):
        pass
    works.deliver()
    async with fulfilled(works):
        await trio.sleep(2 * LOOK_SECONDS)
    assert works.answers == [("Success", [0])]


async def test_one_whose_engine_is_gone_waits_for_long_and_fails_then(autojump_clock, works):
    with works.ledger._database.changing() as session:
        session.run(
            "INSERT INTO port104_run (id, job_id, pipeline, pipeline_id, name, state, priority, attempt, due,"
            " why, to_be_cancelled, cleaned, first, node) VALUES"
            " (?, 'j', 'p', 'p', 'n', 'succeeded', 0, 1, 0, '', 0, 1, 1, 'n2')",
            RUN,
        )
        register_node(session, "n2", "/nowhere", "pod-2", session.now() - 1000)
    works.ledger.register("/here", "pod-1")
    works.ask("a.dcm", "b.dcm", destinations=("PACS", "RIS"))
    with structlog.testing.capture_logs() as said:
        async with fulfilled(works):
            await trio.sleep(0.9 * PATIENCE)
            assert works.answers == []
            with works.ledger._database.changing() as session:
                session.run("UPDATE port104_request SET received = received - ?", PATIENCE)
            await trio.sleep(2 * STRANDED_SECONDS)
    assert works.answers == [("Failure", [4, 4])]
    assert [each["event"] for each in said][:2] == [
        "export requests wait for an engine that is gone",
        "export request given up",
    ]
    assert "folder of the engine on pod-2 (node n2)" in said[0]["reason"]


async def test_a_full_disk_ends_no_request(autojump_clock, works, monkeypatch):
    real, failures = fulfilling.gather, iter(range(3))

    def gather(*arguments):
        if next(failures, None) is not None:
            raise StorageError("no space left")
        return real(*arguments)

    monkeypatch.setattr(fulfilling, "gather", gather)
    works.leave("a.dcm")
    works.ask("a.dcm")
    async with fulfilled(works):
        await trio.sleep(5 * LOOK_SECONDS)
        assert works.deliver() == ["a.dcm"]


@pytest.mark.parametrize("call", ["begin", "end", "waiting", "done"])
async def test_a_database_that_is_away_ends_no_request(autojump_clock, works, call):
    real, failures = getattr(works.ledger.requests, call), iter(range(3))

    def failing(*arguments):
        if next(failures, None) is not None:
            raise DatabaseError("gone")
        return real(*arguments)

    setattr(works.ledger.requests, call, failing)
    works.leave("a.dcm")
    works.ask("a.dcm")
    async with fulfilled(works):
        await trio.sleep(6 * LOOK_SECONDS)
        works.deliver()
        await trio.sleep(6 * LOOK_SECONDS)
    assert works.answers == [("Success", [0])]


async def test_what_ended_long_ago_is_forgotten(autojump_clock, works, monkeypatch):
    monkeypatch.setattr(fulfilling, "_KEEP_SECONDS", 1.5 * CLEAR_SECONDS)
    works.ask("a.dcm")
    async with fulfilled(works):
        await trio.sleep(1.1 * CLEAR_SECONDS)
        assert count(works) == 1
        await trio.sleep(CLEAR_SECONDS)
        assert count(works) == 0


def count(works):
    with works.ledger._database.reading() as session:
        return session.run("SELECT COUNT(*) FROM port104_request")[0][0]
