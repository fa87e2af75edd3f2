"""Runs are begun in turn, seen through, and tried again where they failed; also over a restart."""

import pytest
import structlog
import trio

from arrivals import arrival
from beside import running
from port104.database.faults import DatabaseError
from port104.database.sqlite import SqliteDatabase
from port104.dispatch import dispatching
from port104.dispatch.backends.backend import Ending
from port104.dispatch.desk import Desk
from port104.dispatch.dispatching import LOOK_SECONDS, Dispatcher
from port104.dispatch.payload import IncompleteError
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.messages import Message
from port104.jobs.ledger.tables import SCHEMA
from port104.jobs.planning import plan
from port104.registry.entries import Pipeline
from stored_file import put

pytestmark = pytest.mark.usefixtures("no_threads")


PATIENCE = 300.0


class Pipelines:
    def __init__(self, *pipelines):
        self.pipelines = {each.id: each for each in pipelines}

    def pipeline(self, id_or_name):
        named = {each.name: each for each in self.pipelines.values()}
        return self.pipelines.get(id_or_name) or named.get(id_or_name)


class Script:
    """A backend whose endings the test gives; `seconds`: what an attempt takes."""

    def __init__(self):
        self.endings = {}
        self.seconds = 1.0
        self.begun = []
        self.most = 0
        self._now = 0

    async def run(self, run, pipeline, folder, cancel):
        self.begun.append((run.pipeline, run.attempt))
        self._now += 1
        self.most = max(self.most, self._now)
        assert (folder / "manifest.json").exists()
        try:
            with trio.move_on_after(self.seconds):
                await cancel.wait()
                return Ending("cancelled")
        finally:
            self._now -= 1
        endings = self.endings.get(run.pipeline, [])
        ending = endings.pop(0) if endings else Ending("succeeded")
        if isinstance(ending, BaseException):
            raise ending
        if ending.outcome == "succeeded" and pipeline.destinations:
            put(folder / "output", "1.2.3").rename(folder / "output" / "a.dcm")
        return ending


class Works:
    """A storage folder with a ledger, and a dispatcher."""

    def __init__(self, root, *pipelines):
        self.root = root
        self.database = SqliteDatabase(root / "ledger.sqlite3", SCHEMA, clock=trio.current_time)
        self.ledger = Ledger(self.database, "n1")
        self.ledger.register(str(root), "host")
        self.desk = Desk(self.ledger)
        self.script = Script()
        self.registry = Pipelines(*pipelines)
        self.left = []
        self.dispatcher = Dispatcher(
            self.desk,
            "n1",
            root,
            lambda: self.registry,
            lambda pipeline: self.script,
            lambda run, pipeline: pipeline.destinations,
            results_left=lambda: self.left.append(trio.current_time()),
            patience=PATIENCE,
        )

    def job(self, number=1, **settings):
        path = put(self.root, f"1.2.3.{number}")
        self.ledger.record([arrival(number, value=f"{number}", file=f"{path.parent.name}/{path.name}")])
        with self.database.changing() as session:
            session.run("UPDATE port104_group SET due = 0")
        pipelines = {key.removeprefix("pipeline-"): each for key, each in settings.items()}
        self.ledger.close_due(
            now=self.ledger.now(), plan_of=lambda called, now: plan(called, pipelines, {}, now)
        )
        self.dispatcher.look()

    def run(self, sql):
        with self.database.reading() as session:
            return session.run(sql)

    @property
    def states(self):
        return self.run("SELECT pipeline, state, attempt FROM port104_run ORDER BY pipeline, id")


A, B = Pipeline(name="a", id="A", command=("x",)), Pipeline(name="b", id="B", command=("x",), retries=2)
BOTH = {"pipeline-a": "A", "pipeline-b": "B"}


@pytest.fixture
async def works(tmp_path):
    made = Works(tmp_path, A, B)
    yield made
    made.database.close()


def dispatched(works):
    return running(works.dispatcher.run)


async def test_each_pipeline_runs_once(autojump_clock, works):
    async with dispatched(works):
        works.job(**BOTH)
        await trio.sleep(60)
    assert sorted(works.script.begun) == [("a", 1), ("b", 1)]
    assert works.states == [("a", "succeeded", 1), ("b", "succeeded", 1)]


