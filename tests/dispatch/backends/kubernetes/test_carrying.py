"""An attempt whose Job has its payload from the object store, and leaves its output there."""

import hashlib
import json

import pytest
import trio
from structlog.testing import capture_logs

from memory_objects import AWAY, MemoryObjects
from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.kubernetes import backend as module
from port104.dispatch.backends.kubernetes import carrying, hindering
from port104.dispatch.backends.kubernetes.attempt import MADE
from port104.dispatch.backends.kubernetes.carrying import Carrier
from port104.dispatch.backends.kubernetes.steps import Access
from port104.dispatch.transfer.documents import Delivery, Left, read_delivery, written
from port104.dispatch.transfer.removing import CONSIGNED
from port104.dispatch.transfer.shelf import Shelf
from port104.registry.entries import Pipeline
from port104.registry.job_templates import JobTemplate

AT = "site/runs/00000000000000a1/1"
SHELF = Shelf("site/", "00000000000000a1", 1)
LEFT = {"a.dcm": b"a", "below/b.dcm": b"bb", "results.json": b"{}"}
DONE = {"terminated": {"exitCode": 0}}
NOW = {"running": {}}


@pytest.fixture(autouse=True)
def _impatient_with_stores(monkeypatch):
    monkeypatch.setattr(carrying, "FIRST_RETRY_SECONDS", 0.005)
    monkeypatch.setattr(carrying, "LAST_RETRY_SECONDS", 0.02)


@pytest.fixture
def store():
    return MemoryObjects()


@pytest.fixture
def carrier(store):
    return Carrier(store, Access({"URL": "s3://bucket/site"}, "port104-s3"), 2)


@pytest.fixture
def pipeline():
    template = JobTemplate(image="lung:2", payload="objectStore")
    return Pipeline(name="covid", id="p-1", kubernetes=template, time_limit=60.0)


def deliver(store, left=LEFT, *, whole=True, **changed):
    """As the last step does. `changed`: file -> bytes that are there instead."""
    files = []
    for number, (name, content) in enumerate(left.items()):
        files.append(Left(name, len(content), hashlib.sha256(content).hexdigest()))
        store.objects[SHELF.output(number)] = changed.get(name, content)
    store.objects[SHELF.delivery] = written(Delivery(whole=whole, files=tuple(files)))


def outputs(folder):
    output = folder / "output"
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}


async def done(stub, name, store, left=LEFT, **changed):
    """Let a Job go its way."""
    pod = stub.begin(name)
    stub.step(pod, fetch=NOW)
    stub.write(pod, b"port104: fetched 1 instances, 11 bytes\n", "fetch")
    stub.step(pod, fetch=DONE, pipeline=NOW)
    stub.write(pod, b"an image works", "pipeline")
    stub.step(pod, pipeline=DONE, deliver=NOW)
    deliver(store, left, **changed)
    stub.write(pod, b"port104: delivered 3 files, 5 bytes\n", "deliver")
    stub.step(pod, deliver=DONE)
    stub.conclude(name, "Complete")


async def test_what_it_left_in_the_store_is_in_its_output(stub, runs, folder, store):
    async with runs.engine():
        name = await stub.until_made()
        assert store.objects[f"{AT}/manifest.json"] == (folder / "manifest.json").read_bytes()
        assert read_delivery(store.objects[f"{AT}/delivery.json"]) == Delivery(whole=False)
        await done(stub, name, store)
        assert await runs.ended() == Ending("succeeded")
    assert outputs(folder) == LEFT
    assert store.objects == {}
    assert not (folder / CONSIGNED).exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        *("dcm", "kubernetes-job.json", "log", "manifest.json", "outcome.json", "output")
    ]


async def test_each_step_is_in_the_log_in_its_turn(stub, runs, store):
    async with runs.engine():
        await done(stub, await stub.until_made(), store)
        await runs.ended()
    assert runs.log.splitlines() == [
        b"port104: fetched 1 instances, 11 bytes",
        b"an image works",
        b"port104: delivered 3 files, 5 bytes",
    ]


