"""Files that somebody registers are looked at, kept in their run's folder, and registered once."""

import os

import pytest
import trio

from arrivals import arrival, plan_by
from port104.database.faults import DatabaseError
from port104.database.sqlite import SqliteDatabase
from port104.dispatch import filing
from port104.dispatch.caretaking import Caretaker, Retention
from port104.dispatch.desk import Desk
from port104.dispatch.filing import FaultyFilesError, Filing, NoFolderError
from port104.errors import StorageError
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.looking.places import run_place
from port104.jobs.ledger.tables import SCHEMA
from stored_file import put

pytestmark = pytest.mark.usefixtures("no_threads")


class Desks:
    """A storage folder with a run that was begun, and who files its results."""

    def __init__(self, root):
        self.root = root
        self.database = SqliteDatabase(root / "ledger.sqlite3", SCHEMA)
        self.ledger = Ledger(self.database, "n1")
        self.ledger.register(str(root), "ingress-1")
        self.ledger.record([arrival(1)])
        self.sql("UPDATE port104_group SET due = 0")
        self.ledger.close_due(
            plan_of=lambda called, now: plan_by(called, {"pipeline-a": "A"}, now), now=self.ledger.now()
        )
        self.run = self.ledger.begin({"A": 1})
        self.folder = root / "runs" / self.run.id / "1"
        (self.folder / "output" / "deep").mkdir(parents=True)
        self.desk = Desk(self.ledger)
        self.filing = Filing(self.desk, root, "n1", lambda: None)

    def sql(self, statement):
        with self.database.changing() as session:
            return session.run(statement)

    def place(self):
        with self.database.reading() as session:
            return run_place(session, self.run.job_id, self.run.id)

    async def register(self, *sources, destinations=("PACS",)):
        return await self.filing.register(self.place(), sources, destinations)

    def results(self):
        return self.sql("SELECT file, destination, sop_instance, state FROM port104_result ORDER BY 1, 2")

    def kept(self):
        return [path for path in (self.root / "runs").rglob("*") if path.is_file() and not path.is_symlink()]


@pytest.fixture
def desks(tmp_path):
    (tmp_path / "storage").mkdir()
    made = Desks(tmp_path / "storage")
    yield made
    made.database.close()


@pytest.fixture
def report(tmp_path):
    return put(tmp_path / "elsewhere", "1.2.3.7")


async def uploaded(desks, content):
    async def parts():
        for first in range(0, len(content), 7):
            yield content[first : first + 7]

    return await desks.filing.receive(parts())


async def test_a_file_is_copied_and_waits_for_its_destinations(desks, report):
    (file,) = await desks.register(report, destinations=["PACS", "RIS"])
    assert desks.results() == [
        (file, "PACS", "1.2.3.7", "waiting"),
        (file, "RIS", "1.2.3.7", "waiting"),
    ]
    content = report.read_bytes()
    report.write_bytes(b"changed")
    assert (desks.root / file).read_bytes() == content
    assert (desks.root / file).parent == desks.folder / "registered"


async def test_the_same_bytes_are_registered_once(desks, report, tmp_path):
    again = put(tmp_path / "again", "1.2.3.7")
    first = await desks.register(report, again)
    assert await desks.register(again) == first
    with await uploaded(desks, report.read_bytes()) as upload:
        assert await desks.register(upload) == first
    assert len(desks.results()) == len(desks.kept()) == 1


async def test_an_upload_longer_than_a_piece(desks, report, monkeypatch):
    monkeypatch.setattr(filing, "_PIECE", 16)
    with await uploaded(desks, report.read_bytes()) as upload:
        (file,) = await desks.register(upload)
    assert (desks.root / file).read_bytes() == report.read_bytes()


async def test_what_the_run_left_stays_where_it_is(desks):
    left = put(desks.root / "aside", "1.2.3.8").rename(desks.folder / "output" / "deep" / "a.dcm")
    assert await desks.register(left) == [f"runs/{desks.run.id}/1/output/deep/a.dcm"]
    roundabout = desks.folder / "output" / ".." / "output" / "deep" / "a.dcm"
    assert await desks.register(roundabout) == [f"runs/{desks.run.id}/1/output/deep/a.dcm"]
    assert desks.kept() == [left]