async def test_only_what_failed_is_tried_again_after_a_while_that_doubles(autojump_clock, works):
    works.script.endings["b"] = [Ending("failed", "exit code 1"), Ending("failed", "exit code 2")]
    async with dispatched(works):
        works.job(**BOTH)
        await trio.sleep(5)
        assert works.states == [("a", "succeeded", 1), ("b", "waiting", 1)]
        assert works.run("SELECT why FROM port104_run WHERE pipeline = 'b'") == [("exit code 1",)]
        await trio.sleep(6)
        assert works.states[1] == ("b", "waiting", 2)
        await trio.sleep(9)
    assert sorted(works.script.begun) == [("a", 1), ("b", 1), ("b", 2), ("b", 3)]
    assert works.states == [("a", "succeeded", 1), ("b", "succeeded", 3)]


async def test_attempts_end(autojump_clock, works):
    works.script.endings["b"] = [Ending("failed", "x")] * 9
    async with dispatched(works):
        works.job(**BOTH)
        await trio.sleep(600)
    assert works.states[1] == ("b", "failed", 3)


async def test_no_more_at_a_time_than_a_pipeline_allows(autojump_clock, tmp_path):
    works = Works(tmp_path, Pipeline(name="a", id="A", command=("x",), concurrency=2))
    async with dispatched(works):
        for number in range(5):
            works.job(number, **{"pipeline-a": "A"})
        await trio.sleep(60)
    assert works.script.most == 2
    assert {state for _, state, _ in works.states} == {"succeeded"}
    works.database.close()


async def test_a_pipeline_that_comes_later_gets_its_runs(autojump_clock, works):
    works.registry = Pipelines()
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(60)
        assert works.states == [("a", "waiting", 0)]
        works.registry = Pipelines(A)
        await trio.sleep(LOOK_SECONDS + 2)
    assert works.states == [("a", "succeeded", 1)]


async def test_a_pipeline_that_comes_later_is_found_by_its_name(autojump_clock, works):
    works.registry = Pipelines()
    async with dispatched(works):
        works.job(**{"pipeline-x": "a"})
        await trio.sleep(1)
        works.registry = Pipelines(A)
        await trio.sleep(LOOK_SECONDS + 2)
    assert works.states == [("x", "succeeded", 1)]


async def test_what_was_under_way_goes_on_after_a_restart(autojump_clock, works):
    works.script.seconds = 100
    async with dispatched(works):
        works.job(**BOTH)
        await trio.sleep(3)
    assert works.states == [("a", "running", 1), ("b", "running", 1)]
    works.script.seconds = 1
    async with dispatched(works):
        await trio.sleep(3)
    assert works.states == [("a", "succeeded", 1), ("b", "succeeded", 1)]


async def test_a_run_whose_pipeline_is_gone_at_the_restart_fails(autojump_clock, works):
    works.script.seconds = 100
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(3)
    works.registry = Pipelines()
    async with dispatched(works):
        await trio.sleep(3)
    ((state, why),) = works.run("SELECT state, why FROM port104_run")
    assert state == "failed"
    assert "there is no pipeline 'A' any more" in why


async def test_an_end_that_cannot_be_written_is_written_later(autojump_clock, works):
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(0.5)
        end, works.ledger.end = works.ledger.end, _away
        await trio.sleep(20)
        assert works.states == [("a", "running", 1)]
        works.ledger.end = end
        await trio.sleep(11)
    assert works.states == [("a", "succeeded", 1)]
    assert works.script.begun == [("a", 1)]


def _away(*_):
    raise DatabaseError("away")


async def test_while_the_database_is_away_nothing_is_begun(autojump_clock, works):
    begin, works.ledger.begin = works.ledger.begin, _away
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(30)
        works.ledger.begin = begin
        await trio.sleep(12)
    assert works.states == [("a", "succeeded", 1)]


async def test_what_a_run_left_is_registered(autojump_clock, tmp_path):
    works = Works(tmp_path, Pipeline(name="a", id="A", command=("x",), destinations=("PACS",)))
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(3)
    ((file, destination, state),) = works.run("SELECT file, destination, state FROM port104_result")
    assert (tmp_path / file).exists()
    assert (destination, state) == ("PACS", "waiting")
    works.database.close()


