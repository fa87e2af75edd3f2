"""What is done with goes in its time, or when space runs low; nothing else does."""

import os

import pytest
import trio

from arrivals import RULE, arrival, plan_by
from port104.database.sqlite import SqliteDatabase
from port104.dispatch.caretaking import LOOK_SECONDS, Caretaker, Retention, put_back
from port104.dispatch.desk import Desk
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.results import Result
from port104.jobs.ledger.tables import SCHEMA
from stored_file import put

pytestmark = pytest.mark.usefixtures("no_threads")
HOUR = 3600.0


class House:
    """A storage folder, its ledger and its caretaker; `now` is the ledger's clock."""

    def __init__(self, root):
        self.root = root
        self.now = 1000.0
        self.low = False
        self.retention = Retention(succeeded=HOUR, failed=10 * HOUR, instances=None)
        self.database = SqliteDatabase(root / "ledger.sqlite3", SCHEMA, clock=lambda: self.now)
        self.ledger = Ledger(self.database, "n1")
        self.in_store = set()
        self.caretaker = Caretaker(
            Desk(self.ledger), root, lambda: self.retention, lambda: self.low, clear=self.clear
        )

    async def clear(self, run_ids):
        """Say of which runs the object store has nothing."""
        await trio.lowlevel.checkpoint()
        return [run_id for run_id in run_ids if run_id not in self.in_store]

    def study(self, number, **settings):
        """A study of one instance comes and is closed; returns its file, and its runs, which were begun."""
        path = put(self.root, f"1.2.3.{number}")
        file = f"{path.parent.name}/{path.name}"
        self.ledger.record([arrival(number, value=f"{number}", file=file, written=path.stat().st_mtime_ns)])
        self.now += 10
        self.ledger.close_due(
            now=self.ledger.now(),
            plan_of=lambda called, now: plan_by(called, settings or {"pipeline-a": "A"}, now),
        )
        runs = []
        while run := self.ledger.begin({"A": 99, "B": 99}):
            runs.append(run)
            (self.root / "runs" / run.id / "1").mkdir(parents=True)
        return path, runs

    def folder(self, run):
        return self.root / "runs" / run.id

    def end(self, run, outcome="succeeded", **facts):
        assert self.ledger.end(run, outcome, "", **facts)

    def states(self):
        with self.database.reading() as session:
            return dict(session.run("SELECT sop_instance, state FROM port104_instance"))


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.database.close()


async def test_a_runs_folder_goes_in_its_time(house):
    _, (run,) = house.study(1)
    house.end(run)
    house.now += HOUR - 1
    assert await house.caretaker.look() == (0, 0)
    assert house.folder(run).exists()
    house.now += 1
    assert await house.caretaker.look() == (1, 0)
    assert not house.folder(run).exists()
    assert await house.caretaker.look() == (0, 0)


async def test_a_folder_stays_while_the_object_store_has_something_of_its_run(house):
    (_, (run,)), (_, (other,)) = house.study(1), house.study(2)
    house.end(run)
    house.end(other)
    house.in_store = {run.id}
    house.now += HOUR
    assert await house.caretaker.look() == (1, 0)
    assert house.folder(run).exists()
    assert not house.folder(other).exists()
    house.in_store = set()
    assert await house.caretaker.look() == (1, 0)
    assert not house.folder(run).exists()


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
async def test_what_ended_badly_is_kept_longer(house, outcome):
    _, (run,) = house.study(1)
    house.end(run, outcome)
    house.now += 10 * HOUR - 1
    house.low = True
    assert await house.caretaker.look() == (0, 0)
    house.now += 1
    assert await house.caretaker.look() == (1, 0)


async def test_a_run_that_is_under_way_or_waits_is_no_matter(house):
    _, (running,) = house.study(1)
    house.study(2)
    house.ledger.fail(running, "", attempts=2)
    house.now += 1000 * HOUR
    house.low = True
    assert await house.caretaker.look() == (0, 0)


async def test_results_that_wait_keep_their_folder(house):
    _, (run,) = house.study(1)
    house.end(run, results=[Result(file="x", destination="PACS", state="waiting")])
    house.now += 1000 * HOUR
    assert await house.caretaker.look() == (0, 0)
    with house.database.changing() as session:
        session.run("UPDATE port104_result SET state = 'delivered'")
    assert await house.caretaker.look() == (1, 0)


async def test_when_space_is_low_nothing_waits_its_time(house):
    _, (run,) = house.study(1)
    house.end(run)
    house.low = True
    assert await house.caretaker.look() == (1, 0)


async def test_a_run_that_is_run_again_has_a_folder_again(house):
    _, (run,) = house.study(1)
    house.end(run)
    house.low = True
    await house.caretaker.look()
    house.ledger.rerun(run.id)
    again = house.ledger.begin({"A": 1})
    house.folder(again).mkdir()
    assert await house.caretaker.look() == (0, 0)
    house.end(again)
    assert await house.caretaker.look() == (1, 0)


async def test_a_run_that_is_run_again_meanwhile_is_not_written_off(house):
    _, (run,) = house.study(1)
    house.end(run)
    house.ledger.rerun(run.id)
    again = house.ledger.begin({"A": 1})
    house.ledger.write_off_runs([run.id])
    house.end(again)
    house.low = True
    assert await house.caretaker.look() == (1, 0)


