"""What is stored comes into the ledger, whatever happens, and groups are closed in time."""

import contextlib

import pytest
import trio

from arrivals import plan_by
from port104.database.faults import DatabaseError
from port104.database.sqlite import SqliteDatabase
from port104.dispatch import bookkeeping
from port104.dispatch.bookkeeping import LOOK_SECONDS, Bookkeeper
from port104.dispatch.desk import Desk
from port104.jobs.grouping import GroupingRule
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.tables import SCHEMA
from port104.net.contracts import AssociationEnd, AssociationStart
from raw_peer import association_request
from sender import element, image
from stored_file import put, told_of

RULE = GroupingRule(timeout=5, maximum_age=60)
pytestmark = pytest.mark.usefixtures("no_threads")


class Books:
    """A bookkeeper of a storage folder, and a look into its ledger."""

    def __init__(self, root, *, rule=RULE, most_waiting=1000):
        self.root = root
        (root / "instances").mkdir(exist_ok=True)
        self.database = SqliteDatabase(root / "ledger.sqlite3", SCHEMA, clock=trio.current_time)
        self.ledger = Ledger(self.database, "node")
        self.fault = None
        self.batches = []
        self._record, self.ledger.record = self.ledger.record, self.record
        self.desk = Desk(self.ledger)
        self.made = 0
        self.keeper = Bookkeeper(
            self.desk,
            root,
            lambda called: rule,
            plan_of=lambda called, now: plan_by(called, {"pipeline-a": "A"}, now),
            job_made=self.job_made,
            replaces=lambda called: called == "OVERWRITE",
            clock=trio.current_time,
            most_waiting=most_waiting,
        )

    def job_made(self):
        self.made += 1

    def record(self, arrivals):
        if self.fault is not None:
            raise self.fault
        self.batches.append(len(arrivals))
        return self._record(arrivals)

    def store(self, number, **facts):
        instance = f"1.2.3.{number}"
        written = trio.current_time()
        path = put(self.root, instance, written=written, **facts)
        known = {name: facts[name] for name in ("study", "called") if name in facts}
        self.keeper.stored([told_of(path, instance, **known)])

    def run(self, sql):
        with self.database.reading() as session:
            return session.run(sql)

    @property
    def instances(self):
        return self.run("SELECT sop_instance FROM port104_instance WHERE state = 'kept' ORDER BY file")

    @property
    def groups(self):
        return self.run("SELECT state, instances FROM port104_group ORDER BY opened, id")


@pytest.fixture
def open_books(tmp_path):
    """Opens the books of one storage folder, again and again."""
    with contextlib.ExitStack() as stack:

        def open_one(**facts):
            books = Books(tmp_path, **facts)
            stack.callback(books.database.close)
            return books

        yield open_one


@pytest.fixture
def books(open_books):
    return open_books()