async def test_an_instance_that_is_gone_fails_the_run(autojump_clock, works):
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        for path in (works.root / "instances").rglob("*.dcm"):
            path.unlink()
        await trio.sleep(1000)
    ((state, why),) = works.run("SELECT state, why FROM port104_run")
    assert state == "failed"
    assert "an instance of the job is gone" in why


async def test_a_fault_of_the_machine_fails_the_attempt(autojump_clock, works):
    works.script.endings["a"] = [OSError(12, "Cannot allocate memory")]
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(3)
        assert works.run("SELECT why FROM port104_run")[0][0].startswith("Cannot allocate memory")
        await trio.sleep(60)
    assert works.states == [("a", "succeeded", 2)]


async def test_a_run_is_cancelled(autojump_clock, works):
    works.script.seconds = 100
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(3)
        ((run_id,),) = works.run("SELECT id FROM port104_run")
        assert await works.dispatcher.cancel(run_id) == "running"
        await trio.sleep(1)
        assert works.states == [("a", "cancelled", 1)]
        works.script.seconds = 1
        assert await works.dispatcher.rerun(run_id) == "cancelled"
        await trio.sleep(3)
        assert await works.dispatcher.cancel("none") is None
    assert works.states == [("a", "succeeded", 2)]
    assert {path.name for path in (works.root / "runs" / run_id).iterdir()} == {"1", "2"}


async def test_a_run_is_cancelled_from_another_engine(autojump_clock, works):
    works.script.seconds = 100
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(3)
        ((run_id,),) = works.run("SELECT id FROM port104_run")
        works.ledger.cancel(run_id)
        await trio.sleep(LOOK_SECONDS + 1)
    assert works.states == [("a", "cancelled", 1)]


async def test_what_another_engine_has_taken_is_not_carried_out(autojump_clock, works):
    works.script.seconds = 100
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(3)
    members_of = works.ledger.members_of

    def taken_meanwhile(run):
        with works.database.changing() as session:
            session.run("UPDATE port104_run SET node = 'n2', attempt = 2")
        return members_of(run)

    works.ledger.members_of = taken_meanwhile
    async with dispatched(works):
        await trio.sleep(30)
    assert works.script.begun == [("a", 1)]
    assert works.states == [("a", "running", 2)]


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_the_end_of_what_another_engine_has_taken_does_not_count(autojump_clock, works, outcome):
    works.script.endings["a"] = [Ending(outcome)]
    with structlog.testing.capture_logs() as entries:
        async with dispatched(works):
            works.job(**{"pipeline-a": "A"})
            await trio.sleep(0.5)
            with works.database.changing() as session:
                session.run("UPDATE port104_run SET node = 'n2', attempt = 2")
            await trio.sleep(3)
    assert works.states == [("a", "running", 2)]
    assert [(each["event"], each.get("outcome")) for each in entries if each["log_level"] == "warning"] == [
        ("run ended too late", outcome)
    ]


async def test_a_run_that_was_taken_may_come_back_while_its_old_attempt_ends(autojump_clock, works):
    works.script.seconds = 30
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(3)
        with works.database.changing() as session:
            session.run("UPDATE port104_run SET state = 'waiting', due = 0")
        await trio.sleep(29)  # the old attempt has ended, the new one has not
        assert works.states == [("a", "running", 2)]
        ((run_id,),) = works.run("SELECT id FROM port104_run")
        await works.dispatcher.cancel(run_id)
        await trio.sleep(1)
    assert works.script.begun == [("a", 1), ("a", 2)]
    assert works.states == [("a", "cancelled", 2)]


async def test_no_payload_is_made_while_folders_are_removed(autojump_clock, works):
    async with dispatched(works):
        async with works.desk.folders:
            works.job(**{"pipeline-a": "A"})
            await trio.sleep(30)
            assert works.states == [("a", "running", 1)]
            assert not (works.root / "runs").exists()
        await trio.sleep(3)
    assert works.states == [("a", "succeeded", 1)]


