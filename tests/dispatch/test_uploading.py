"""What is stored comes into the object store, whatever happens to that, and is written down."""

import os

import pytest
import trio

from arrivals import arrival
from beside import running
from memory_objects import AWAY, MemoryObjects
from port104.database.sqlite import SqliteDatabase
from port104.dispatch.desk import Desk
from port104.dispatch.uploading import LONGEST_PAUSE, LOOK_SECONDS, Uploader
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.tables import SCHEMA
from port104.objects.faults import DamagedObjectError, ObjectStoreError
from stored_file import put

pytestmark = pytest.mark.usefixtures("no_threads")


class Site:
    """A storage folder with its ledger, an object store, and what is between them."""

    def __init__(self, root):
        self.root = root
        self.database = SqliteDatabase(root / "ledger.sqlite3", SCHEMA, clock=trio.current_time)
        self.ledger = Ledger(self.database, "n1")
        self.ledger.has_object_store = True
        self.ledger.register(str(root), "ingress-1")
        self.store = MemoryObjects()
        self.uploader = self.new_uploader()

    def new_uploader(self):
        return Uploader(Desk(self.ledger), self.root, "n1", self.store, 4, lambda: 0.0)

    def come(self, *numbers):
        """Instances are stored and written down; returns their keys."""
        paths = [put(self.root, f"1.2.3.{number}") for number in numbers]
        told = [
            arrival(
                number,
                file=f"{path.parent.name}/{path.name}",
                written=path.stat().st_mtime_ns,
                replaced=False,
            )
            for number, path in zip(numbers, paths, strict=True)
        ]
        self.ledger.record(told)
        self.uploader.look()
        return [self.store.place.key_of("n1", each.file, each.written) for each in told]

    def path_of(self, key):
        stem = key.rpartition("/")[2].split(".")[0]
        return self.root / "instances" / stem[:2] / f"{stem}.dcm"

    def states(self):
        with self.database.reading() as session:
            return dict(session.run("SELECT state, COUNT(*) FROM port104_object GROUP BY state"))


@pytest.fixture
async def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.database.close()


def uploading(site):
    return running(site.uploader.run, settles=0.01)


async def test_what_comes_is_put_there_and_written_down(autojump_clock, site):
    async with uploading(site):
        keys = site.come(*range(300))
        await trio.sleep(0.1)
        assert site.states() == {"stored": 300}
        later = site.come(300)
        await trio.sleep(0.1)
    assert site.store.objects.keys() == {*keys, *later}
    assert {key: site.path_of(key).read_bytes() for key in keys} == {
        key: site.store.objects[key] for key in keys
    }
    figures = site.uploader.figures
    assert (figures.stored, figures.failed) == (301, 0)
    assert figures.bytes == sum(map(len, site.store.objects.values()))
    assert figures.seconds > 0


async def test_what_came_before_there_was_a_store_is_put_there_too(autojump_clock, site):
    site.ledger.has_object_store = False
    keys = site.come(1, 2)
    site.ledger.has_object_store = True
    async with uploading(site):
        await trio.sleep(0.1)
    assert site.store.objects.keys() == set(keys)


async def test_a_store_that_is_away_is_asked_later_and_later_and_nothing_is_lost(autojump_clock, site):
    site.store.fault = AWAY
    async with uploading(site):
        keys = site.come(1, 2, 3)
        await trio.sleep(3600)
        assert site.uploader.fault == str(AWAY)
        assert 3600 / LONGEST_PAUSE <= site.store.checked < 3600 / LONGEST_PAUSE + 10
        assert site.states() == {"waiting": 3}
        site.store.fault = None
        await trio.sleep(LONGEST_PAUSE)
        assert site.uploader.fault is None
    assert site.store.objects.keys() == set(keys)


async def test_an_idle_store_is_not_asked_again_and_again(autojump_clock, site):
    async with uploading(site):
        await trio.sleep(10 * LOOK_SECONDS)
    assert site.store.checked == 1


@pytest.mark.parametrize("fault", [DamagedObjectError("other bytes"), ObjectStoreError("it answered 400")])
async def test_an_instance_that_cannot_be_put_there_holds_up_no_other(autojump_clock, site, fault):
    bad, *keys = site.come(*range(200))
    site.store.faults = {bad: fault}
    async with uploading(site):
        await trio.sleep(60)
        assert site.states() == {"stored": 199, "waiting": 1}
        assert site.uploader.figures.failed > 1
        site.store.faults = {}
        await trio.sleep(60)
    assert site.states() == {"stored": 200}
    assert site.store.objects.keys() == {bad, *keys}


async def test_what_is_gone_is_not_put_there(autojump_clock, site):
    gone, there = site.come(1, 2)
    site.path_of(gone).unlink()
    async with uploading(site):
        await trio.sleep(1)
    assert site.store.objects.keys() == {there}
    assert site.states() == {"stored": 1}


async def test_what_was_written_to_waits_for_whoever_knows_it_by_its_new_time(autojump_clock, site):
    (key,) = site.come(1)
    path = site.path_of(key)
    written = path.stat().st_mtime_ns
    os.utime(path, (1, 1))
    async with uploading(site):
        await trio.sleep(60)
        assert (site.store.objects, site.states()) == ({}, {"waiting": 1})
        site.ledger.rewritten(f"{path.parent.name}/{path.name}", written, path.stat().st_mtime_ns)
        await trio.sleep(60)
    assert (site.store.objects.keys(), site.states()) == ({key}, {"stored": 1})


async def test_what_others_took_the_place_of_is_not_wanted_any_more(autojump_clock, site):
    (old,) = site.come(1)
    path = site.path_of(old)
    os.utime(path, (1 << 31, 1 << 31))
    file, written = f"{path.parent.name}/{path.name}", path.stat().st_mtime_ns
    site.ledger.record([arrival(1, file=file, written=written)])
    async with uploading(site):
        await trio.sleep(60)
    assert site.store.objects.keys() == {site.store.place.key_of("n1", file, written)}
    assert site.states() == {"stored": 1}


async def test_what_was_not_written_down_is_put_there_once_more(autojump_clock, site):
    """As after a kill between both."""
    (key,) = site.come(1)
    with site.path_of(key).open("rb") as file:
        site.store.put(key, file)
    async with uploading(site):
        await trio.sleep(1)
    assert site.store.put_keys == [key, key]
    assert (site.states(), len(site.store.objects)) == ({"stored": 1}, 1)


async def test_what_nobody_wants_any_more_leaves_the_store_again(autojump_clock, site):
    (key,) = site.come(1)
    put_of_store = site.store.put

    def put_late(key, file):
        with site.database.changing() as session:
            session.run("DELETE FROM port104_object")  # it was removed meanwhile, in its time
        return put_of_store(key, file)

    site.store.put = put_late
    async with uploading(site):
        await trio.sleep(1)
    assert site.store.put_keys == [key]
    assert site.store.objects == {}


async def test_a_file_that_cannot_be_read_is_tried_again(autojump_clock, site):
    (key,) = site.come(1)
    path = site.path_of(key)
    content, written = path.read_bytes(), path.stat()
    path.unlink()
    path.mkdir()
    async with uploading(site):
        await trio.sleep(60)
        assert site.states() == {"waiting": 1}
        path.rmdir()
        path.write_bytes(content)
        os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
        await trio.sleep(60)
    assert site.store.objects == {key: content}