async def test_the_manifest_is_put_there_once(stub, runs, store):
    """A Job that was made by it may have delivered already."""
    async with runs.engine():
        await stub.until_made()
        await runs.until((runs.folder / MADE).exists)
    (runs.folder / MADE).unlink()  # killed before it wrote that down
    await done(stub, stub.jobs[0]["metadata"]["name"], store)
    async with runs.engine():
        assert await runs.ended() == Ending("succeeded")
    assert outputs(runs.folder) == LEFT
    assert stub.created == 1


@pytest.mark.parametrize("number", range(1, 16))
async def test_an_engine_that_is_killed_at_any_word_of_the_store_has_all_of_it(stub, runs, store, number):
    """Before the store has answered."""
    killed, seen = trio.Event(), 0
    asked = store._asked

    def ask(key=None):
        nonlocal seen
        seen += 1
        if seen == number:
            trio.from_thread.run_sync(killed.set)
            raise AWAY
        asked(key)

    async def play():
        await done(stub, await stub.until_made(), store)

    store._asked = ask
    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        async with runs.engine():
            await runs.until(lambda: killed.is_set() or runs.ending is not None)
        if runs.ending is None:
            async with runs.engine():
                await runs.ended()
        nursery.cancel_scope.cancel()
    assert runs.ending == Ending("succeeded")
    assert outputs(runs.folder) == LEFT
    assert stub.created == 1
    runs.ending = None
    async with runs.engine():  # what could not be removed is, with the next look at what has ended
        await runs.ended()
    assert {*store.objects.values()} <= {written(Delivery(whole=False))}  # which names nothing


async def test_while_the_store_is_away_it_waits(stub, runs, store):
    store.fault = AWAY
    with capture_logs() as logs:
        async with runs.engine():
            await runs.until(lambda: logs)
            assert stub.jobs == []
            store.fault = None
            name = await stub.until_made()
            store.faults = {SHELF.output(1): AWAY}
            await done(stub, name, store)
            await runs.until(lambda: len(logs) > 1)
            assert runs.ending is None
            assert outputs(runs.folder) == {}
            store.faults = {}
            assert await runs.ended() == Ending("succeeded")
    assert [each["event"] for each in logs] == ["a run waits for the object store"] * 2
    assert outputs(runs.folder) == LEFT


@pytest.mark.parametrize("name", ["/etc/passwd", "../../outside", "a/../../b", ""])
async def test_a_name_that_leads_elsewhere_fails_it(stub, runs, folder, store, name):
    async with runs.engine():
        await done(stub, await stub.until_made(), store, {"good": b"g", name: b"evil"})
        ending = await runs.ended()
    why = "what it left cannot be taken from the object store: file 1: its name is no path below a folder"
    assert ending == Ending("failed", why)
    assert outputs(folder) == {}
    assert json.loads((folder / "outcome.json").read_bytes())["outcome"] == "failed"


async def test_other_bytes_than_were_delivered_fail_it(stub, runs, folder, store):
    async with runs.engine():
        await done(stub, await stub.until_made(), store, **{"a.dcm": b"?"})
        ending = await runs.ended()
    assert ending.why.startswith("what it left cannot be taken from the object store: the object store holds")
    assert outputs(folder) == {}
    assert store.objects == {}


@pytest.mark.parametrize("lost", [SHELF.delivery, SHELF.output(1)])
async def test_what_is_missing_fails_it(stub, runs, folder, store, lost):
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        deliver(store)
        del store.objects[lost]
        stub.end(name)
        ending = await runs.ended()
    assert "an object is gone from the bucket" in ending.why
    assert outputs(folder) == {}


async def test_what_was_not_delivered_wholly_fails_it(stub, runs, store):
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        deliver(store, whole=False)
        stub.end(name)
        assert "what it left is not whole in the object store" in (await runs.ended()).why