class Announcer:
    """A dispatching.Announcer that tells the ID of each run."""

    def __init__(self):
        self.looks = 0

    def message_of(self, run, folder):
        assert (folder / "manifest.json").exists()
        return Message(id=run.series, routing_key="x", kind="X", correlation_id=run.job_id, body="{}")

    def look(self):
        self.looks += 1


async def test_each_run_is_told_of_once_before_it_is_carried_out(autojump_clock, works):
    works.dispatcher._announcer = announcer = Announcer()
    works.script.endings["b"] = [Ending("failed", "exit code 1")]
    async with dispatched(works):
        works.job(**BOTH)
        await trio.sleep(0.5)
        told = works.run("SELECT id FROM port104_message ORDER BY id")
        assert told == works.run("SELECT id FROM port104_run ORDER BY id")
        await trio.sleep(60)
    assert works.states == [("a", "succeeded", 1), ("b", "succeeded", 2)]
    assert works.run("SELECT COUNT(*) FROM port104_message") == [(2,)]
    assert announcer.looks == 3


async def test_a_run_that_another_engine_has_is_not_told_of(autojump_clock, works):
    works.dispatcher._announcer = Announcer()
    works.job(**{"pipeline-a": "A"})
    works.ledger.begin({"A": 1})
    left = works.ledger.under_way()
    works.ledger.under_way = lambda: left  # and before it is carried out another one takes it:
    with works.database.changing() as session:
        session.run("UPDATE port104_run SET node = 'n2'")
    async with dispatched(works):
        await trio.sleep(1)
    assert works.script.begun == []
    assert works.run("SELECT COUNT(*) FROM port104_message") == [(0,)]


@pytest.mark.parametrize("taken", [True, False])
async def test_an_engine_that_was_frozen_asks_again_whether_the_run_is_its_own(
    autojump_clock, works, monkeypatch, taken
):
    """It may have been taken between the answer and the moment in which that is read."""
    confirmed, frozen = [], []

    def confirm(ledger, **of):
        confirmed.append(as_it_is(ledger, **of))
        if len(confirmed) == 1:
            frozen.append(PATIENCE)
            if taken:
                with works.database.changing() as session:
                    session.run("UPDATE port104_run SET node = 'n2', attempt = 2")
        return confirmed[-1]

    as_it_is = Ledger.confirm
    monkeypatch.setattr(Ledger, "confirm", confirm)
    monkeypatch.setattr(dispatching, "since_boot", lambda: trio.current_time() + sum(frozen))
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(60)
    assert confirmed == [True, not taken]
    assert works.script.begun == ([] if taken else [("a", 1)])


async def test_a_run_whose_payload_is_not_whole_waits_with_its_reason_and_uses_up_no_attempt(
    autojump_clock, works
):
    whole = trio.current_time() + 600
    of_folders = works.dispatcher._of_folders
    asked = []

    async def payload_of(run, members, pipeline):
        asked.append(trio.current_time())
        if trio.current_time() < whole:
            raise IncompleteError("waits for 3 instances of another engine")
        return await of_folders(run, members, pipeline)

    works.dispatcher._payload_of = payload_of
    async with dispatched(works):
        works.job(**BOTH)
        await trio.sleep(300)
        assert works.states == [("a", "waiting", 0), ("b", "waiting", 0)]
        assert works.run("SELECT DISTINCT why FROM port104_run") == [
            ("waits for 3 instances of another engine",)
        ]
        await trio.sleep(400)
    assert sorted(works.script.begun) == [("a", 1), ("b", 1)]
    assert works.states == [("a", "succeeded", 1), ("b", "succeeded", 1)]
    assert len(asked) < 2 * 40  # later and later, a minute at most


async def test_a_run_that_waits_for_its_payload_can_be_cancelled(autojump_clock, works):
    async def payload_of(run, members, pipeline):
        await trio.sleep(10)
        raise IncompleteError("waits")

    works.dispatcher._payload_of = payload_of
    async with dispatched(works):
        works.job(**{"pipeline-a": "A"})
        await trio.sleep(1)
        ((run_id,),) = works.run("SELECT id FROM port104_run")
        assert await works.dispatcher.cancel(run_id) == "running"
        await trio.sleep(60)
    assert works.states == [("a", "cancelled", 0)]
    assert works.script.begun == []