async def test_without_a_destination_it_is_kept(desks, report):
    await desks.register(report, destinations=())
    assert [row[1:] for row in desks.results()] == [("", "1.2.3.7", "kept")]


async def test_one_that_is_wrong_keeps_all_from_being_registered(desks, report, tmp_path, monkeypatch):
    text, link, pipe = tmp_path / "text", tmp_path / "link", tmp_path / "pipe"
    text.write_text("text")
    link.symlink_to(report)
    os.mkfifo(pipe)
    (desks.folder / "output" / "out").symlink_to(report)
    with pytest.raises(FaultyFilesError) as raised:
        await desks.register(
            report,
            text,
            link,
            pipe,
            tmp_path,
            tmp_path / "none",
            report.relative_to(tmp_path),
            tmp_path / "a\0b",
            desks.folder / "output" / "out",
        )
    reasons = dict(raised.value.faults)
    assert list(reasons) == [1, 2, 3, 4, 5, 6, 7, 8]
    for index, words in enumerate(
        (
            "it is no DICOM file",
            "it is a link",
            "it is no file, but a folder or a device",
            "it is no file, but a folder or a device",
            "it cannot be read: No such file or directory",
            "its path must be absolute",
            "null",
            "it is a link",
        ),
        1,
    ):
        assert words in reasons[index]
    monkeypatch.setattr(filing, "MOST_BYTES", 100)
    with pytest.raises(FaultyFilesError, match="file 1: it has more than 100 bytes"):
        await desks.register(report)
    assert desks.results() == []
    assert desks.kept() == []


async def test_a_run_without_a_folder_here(desks, report):
    desks.sql("UPDATE port104_run SET node = 'n2'")
    with pytest.raises(NoFolderError, match=r"on an unknown machine \(node n2\): register its results"):
        await desks.register(report)
    desks.sql("UPDATE port104_run SET node = NULL, attempt = 0, state = 'waiting'")
    with pytest.raises(NoFolderError, match="has not begun"):
        await desks.register(report)


async def test_a_disk_that_fails_is_told(desks, report, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(filing.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        await desks.register(report)
    assert desks.kept() == []
    monkeypatch.setattr(filing.tempfile, "TemporaryFile", lambda **_: full(0))
    with pytest.raises(StorageError, match="No space left on device"):
        await uploaded(desks, b"")


async def test_an_upload_that_breaks_off_leaves_nothing(desks):
    async def parts():
        yield b"some"
        raise EOFError

    with pytest.raises(EOFError):
        await desks.filing.receive(parts())
    assert desks.kept() == []


async def test_what_is_registered_again_after_its_folder_went_is_kept_and_cleaned(desks, report):
    low = Caretaker(desks.desk, desks.root, lambda: Retention(0, 0, None), lambda: True)
    desks.ledger.end(desks.run, "succeeded", "")
    assert await low.look() == (1, 0)
    (file,) = await desks.register(report)
    assert await low.look() == (0, 0)
    assert (desks.root / file).exists()
    desks.sql("UPDATE port104_result SET state = 'delivered'")
    assert await low.look() == (1, 0)
    assert desks.kept() == []


async def test_no_folder_is_removed_while_one_is_filled(desks, report):
    low = Caretaker(desks.desk, desks.root, lambda: Retention(0, 0, None), lambda: True)
    desks.ledger.end(desks.run, "succeeded", "")
    async with trio.open_nursery() as nursery:
        async with desks.desk.folders:
            nursery.start_soon(low.look)
            await trio.testing.wait_all_tasks_blocked()
            assert desks.folder.exists()


async def test_a_ledger_that_is_away_is_told_and_the_call_can_be_repeated(desks, report, monkeypatch):
    def away(*_):
        raise DatabaseError("away")

    with monkeypatch.context() as patched:
        patched.setattr(desks.ledger, "register_results", away)
        with pytest.raises(DatabaseError):
            await desks.register(report)
    await desks.register(report)
    assert len(desks.results()) == len(desks.kept()) == 1