async def test_a_step_of_port104_says_itself_why_it_failed(stub, runs, store):
    said = (
        "port104: x; tried again for 300 s\n"
        "port104: the payload cannot be fetched: the object store at https://minio.example (bucket imaging)"
        " cannot be used: nobody listens there\n"
    )
    async with runs.engine():
        name = await stub.until_made()
        pod = stub.begin(name)
        stub.step(pod, fetch=NOW)
        stub.write(pod, said.encode(), "fetch")
        stub.step(pod, fetch={"terminated": {"exitCode": 3, "reason": "Error", "message": said}})
        stub.conclude(name, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        ending = await runs.ended()
    assert ending.why == said.splitlines()[1].removeprefix("port104: ")
    assert runs.log == said.encode()
    assert store.objects == {}


async def test_a_pipeline_that_failed_is_told_as_ever(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        pod = stub.begin(name)
        end = {"terminated": {"exitCode": 3, "reason": "Error", "message": "DOE^JANE"}}
        stub.step(pod, fetch=DONE, pipeline=end)
        stub.write(pod, b"no GPU\n", "pipeline")
        stub.conclude(name, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        assert await runs.ended() == Ending("failed", "ended with exit code 3; what it wrote is in its log")
    assert runs.log == b"no GPU\n"


async def test_an_image_that_cannot_be_pulled_after_the_first_step_is_given_up(stub, runs, monkeypatch):
    monkeypatch.setattr(hindering, "HINDERED_SECONDS", 0.05)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    async with runs.engine():
        pod = stub.begin(await stub.until_made())
        stub.step(pod, fetch=DONE, pipeline={"waiting": {"reason": "ImagePullBackOff", "message": "denied"}})
        ending = await runs.ended()
    assert "ImagePullBackOff: denied: check its name and tag" in ending.why
    assert stub.jobs == []


async def test_one_that_is_cancelled_leaves_nothing_in_the_store(stub, runs, store, cancel):
    async with runs.engine():
        name = await stub.until_made()
        pod = stub.begin(name)
        stub.step(pod, fetch=DONE, pipeline=NOW)
        await runs.until((runs.folder / MADE).exists)
        cancel.set()
        assert (await runs.ended()).outcome == "cancelled"
    assert store.objects == {}


async def test_one_that_is_cancelled_on_its_way_there_leaves_nothing(stub, runs, store, cancel):
    store.faults = {SHELF.manifest: AWAY}
    async with runs.engine():
        await runs.until(lambda: SHELF.delivery in store.objects)
        cancel.set()
        assert (await runs.ended()).outcome == "cancelled"
    assert store.objects == {}
    assert stub.created == 0


async def test_what_cannot_be_removed_does_not_hinder_its_end(stub, runs, store, monkeypatch):
    def refuse(_):
        raise AWAY

    monkeypatch.setattr(store, "delete", refuse)
    async with runs.engine():
        await done(stub, await stub.until_made(), store)
        assert await runs.ended() == Ending("succeeded")
    assert (runs.folder / CONSIGNED).exists()  # by which the caretaker finds it


async def test_without_a_store_it_says_what_to_set(stub, runs):
    runs.carrier = None
    async with runs.engine():
        ending = await runs.ended()
    assert ending.why.endswith("and there is none: set objectStore.url")
    assert stub.created == 0


async def test_certificates_that_cannot_be_told_fail_it(stub, runs, carrier, tmp_path):
    authorities = tmp_path / "ca.pem"
    carrier.access = Access({}, authorities=str(authorities))
    async with runs.engine():
        assert "objectStore.certificateAuthorities cannot be read" in (await runs.ended()).why
    authorities.write_bytes(b"x" * (200 << 10))
    (runs.folder / "outcome.json").unlink()
    runs.ending = None
    async with runs.engine():
        assert "has more than 196608 bytes" in (await runs.ended()).why
