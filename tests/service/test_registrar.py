"""The registry in the running service: changes hold at once, others' soon, and faults change nothing."""

import contextlib

import msgspec
import pytest
import trio
import trio.testing

from memory_store import MemoryStore, Shelf
from port104.database.faults import DatabaseError
from port104.registry.entries import Destination, LocalAE, Pipeline, Source
from port104.registry.faults import DuplicateEntryError, ReadOnlyEntryError
from port104.registry.registry import Admission, Refusal
from port104.service import registrar as registrars
from port104.service.registrar import open_registrar
from port104.service.settings.local_aes import LocalAESettings
from port104.service.settings.pipelines import PipelineSettings
from port104.service.settings.registry import RegistrySettings
from port104.service.settings.scp import ScpSettings
from port104.service.settings.sources import SourceSettings
from port104.service.settings.storage import StorageSettings
from port104.service.settings.tree import DicomSettings, Settings

CT1 = Source(ae_title="CT1", hosts=("10.0.0.5",))


def settings_for(folder, *, url=None, titles=("GIVEN",), **scp):
    return Settings(
        dicom=DicomSettings(
            scp=ScpSettings(ae_titles=tuple(LocalAESettings(ae_title=title) for title in titles), **scp)
        ),
        storage=StorageSettings(temporary=str(folder)),
        registry=RegistrySettings(url=url),
    )


@pytest.fixture
async def registrar(tmp_path):
    async with open_registrar(settings_for(tmp_path), {"dicom.scp.aeTitles": "site.json"}) as opened:
        yield opened


def admits(registrar, *, calling="CT1", called="GIVEN", address="10.0.0.5"):
    return isinstance(registrar.registry.admit(called, calling, address), Admission)


async def test_a_change_holds_once_it_is_made(registrar):
    assert not admits(registrar)
    made = await registrar.create(CT1)
    assert admits(registrar)
    assert registrar.find(Source, "CT1") == made
    assert registrar.kept(Source) == (made,)
    await registrar.replace("CT1", Source(ae_title="CT1", hosts=("10.0.0.6",)), made.revision)
    assert not admits(registrar)
    assert admits(registrar, address="10.0.0.6")
    await registrar.delete(Source, "CT1", None)
    assert not admits(registrar, address="10.0.0.6")


async def test_a_registry_that_somebody_has_stays_as_it_is(registrar):
    before = registrar.registry
    await registrar.create(CT1)
    assert isinstance(before.admit("GIVEN", "CT1", "10.0.0.5"), Refusal)


async def test_what_is_created_is_there_after_a_restart(tmp_path):
    for first in (True, False):
        async with open_registrar(settings_for(tmp_path), {}) as opened:
            if first:
                await opened.create(CT1)
                secret = await opened.create_token("t", "admin")
            assert admits(opened)
            assert opened.token_of(secret).scope == "admin"


async def test_tokens(registrar):
    secret = await registrar.create_token("t", "read")
    assert registrar.token_of(secret).scope == "read"
    assert [token.name for token in registrar.tokens()] == ["t"]
    await registrar.delete_token("t")
    assert registrar.token_of(secret) is None


async def test_refusals_are_no_faults_of_the_database(registrar):
    await registrar.create(CT1)
    with pytest.raises(DuplicateEntryError):
        await registrar.create(CT1)
    with pytest.raises(ReadOnlyEntryError, match=r"site\.json: dicom\.scp\.aeTitles\[0\]"):
        await registrar.delete(LocalAE, "GIVEN", None)
    assert registrar.fault is None


async def test_other_settings_take_the_place_of_the_first(registrar, tmp_path):
    await registrar.create(LocalAE(ae_title="CREATED"))
    lenient = settings_for(tmp_path, titles=("NEW",), reject_unknown_sources=False)
    await registrar.set_defaults(lenient, {})
    assert [kept.entry.name for kept in registrar.kept(LocalAE)] == ["CREATED", "NEW"]
    assert admits(registrar, called="NEW", calling="WHO")
    assert not admits(registrar, called="GIVEN", calling="WHO")


async def test_many_changes_at_once_are_all_made(registrar):
    async with trio.open_nursery() as nursery:
        for number in range(20):
            entry = Destination(name=f"D{number}", ae_title="A", host="h", port=104)
            nursery.start_soon(registrar.create, entry)
    assert len(registrar.kept(Destination)) == 20
    assert len(registrar.registry.destinations) == 20


async def test_a_caller_that_goes_away_leaves_the_change_in_force(registrar):
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(registrar.create, CT1)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught or admits(registrar)
    assert admits(registrar) is bool(registrar.kept(Source))


async def test_host_names_are_looked_up_before_a_change_is_said_to_be_made(tmp_path):
    async def look_up(name):
        return frozenset({"10.0.0.5"})

    given = settings_for(tmp_path, sources=(SourceSettings(ae_title="GIVEN", host_ip="given.local"),))
    async with open_registrar(given, {}, look_up=look_up) as opened:
        await opened.create(Source(ae_title="CT1", hosts=("ct1.local",)))
        assert admits(opened)
        assert admits(opened, calling="GIVEN")
        await opened.create(Destination(name="D", ae_title="A", host="h", port=104))
        assert admits(opened)


async def test_an_entry_that_is_hidden_is_said(tmp_path, captured):
    async with open_registrar(settings_for(tmp_path), {}) as opened:
        await opened.create(LocalAE(ae_title="STORED"))
        await opened.set_defaults(settings_for(tmp_path, titles=("STORED",)), {})
        await opened.create(CT1)
    said = [
        entry for entry in captured if entry["event"] == "an entry of the configuration hides a stored one"
    ]
    assert len(said) == 1
    assert said[0]["reason"].startswith('the stored AE title "STORED" does not hold')


