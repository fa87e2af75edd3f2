"""Payloads of what is here and in the object store; a run waits until the rest is there."""

import hashlib
import json
import shutil

import msgspec
import pytest

from memory_objects import AWAY, MemoryObjects
from port104.dispatch.fetching import Fetcher
from port104.dispatch.payload import IncompleteError
from port104.errors import StorageError
from port104.jobs.ledger.members import Member
from port104.jobs.ledger.runs import Run
from port104.objects.held import Held
from port104.registry.entries import Pipeline
from port104.registry.job_templates import JobTemplate
from stored_file import put

RUN = Run("r1", "j1", "g1", "PORT104", "lung", "8ee3", "port104-lung-20231114221320", 1, 1, 5.0)

BY_FILES = Pipeline(name="lung", command=("true",))
BY_OBJECTS = Pipeline(name="lung", kubernetes=JobTemplate(image="lung:2", payload="objectStore"))


class Site:
    """Our storage folder, and those of others, whose instances are in the object store."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "n1"
        self.store = MemoryObjects()
        self.fetcher = Fetcher(self.root, "n1", self.store, 4)

    def member(self, instance, *, node="n1", held=True, there=False):
        """An instance; `there`: in a storage folder that is on this machine."""
        path = put(self.folder / node, instance)
        (self.folder / node / "node").write_text(f"{node}\n")
        content, key = path.read_bytes(), f"site/{node}/{path.stem}"
        digest = hashlib.sha256(content).hexdigest()
        if held:
            self.store.objects[key] = content
        if not there:
            path.unlink()
            if node != "n1":
                (self.folder / node / "node").unlink()
        return Member(
            *(node, str(self.folder / node), f"host-of-{node}", f"{path.parent.name}/{path.name}", 1.5e9),
            *("CT1", "1.2.840.10008.5.1.4.1.1.7", instance, "1.2.3", "1.2.3.1"),
            Held(key, len(content), digest, "e") if held else None,
        )

    async def make(self, *members, pipeline=BY_FILES):
        return await self.fetcher.make(RUN, members, pipeline)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def contents(folder):
    return {path.name: path.read_bytes() for path in (folder / "dcm").iterdir()}


async def test_what_is_elsewhere_is_fetched_and_what_is_here_is_linked(site):
    here = site.member("1.2.3.1", there=True)
    released, elsewhere = site.member("1.2.3.2"), site.member("1.2.3.3", node="n2")
    folder = await site.make(here, released, elsewhere)
    objects = site.store.objects
    assert contents(folder) == {
        "1.2.3.1.dcm": objects[here.held.key],
        "1.2.3.2.dcm": objects[released.held.key],
        "1.2.3.3.dcm": objects[elsewhere.held.key],
    }
    assert (folder / "dcm" / "1.2.3.1.dcm").samefile(site.root / "instances" / here.file)
    assert [path.name for path in folder.parent.iterdir()] == ["1"]


async def test_the_manifest_names_objects_for_programs_that_read_them(site):
    stored, local = site.member("1.2.3.1"), site.member("1.2.3.2", held=False, there=True)
    folder = await site.make(stored, local)
    first, second = json.loads((folder / "manifest.json").read_bytes())["instances"]
    assert {key: first[key] for key in ("object", "size", "sha256")} == {
        "object": f"s3://bucket/{stored.held.key}",
        "size": stored.held.size,
        "sha256": stored.held.digest,
    }
    assert not {"object", "size", "sha256"} & second.keys()


async def test_a_run_waits_for_what_another_engine_has_alone(site):
    members = [site.member(f"1.2.3.{n}", node="n2", held=False) for n in range(3)]
    with pytest.raises(IncompleteError) as raised:
        await site.make(site.member("1.2.3.9", there=True), *members)
    assert str(raised.value) == (
        "waits for 3 instances that are not in the object store yet, 3 of them in the storage folder of the"
        " engine on host-of-n2 (node n2): is it running?"
    )


async def test_another_engines_folder_that_is_here_is_used(site):
    folder = await site.make(site.member("1.2.3.1", node="n2", held=False, there=True))
    assert contents(folder).keys() == {"1.2.3.1.dcm"}


async def test_what_is_gone_everywhere_fails_the_run(site):
    with pytest.raises(StorageError, match="an instance of the job is gone"):
        await site.make(site.member("1.2.3.1", held=False))


async def test_while_the_store_is_away_the_run_waits_and_fetches_nothing_twice(site):
    members = [site.member(f"1.2.3.{n}") for n in range(4)]
    site.store.faults = {members[3].held.key: AWAY}
    with pytest.raises(IncompleteError, match="the object store is away"):
        await site.make(*members)
    asked = []
    fetch = site.store.fetch
    site.store.fetch = lambda held, target: (asked.append(held.key), fetch(held, target))
    site.store.faults = {}
    before = {path.name for path in (site.root / "runs" / "r1" / "1.fetched").iterdir()}
    folder = await site.make(*members)
    assert len(asked) == 4 - len(before)
    assert len(contents(folder)) == 4
    assert [path.name for path in folder.parent.iterdir()] == ["1"]


async def test_an_object_that_is_gone_fails_the_run_and_says_so(site):
    member = site.member("1.2.3.1")
    site.store.objects.clear()
    with pytest.raises(StorageError, match="cannot be had: an object is gone from the bucket"):
        await site.make(member)


async def test_a_full_disk_fails_the_run_and_says_so(site):
    def fetch(held, target):
        raise OSError(28, "No space left on device")

    site.store.fetch = fetch
    with pytest.raises(StorageError, match="No space left on device"):
        await site.make(site.member("1.2.3.1"))


async def test_a_payload_that_is_whole_is_not_fetched_again(site):
    member = site.member("1.2.3.1")
    folder = await site.make(member)
    (folder / "output" / "result").write_text("half done")
    site.store.fault = AWAY
    assert await site.make(member) == folder
    assert (folder / "output" / "result").exists()


async def test_what_two_engines_received_is_there_once(site):
    one, other = site.member("1.2.3.1", there=True), site.member("1.2.3.1", node="n2")
    assert contents(await site.make(one, other)).keys() == {"1.2.3.1.dcm"}


async def test_a_file_that_leaves_the_folder_meanwhile_lets_the_run_wait(site, monkeypatch):
    member = site.member("1.2.3.1", there=True)
    survey = Fetcher._away

    def released(*given):
        found = survey(*given)
        (site.root / "instances" / member.file).unlink()
        return found

    monkeypatch.setattr(Fetcher, "_away", released)
    with pytest.raises(IncompleteError, match="left the storage folder meanwhile"):
        await site.make(member)
    monkeypatch.undo()
    assert contents(await site.make(member)).keys() == {"1.2.3.1.dcm"}


# ---- for who reads objects ----


def listed(folder):
    return json.loads((folder / "manifest.json").read_bytes())["instances"]


async def test_what_is_read_from_the_store_is_listed_and_not_fetched(site):
    members = [site.member("1.2.3.1"), site.member("1.2.3.2", node="n2"), site.member("1.2.3.3", there=True)]
    site.store.fault = AWAY  # nothing is asked of it
    folder = await site.make(*members, pipeline=BY_OBJECTS)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "output"]
    by_file = {each["file"]: each["object"] for each in listed(folder)}
    assert by_file == {f"dcm/{each.sop_instance_uid}.dcm": f"s3://bucket/{each.held.key}" for each in members}
    assert await site.make(*members, pipeline=BY_OBJECTS) == folder


async def test_it_says_of_an_instance_what_a_payload_of_files_says(site):
    member = site.member("1.2.3.1", there=True)
    of_files = listed(await site.make(member))
    shutil.rmtree(site.root / "runs")
    assert listed(await site.make(member, pipeline=BY_OBJECTS)) == of_files


async def test_the_same_instance_of_two_engines_is_listed_once_and_another_one_too(site):
    one = site.member("1.2.3.1")
    again = msgspec.structs.replace(one, node="n2", held=msgspec.structs.replace(one.held, key="site/n2/x"))
    other = msgspec.structs.replace(one, held=msgspec.structs.replace(one.held, key="y", digest="0" * 64))
    names = [each["file"] for each in listed(await site.make(one, again, other, again, pipeline=BY_OBJECTS))]
    assert names == ["dcm/1.2.3.1.dcm", "dcm/1.2.3.1.1.dcm"]


async def test_it_waits_for_what_the_store_has_not_though_it_is_here(site):
    here = site.member("1.2.3.1", held=False, there=True)
    with pytest.raises(IncompleteError, match="waits for 1 instances that are not in the object store yet"):
        await site.make(here, site.member("1.2.3.2"), pipeline=BY_OBJECTS)


async def test_it_waits_for_what_another_store_has(site):
    """Until port104 has found a copy in this one."""
    away = msgspec.structs.replace(site.member("1.2.3.1"), place="s3://before/site")
    with pytest.raises(IncompleteError, match="in another object store, s3://before/site: copy them"):
        await site.make(away, pipeline=BY_OBJECTS)
    there = msgspec.structs.replace(away, place=site.store.place.name)
    assert len(listed(await site.make(there, pipeline=BY_OBJECTS))) == 1
