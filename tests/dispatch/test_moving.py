"""Another object store than before: no file goes for what the one before holds, and nothing is forgotten."""

import itertools

import pytest
import structlog

from memory_objects import MemoryObjects
from object_site import ObjectSite
from port104.database.faults import DatabaseError
from port104.dispatch.fetching import Fetcher
from port104.dispatch.moving import move_in
from port104.dispatch.payload import IncompleteError
from port104.jobs.ledger.looking.objects import object_backlog
from port104.jobs.ledger.members import members_of
from port104.jobs.ledger.moving import Moving
from port104.registry.entries import Pipeline
from runs import run_of

pytestmark = pytest.mark.usefixtures("no_threads")


class Site(ObjectSite):
    """With one instance in store and folder, and one in the store alone."""

    async def fill(self):
        self.gone, _ = await self.study(1)
        assert await self.releaser.look(space_is_low=True) == 1
        self.here, _ = await self.study(2)
        self.before = self.store

    async def use(self, store):
        """Start with a store; returns what the log says of that."""
        self.store = store
        self.releaser = self.keeping(3600.0)
        with structlog.testing.capture_logs() as said:
            await self.upload()
        return [each for each in said if "another one" in each["event"]]

    def elsewhere(self):
        with self.database.reading() as session:
            return object_backlog(session, "n1").elsewhere

    def members(self):
        with self.database.reading() as session:
            groups = [group for (group,) in session.run("SELECT id FROM port104_group ORDER BY opened")]
            return [member for group in groups for member in members_of(session, group)]

    async def make(self, member):
        pipeline = Pipeline(name="lung", command=("true",))
        return await Fetcher(self.root, "n1", self.store, 2).make(run_of(), [member], pipeline)


@pytest.fixture
async def site(tmp_path, autojump_clock):
    made = Site(tmp_path)
    await made.fill()
    yield made
    made.database.close()


async def test_what_is_here_is_put_into_the_new_store_and_goes_only_then(site):
    (said,) = await site.use(MemoryObjects("other"))
    assert (said["before"], said["now"]) == (
        "s3://bucket/site/ at Amazon S3",
        "s3://other/site/ at Amazon S3",
    )
    assert (said["put_again"], said["left_there"]) == (1, 1)
    assert (site.states(), site.elsewhere()) == (["released", "stored"], 1)
    assert [*site.store.objects.values()] == [site.here.read_bytes()]
    assert await site.releaser.look(space_is_low=True) == 1
    assert not site.here.exists()
    assert len(site.before.objects) == 2
    assert await site.use(site.store) == []


async def test_no_file_goes_for_what_the_store_before_holds(site):
    site.store = site.before  # which would say that it has the object
    releaser = site.keeping(0.0)
    with site.database.changing() as session:
        session.run("UPDATE port104_node SET place = 's3://other/site/ at Amazon S3'")
    assert await releaser.look(space_is_low=True) == 0
    assert site.here.exists()


async def test_with_the_store_before_all_is_as_it_was(site):
    await site.use(MemoryObjects("other"))
    (said,) = await site.use(site.before)
    assert (said["put_again"], said["left_there"]) == (1, 0)
    assert (site.states(), site.elsewhere(), len(site.store.objects)) == (["released", "stored"], 0, 2)


async def test_a_run_waits_for_what_is_in_the_store_before_and_finds_a_copy(site):
    await site.use(MemoryObjects("other"))
    (gone, _) = site.members()
    with pytest.raises(IncompleteError, match="another object store, s3://bucket/site/ at Amazon S3: copy"):
        await site.make(gone)
    site.store.objects |= site.before.objects
    folder = await site.make(gone)
    assert len([*(folder / "dcm").iterdir()]) == 1
    assert "other" not in (folder / "manifest.json").read_text()


async def test_what_somebody_copied_is_found_in_time(site):
    await site.use(MemoryObjects("other"))
    assert (await site.releaser.look_for_copied(), site.elsewhere()) == (0, 1)
    site.store.objects |= site.before.objects
    assert (await site.releaser.look_for_copied(), site.elsewhere()) == (1, 0)
    assert site.members()[0].place == site.store.place.name


async def test_storage_commitment_counts_what_is_there(site):
    await site.use(MemoryObjects("other"))
    file = f"{site.gone.parent.name}/{site.gone.name}"
    assert site.ledger.objects.classes_of([file]).keys() == {file}


async def test_a_file_that_went_right_before_a_kill_is_not_forgotten(site):
    site.here.unlink()  # and the ledger was not told
    await site.use(MemoryObjects("other"))
    assert (site.states(), site.elsewhere(), site.store.objects) == (["released"] * 2, 2, {})


@pytest.mark.parametrize("step", ["part", "arrive"])
@pytest.mark.parametrize("then", ["other", "bucket"])
async def test_what_is_cut_off_is_begun_again_or_undone(site, monkeypatch, step, then):
    class KilledError(Exception):
        pass

    work = getattr(Moving, step)
    counter = itertools.count()

    def killed(self, *given):
        if next(counter):
            return work(self, *given)
        if step != "arrive":
            work(self, *given)
        raise KilledError

    monkeypatch.setattr(Moving, step, killed)
    other = MemoryObjects("other")
    with pytest.raises(KilledError):
        await move_in(site.desk, site.root, other.place.name)
    await site.use(other if then == "other" else site.before)
    assert (site.states(), site.elsewhere()) == (["released", "stored"], int(then == "other"))
    assert site.here.read_bytes() in site.store.objects.values()


async def test_it_waits_for_the_ledger(site, monkeypatch):
    failures = iter([DatabaseError("away"), DatabaseError("away")])
    work = Moving.part

    def part(self, *given):
        for failure in failures:
            raise failure
        return work(self, *given)

    monkeypatch.setattr(Moving, "part", part)
    await move_in(site.desk, site.root, "s3://other/ at Amazon S3")
    assert site.elsewhere() == 1