async def test_an_entry_that_names_none_is_said_once(tmp_path, captured):
    async with open_registrar(settings_for(tmp_path), {}) as opened:
        settings = {"pipeline-a": "17"}
        made = await opened.create(LocalAE(ae_title="A", processor_settings=settings))
        await opened.create(CT1)
        assert len(opened.warnings(made.entry)) == 1
        await opened.create(Pipeline(name="p", id="17", folder="/x"))
        assert opened.warnings(made.entry) == ()
        await opened.delete(Pipeline, "p", None)
    said = [each for each in captured if each["event"] == "an entry names another that there is not"]
    words = 'the AE title "A" names the pipeline "17", which there is not'
    assert [(each["log_level"], each["reason"].partition(":")[0]) for each in said] == [
        ("warning", words)
    ] * 2


async def test_pipelines_are_in_the_registry(tmp_path):
    configured = msgspec.structs.replace(
        settings_for(tmp_path), pipelines=(PipelineSettings(name="given", folder="/x"),)
    )
    async with open_registrar(configured, {"pipelines": "site.json"}) as opened:
        created = (await opened.create(Pipeline(name="created", command=("true",)))).entry
        derived = opened.find(Pipeline, "given")
        assert derived.origin == "site.json: pipelines[0]"
        assert opened.registry.pipelines == {derived.entry.id: derived.entry, created.id: created}
        assert opened.registry.pipeline("given") == derived.entry


@pytest.fixture
def captured():
    import structlog.testing  # noqa: PLC0415

    with structlog.testing.capture_logs() as entries:
        yield entries


async def test_a_damaged_file_starts_nothing(tmp_path):
    (tmp_path / "registry.sqlite3").write_bytes(b"not a database" * 1000)
    with pytest.raises(DatabaseError, match="is damaged"):
        async with open_registrar(settings_for(tmp_path), {}):
            raise AssertionError


# ---- databases that fail, and that others change ----


@pytest.fixture
def shelf(monkeypatch):
    """What registrars share that are opened from now on; `stores` are what they work with."""
    shelf = Shelf()
    shelf.stores = []

    def open_memory(url, folder):
        shelf.stores.append(MemoryStore(shelf))
        return shelf.stores[-1]

    monkeypatch.setattr(registrars, "open_entry_store", open_memory)
    return shelf


async def test_while_the_database_fails_what_was_known_holds(shelf, tmp_path, captured, autojump_clock):
    async with open_registrar(settings_for(tmp_path), {}) as opened:
        await opened.create(CT1)
        shelf.stores[0].fault = DatabaseError("no space")
        for _ in range(2):
            with pytest.raises(DatabaseError, match="no space"):
                await opened.create(LocalAE(ae_title="NEW"))
        assert opened.fault == "no space"
        assert admits(opened)
        await opened.set_defaults(settings_for(tmp_path), {})
        assert opened.fault == "no space", "what needs no database says nothing of it"
        shelf.stores[0].fault = None
        while opened.fault is not None:  # a thread looks, which the clock does not wait for
            await trio.sleep(registrars.LOOK_SECONDS)
        await opened.create(LocalAE(ae_title="NEW"))
    events = [entry["event"] for entry in captured if entry["log_level"] in ("error", "info")]
    assert events.count("the registry's database cannot be used; what was read last holds") == 1
    assert events.count("the registry's database can be used again") == 1


async def heard(condition, seconds=5.0):
    """Wait until it holds; it is another thread or process that sees to it."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.005)


@pytest.fixture
def replicas(postgres, tmp_path):
    """Opens two registrars over one PostgreSQL database."""
    settings = settings_for(tmp_path, url=postgres.new_url())

    @contextlib.asynccontextmanager
    async def open_both():
        async with open_registrar(settings, {}) as ours, open_registrar(settings, {}) as theirs:
            yield ours, theirs

    return open_both


@pytest.mark.peer
async def test_another_replica_hears_of_a_change_within_a_second(replicas):
    async with replicas() as (ours, theirs):
        await ours.create(CT1)
        await heard(lambda: admits(theirs), seconds=1)
        await theirs.delete(Source, "CT1", None)
        await heard(lambda: not admits(ours), seconds=1)
        secret = await ours.create_token("t", "read")
        await heard(lambda: theirs.token_of(secret) is not None, seconds=1)


@pytest.mark.peer
async def test_a_lost_connection_is_taken_up_again(replicas, postgres):
    async with replicas() as (ours, theirs):
        for title in ("A", "B"):
            await trio.to_thread.run_sync(postgres.end_connections)
            await ours.create(LocalAE(ae_title=title))
            await heard(lambda title=title: title in theirs.registry.local_aes)


@pytest.mark.peer
async def test_without_the_server_what_was_known_holds_and_later_all_is_well(replicas, postgres):
    async with replicas() as (ours, theirs):
        await ours.create(CT1)
        await heard(lambda: admits(theirs), seconds=1)
        await trio.to_thread.run_sync(postgres.stop)
        try:
            await heard(lambda: ours.fault is not None and theirs.fault is not None)
            with pytest.raises(DatabaseError, match="cannot be used"):
                await ours.create(LocalAE(ae_title="NEW"))
            assert admits(ours)
            assert admits(theirs)
        finally:
            await trio.to_thread.run_sync(postgres.start)
        await heard(lambda: ours.fault is None and theirs.fault is None, seconds=15)
        await ours.create(LocalAE(ae_title="NEW"))
        await heard(lambda: "NEW" in theirs.registry.local_aes, seconds=1)