async def test_folders_of_runs_that_went_on_elsewhere_go_in_their_time(house):
    runs = [house.study(number)[1][0] for number in range(4)]
    elsewhere, going_on, waited_for, ours = runs
    with house.database.changing() as session:
        for run in (elsewhere, going_on, waited_for):
            session.run("UPDATE port104_run SET node = 'n2', attempt = 2 WHERE id = ?", run.id)
    for run in (elsewhere, waited_for):
        with house.database.changing() as session:
            session.run(
                "UPDATE port104_run SET state = 'succeeded', ended = ? WHERE id = ?", house.now, run.id
            )
    house.ledger.register_results(waited_for.id, [Result(file="x", destination="PACS", state="waiting")])
    house.end(ours)
    (house.root / "runs" / "unknown").mkdir()
    house.now += HOUR - 1
    assert await house.caretaker.look_for_left() == 0
    house.now += 1
    assert await house.caretaker.look_for_left() == 1
    assert [house.folder(run).exists() for run in runs] == [False, True, True, True]
    assert (house.root / "runs" / "unknown").exists()


async def test_a_folder_that_could_not_be_removed_is_tried_again(house, monkeypatch):
    _, (run,) = house.study(1)
    assert await house.caretaker.look_for_left() == 0
    house.end(run)
    house.low = True
    with monkeypatch.context() as patched:
        patched.setattr("port104.dispatch.caretaking.shutil.rmtree", lambda *_, **__: None)
        await house.caretaker.look()
    assert house.folder(run).exists()
    house.now += HOUR
    assert await house.caretaker.look_for_left() == 1
    assert not house.folder(run).exists()


async def test_instances_stay_unless_it_is_asked_for(house):
    path, (run,) = house.study(1)
    house.end(run)
    house.now += 1000 * HOUR
    house.low = True
    await house.caretaker.look()
    assert path.exists()


async def test_instances_go_once_all_their_runs_succeeded(house):
    house.retention = Retention(HOUR, HOUR, instances=2 * HOUR)
    path, (one, other) = house.study(1, **{"pipeline-a": "A", "pipeline-b": "B"})
    house.end(one)
    house.now += 2 * HOUR
    assert (await house.caretaker.look())[1] == 0
    house.end(other)
    assert (await house.caretaker.look())[1] == 1
    assert not path.exists()
    assert house.states() == {"1.2.3.1": "removed"}
    assert (await house.caretaker.look())[1] == 0


async def test_in_their_time_or_when_space_is_low(house):
    house.retention = Retention(HOUR, HOUR, instances=2 * HOUR)
    _, (run,) = house.study(1)
    house.end(run)
    house.now += HOUR
    assert (await house.caretaker.look())[1] == 0
    house.low = True
    assert (await house.caretaker.look())[1] == 1


@pytest.mark.parametrize("outcome", ["failed", None])
async def test_instances_of_what_failed_stay(house, outcome):
    house.retention = Retention(HOUR, HOUR, instances=0.0)
    path, (run,) = house.study(1)
    if outcome:
        house.end(run, outcome)
    house.now += 1000 * HOUR
    await house.caretaker.look()
    assert path.exists()


async def test_instances_that_a_later_group_may_need_stay(house):
    house.retention = Retention(HOUR, HOUR, instances=0.0)
    path, (run,) = house.study(1)
    house.end(run)
    house.ledger.record([arrival(9, value="1", rule=RULE)])
    assert (await house.caretaker.look())[1] == 0
    assert path.exists()


async def test_instances_that_are_held_stay(house):
    house.retention = Retention(HOUR, HOUR, instances=0.0)
    house.ledger.record([arrival(1, value=None)])
    house.now += 1000 * HOUR
    assert (await house.caretaker.look())[1] == 0


async def test_without_pipelines_they_go_in_their_time(house):
    house.retention = Retention(HOUR, HOUR, instances=HOUR)
    path, runs = house.study(1, timeout=5)
    assert runs == []
    house.now += HOUR
    assert (await house.caretaker.look())[1] == 1
    assert not path.exists()


async def test_another_instance_under_the_name_stays(house):
    house.retention = Retention(HOUR, HOUR, instances=0.0)
    path, (run,) = house.study(1)
    house.end(run)
    os.utime(path, ns=(1, 1))  # other bytes have taken its place, and the ledger does not know yet
    assert (await house.caretaker.look())[1] == 0
    assert path.stat().st_mtime_ns == 1
    assert list((house.root / "removing").iterdir()) == []


async def test_a_file_that_is_gone_already_is_written_off(house):
    house.retention = Retention(HOUR, HOUR, instances=0.0)
    path, (run,) = house.study(1)
    house.end(run)
    path.unlink()
    assert (await house.caretaker.look())[1] == 1


def test_what_was_cut_off_is_put_back(house):
    put_back(house.root)
    path, _ = house.study(1)
    (house.root / "removing").mkdir()
    path.rename(house.root / "removing" / path.name)
    put_back(house.root)
    assert path.exists()
    assert list((house.root / "removing").iterdir()) == []


def test_nothing_is_put_in_anothers_place(house):
    path, _ = house.study(1)
    (house.root / "removing").mkdir()
    (house.root / "removing" / path.name).write_text("older")
    put_back(house.root)
    assert path.read_bytes()[128:132] == b"DICM"
    assert (house.root / "removing" / path.name).read_text() == "older"


async def test_it_looks_each_minute(autojump_clock, house):
    _, (run,) = house.study(1)
    house.end(run)
    house.now += HOUR
    with trio.move_on_after(LOOK_SECONDS + 1):
        await house.caretaker.run()
    assert not house.folder(run).exists()