@contextlib.asynccontextmanager
async def kept(books):
    """The bookkeeper at work."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(books.keeper.run)
        await trio.sleep(0.001)
        yield
        nursery.cancel_scope.cancel()


def start(association=1, calling="CT1", address="10.0.0.1"):
    request = association_request(calling_ae_title=calling)
    return AssociationStart(association, address, request, {}, False, None, dict)


async def test_an_instance_is_written_with_who_sent_it(autojump_clock, books):
    async with kept(books):
        books.keeper.established(start())
        books.store(1)
        await trio.sleep(1)
    columns = "called, calling, address, sop_instance, study, series, received"
    (row,) = books.run(f"SELECT {columns} FROM port104_instance")
    assert row[:6] == ("PORT104", "CT1", "10.0.0.1", "1.2.3.1", "1.2.3", "1.2.3.1")
    assert row[6] == pytest.approx(0.001, abs=1e-6)


async def test_an_association_is_forgotten_when_it_ends(autojump_clock, books):
    books.keeper.established(start())
    end = AssociationEnd(1, "10.0.0.1", None, None, False, False, "released", "", "", {})
    books.keeper.ended(end)
    books.keeper.ended(end)
    async with kept(books):
        books.store(1)
        await trio.sleep(1)
    assert books.run("SELECT calling FROM port104_instance") == [("",)]


async def test_what_an_association_brought_is_written_with_who_sent_it_after_its_end(autojump_clock, books):
    end = AssociationEnd(1, "10.0.0.1", None, None, False, False, "released", "", "", {})
    async with kept(books):
        books.keeper.established(start())
        books.store(1)
        books.keeper.ended(end)
        books.store(2)
        await trio.sleep(1)
        books.store(3)
        await trio.sleep(1)
    rows = books.run("SELECT sop_instance, calling FROM port104_instance ORDER BY sop_instance")
    # The second came behind the end: no association does so.
    assert rows == [("1.2.3.1", "CT1"), ("1.2.3.2", "CT1"), ("1.2.3.3", "")]


async def test_a_burst_is_one_batch(autojump_clock, books):
    async with kept(books):
        for number in range(20):
            books.store(number)
        await trio.sleep(1)
    assert books.batches == [20]


async def test_a_group_that_became_due_is_closed_when_the_keeper_is_told(autojump_clock, open_books):
    rule = GroupingRule(timeout=600)
    books = open_books(rule=rule)
    async with kept(books):
        books.store(1)
        await trio.sleep(1)
        ((group,),) = books.run("SELECT id FROM port104_group")
        assert books.ledger.announce(group, rule, 1)
        books.keeper.look()
        await trio.sleep(bookkeeping.PAUSE_SECONDS + 0.01)
        assert books.groups == [("closed", 1)]


class Working:
    """Books in which every batch is of one instance, and keeps a core busy for 10 ms."""

    def __init__(self, books, monkeypatch):
        self.times = []
        self.others = 0  # that come while one is written
        self._books, self._seconds = books, 0.0
        monkeypatch.setattr(bookkeeping, "_BATCH", 1)
        monkeypatch.setattr(bookkeeping.time, "thread_time", lambda: self._seconds)
        record, books.ledger.record = books.ledger.record, lambda arrivals: self._record(record, arrivals)

    def _record(self, record, arrivals):
        self.times.append(trio.current_time())
        self._seconds += 0.01
        for _ in range(self.others):
            self._books.store(100 + len(self.times), study="1.2.4")
        return record(arrivals)


async def test_while_others_come_writing_rests(autojump_clock, books, monkeypatch):
    working = Working(books, monkeypatch)
    async with kept(books):
        working.others = 1
        books.store(1)
        await trio.sleep(10)
        assert len(working.times) == pytest.approx(10 / (49 * 0.01), rel=0.3)
        working.others = 0
        for number in range(2, 102):
            books.store(number)
        await trio.sleep(1)
        assert books.keeper.waiting == 0


async def test_a_group_is_closed_while_others_come(autojump_clock, books, monkeypatch):
    working = Working(books, monkeypatch)
    async with kept(books):
        books.store(1)
        working.others = 1
        await trio.sleep(7)
        assert books.groups[0] == ("closed", 1)
        assert books.keeper.waiting > 0


async def test_nothing_is_closed_before_what_came_for_it_is_written(autojump_clock, books, monkeypatch):
    working = Working(books, monkeypatch)
    async with kept(books):
        books.store(1)
        await trio.sleep(4.9)
        working.others = 1
        for number in range(200, 240):
            books.store(number, study="1.2.4")
        await trio.sleep(0.1)
        books.store(2)  # in time, and written when its group is overdue
        await trio.sleep(60)
    assert ("closed", 2) in books.groups


async def test_a_group_is_closed_when_nothing_came_for_its_timeout(autojump_clock, books):
    async with kept(books):
        books.store(1)
        await trio.sleep(4)
        books.store(2)
        await trio.sleep(4.9)
        assert books.groups == [("open", 2)]
        await trio.sleep(0.3)
        assert books.groups == [("closed", 2)]
    assert books.run("SELECT pipeline_id, state FROM port104_run") == [("A", "waiting")]
    assert books.made == 1


async def test_other_engines_groups_are_looked_for(autojump_clock, books, open_books):
    async with kept(books):
        await trio.sleep(1)
        other = open_books()
        other.store(1)
        await other.keeper.finish()
        await trio.sleep(LOOK_SECONDS + 5)
    assert books.groups == [("closed", 1)]


async def test_what_lacks_after_a_kill_is_found_before_its_group_is_closed(autojump_clock, books, open_books):
    async with kept(books):
        books.store(1)
        await trio.sleep(1)
    books.store(2)  # acknowledged; the engine dies
    await trio.sleep(30)
    later = open_books()
    async with kept(later):
        await trio.sleep(1)
        assert later.groups == [("open", 2)]
        await trio.sleep(5)
    assert later.groups == [("closed", 2)]
    assert later.run("SELECT calling, called FROM port104_instance WHERE sop_instance = '1.2.3.2'") == [
        ("CT1", "PORT104")
    ]


async def test_a_lost_ledger_is_made_anew_from_the_files(autojump_clock, books, open_books):
    for number in range(3):
        books.store(number, study=f"1.2.{number % 2}")
    (books.root / "ledger.sqlite3").unlink(missing_ok=True)
    later = open_books()
    async with kept(later):
        await trio.sleep(1)
    assert sorted(later.groups) == [("open", 1), ("open", 2)]


async def test_while_the_database_is_away_instances_wait(autojump_clock, books):
    async with kept(books):
        books.fault = DatabaseError("the disk is full")
        books.store(1)
        await trio.sleep(30)
        books.store(2)
        assert books.desk.fault == "the disk is full"
        assert books.keeper.waiting == 2
        books.fault = None
        await trio.sleep(11)
        assert books.desk.fault is None
    assert books.instances == sorted(books.instances)
    assert len(books.instances) == 2


async def test_what_is_forgotten_is_found_in_the_files(autojump_clock, open_books):
    books = open_books(most_waiting=3)
    async with kept(books):
        books.fault = DatabaseError("away")
        for number in range(9):
            books.store(number)
        assert books.keeper.waiting == 3
        await trio.sleep(20)
        assert books.instances == []
        books.fault = None
        await trio.sleep(LOOK_SECONDS + 11)
    assert len(books.instances) == 9


async def test_without_a_look_at_the_files_it_goes_on_and_looks_again(autojump_clock, books, monkeypatch):
    (books.root / "instances").rename(books.root / "away")
    async with kept(books):
        await trio.sleep(1)
        (books.root / "away").rename(books.root / "instances")
        put(books.root, "1.2.3.9")
        books.store(1)
        await trio.sleep(1)
        assert books.instances == [("1.2.3.1",)]
        await trio.sleep(LOOK_SECONDS)
    assert len(books.instances) == 2


async def test_a_restored_backup_is_nothing_new(autojump_clock, books, open_books):
    async with kept(books):
        books.store(1)
        books.store(2, called="OVERWRITE")
        await trio.sleep(20)
    put(books.root, "1.2.3.1", written=500)
    put(books.root, "1.2.3.2", written=500, called="OVERWRITE")
    later = open_books()
    async with kept(later):
        await trio.sleep(1)
    assert later.groups == [("closed", 1), ("closed", 1), ("open", 1)]
    again = open_books()
    async with kept(again):
        await trio.sleep(1)
    assert len(again.groups) == 3


async def test_what_could_not_be_picked_is_read(autojump_clock, books):
    async with kept(books):
        path = put(books.root, "1.2.3.1", study="9.9")
        books.keeper.stored([told_of(path, "1.2.3.1", complete=False)])
        await trio.sleep(1)
    assert books.run("SELECT study FROM port104_instance") == [("9.9",)]


async def test_another_tag_is_read(autojump_clock, open_books):
    books = open_books(rule=GroupingRule(tag=0x00100010))
    data_set = image("1.2.3.1", b"", patient=element(0x0010, 0x0010, b"PN", b"Anon"))
    async with kept(books):
        books.store(1, data_set=data_set)
        await trio.sleep(1)
    assert books.run("SELECT value FROM port104_group") == [("Anon",)]


async def test_a_file_that_is_gone_holds_up_nobody(autojump_clock, books):
    async with kept(books):
        path = put(books.root, "1.2.3.1")
        path.unlink()
        books.keeper.stored([told_of(path, "1.2.3.1")])
        books.store(2)
        await trio.sleep(1)
    assert books.instances == [("1.2.3.2",)]


async def test_at_the_end_what_waits_is_written(autojump_clock, books):
    books.store(1)
    await books.keeper.finish()
    assert books.instances == [("1.2.3.1",)]
    books.fault = DatabaseError("away")
    books.store(2)
    await books.keeper.finish()
    assert books.desk.fault == "away"
