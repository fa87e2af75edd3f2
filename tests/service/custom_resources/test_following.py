"""Custom resources in the running registry: they hold within a second, and what does not is told."""

import contextlib

import msgspec
import pytest
import structlog.testing
import trio

from custom_resources import settings_for
from port104.cluster import place as places
from port104.cluster import watching
from port104.registry.entries import LocalAE
from port104.registry.faults import DuplicateEntryError, ReadOnlyEntryError
from port104.service.custom_resources import following
from port104.service.custom_resources.following import following_custom_resources
from port104.service.custom_resources.keeping import FILE_NAME
from port104.service.opening import opened
from port104.service.registrar import open_registrar
from stub_api_server import StubApiServer, serving_api


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(watching, "FIRST_RETRY_SECONDS", 0.005)
    monkeypatch.setattr(watching, "LAST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(following, "TELL_SECONDS", 0.05)


@pytest.fixture
def captured():
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def stub():
    return StubApiServer()


@pytest.fixture
def run(tmp_path, stub, monkeypatch):
    """Opens a registrar that follows the stub; another time is a restart."""
    account, folder = tmp_path / "account", tmp_path / "storage"
    account.mkdir()
    folder.mkdir()

    @contextlib.asynccontextmanager
    async def running(*titles, folder=folder):
        folder.mkdir(exist_ok=True)
        async with serving_api(stub, account) as place:
            monkeypatch.setattr(following, "place_from", lambda *_: place)
            async with (
                open_registrar(settings_for(folder, *titles), {}) as registrar,
                following_custom_resources(registrar, folder, wanted=True),
            ):
                yield registrar

    return running


async def until(condition, seconds=5.0):
    """Wait until it holds: threads and sockets see to it."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.002)


def titles(registrar):
    return {*registrar.registry.local_aes}


async def test_what_is_there_at_the_start_holds_before_anybody_calls(stub, run):
    stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
    async with run("GIVEN") as registrar:
        assert titles(registrar) == {"GIVEN", "COVIDAET"}


async def test_changes_hold_within_a_second(stub, run):
    async with run() as registrar:
        stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
        await until(lambda: titles(registrar) == {"COVIDAET"}, seconds=1)
        stub.apply("localaes", "covid", {"aeTitle": "OTHER"})
        await until(lambda: titles(registrar) == {"OTHER"}, seconds=1)
        stub.apply("sources", "ct1", {"aeTitle": "CT1", "hostIp": "10.0.0.5"})
        stub.apply("destinations", "mypacs", {"aeTitle": "MYPACSAET", "hostIp": "10.0.0.5", "port": 1104})
        stub.apply("pipelines", "lung", {"folder": "/srv/lung"})
        await until(lambda: registrar.registry.pipeline("lung") is not None, seconds=1)
        await until(lambda: "mypacs" in registrar.registry.destinations, seconds=1)
        await until(lambda: len(registrar.registry.sources) == 1, seconds=1)
        stub.delete("localaes", "covid")
        await until(lambda: titles(registrar) == set(), seconds=1)


async def test_its_status_says_that_it_holds_and_what_it_lacks(stub, run):
    async with run():
        stub.apply("localaes", "covid", {"aeTitle": "A", "processorSettings": {"pipeline-x": "lung"}})
        await until(lambda: stub.condition("localaes", "covid"))
        condition = stub.condition("localaes", "covid")
        assert (condition["status"], condition["observedGeneration"]) == ("True", 1)
        assert 'names the pipeline "lung", which there is not' in condition["message"]
        stub.apply("pipelines", "lung", {"folder": "/srv/lung"})
        await until(lambda: stub.condition("localaes", "covid")["message"] == "it holds")
        assert stub.events == []


async def test_what_does_not_hold_is_told_in_status_and_event_once(stub, run):
    async with run("GIVEN") as registrar:
        stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
        await until(lambda: "status" in stub.objects["localaes", "covid"])
        stub.apply("localaes", "covid", {"aeTitle": "MUCH_TOO_LONG_FOR_AN_AE_TITLE"})
        await until(lambda: len(stub.events) == 1)
        condition = stub.condition("localaes", "covid")
        assert (condition["status"], condition["reason"]) == ("False", "Invalid")
        assert condition["observedGeneration"] == 2
        assert "at most 16 characters" in condition["message"]
        assert "COVIDAET" in titles(registrar), "what it said before still holds"
        [event] = stub.events
        assert event["involvedObject"]["name"] == "covid"
        assert event["message"] == condition["message"]
        stub.apply("sources", "ct1", {"aeTitle": "CT1", "hostIp": "10.0.0.5"})
        await until(lambda: "status" in stub.objects["sources", "ct1"])
        await trio.sleep(2 * following.TELL_SECONDS)
        assert len(stub.events) == 1
        patches = [request for request in stub.requests if request.method == "PATCH"]
        assert len(patches) == 3


async def test_a_spec_that_was_not_judged_yet_is_not_told_to_hold(stub, run, monkeypatch):
    async with run("GIVEN") as registrar:
        stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
        await until(lambda: "status" in stub.objects["localaes", "covid"])
        declare, heard, go_on = registrar.declare, trio.Event(), trio.Event()

        async def slow(judge):
            heard.set()
            await go_on.wait()
            await declare(judge)

        monkeypatch.setattr(registrar, "declare", slow)
        stub.apply("localaes", "covid", {"aeTitle": "MUCH_TOO_LONG_FOR_AN_AE_TITLE"})
        await heard.wait()
        await trio.sleep(2 * following.TELL_SECONDS)
        assert stub.condition("localaes", "covid")["observedGeneration"] == 1
        go_on.set()
        await until(lambda: stub.condition("localaes", "covid")["observedGeneration"] == 2)
        assert stub.condition("localaes", "covid")["status"] == "False"


async def test_what_resources_declare_is_changed_there_only(stub, run):
    stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
    async with run() as registrar:
        with pytest.raises(ReadOnlyEntryError, match="Kubernetes: LocalAE imaging/covid"):
            await registrar.delete(LocalAE, "covid", None)
        with pytest.raises(DuplicateEntryError, match="Kubernetes: LocalAE imaging/covid"):
            await registrar.create(LocalAE(ae_title="COVIDAET"))


async def test_the_configuration_that_is_read_again_takes_what_it_has(stub, run, tmp_path):
    stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
    async with run() as registrar:
        await registrar.set_defaults(settings_for(tmp_path, "COVIDAET"), {"dicom.scp.aeTitles": "site.json"})
        await until(lambda: stub.condition("localaes", "covid").get("status") == "False")
        assert "site.json: dicom.scp.aeTitles[0]" in stub.condition("localaes", "covid")["message"]
        assert [kept.entry.name for kept in registrar.kept(LocalAE)] == ["COVIDAET"]
        await registrar.set_defaults(settings_for(tmp_path), {})
        await until(lambda: stub.condition("localaes", "covid")["status"] == "True")


async def test_what_was_known_holds_while_the_api_server_is_away(stub, run, monkeypatch, captured):
    monkeypatch.setattr(following, "START_SECONDS", 0.05)
    stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
    stub.apply("localaes", "wrong", {"aeTitle": "WAS"})
    async with run() as registrar:
        stub.apply("localaes", "wrong", {"aeTitle": ""})
        await until(lambda: len(stub.events) == 1)
        stub.away = True
        await stub.hang_up()
        await until(lambda: any("cannot be followed" in each["event"] for each in captured))
        assert titles(registrar) == {"COVIDAET", "WAS"}
    async with run() as registrar:
        assert titles(registrar) == {"COVIDAET", "WAS"}, "as before the restart"
        assert any("did not list custom resources in time" in each["event"] for each in captured)
        stub.delete("localaes", "covid")
        stub.away = False
        await until(lambda: titles(registrar) == {"WAS"})
        await until(lambda: any("followed again" in each["event"] for each in captured))


async def test_one_kind_that_is_refused_does_not_keep_the_others(stub, run, monkeypatch):
    monkeypatch.setattr(following, "START_SECONDS", 0.05)
    stub.refusing["pipelines"] = 403
    stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
    async with run() as registrar:
        await until(lambda: titles(registrar) == {"COVIDAET"})


async def test_a_damaged_file_of_the_last_run_is_said_and_written_anew(stub, run, tmp_path, captured):
    (tmp_path / "storage" / FILE_NAME).write_text("[{")
    stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
    async with run() as registrar:
        assert titles(registrar) == {"COVIDAET"}
    assert any("of the last run are lost" in each["event"] for each in captured)
    assert b"COVIDAET" in (tmp_path / "storage" / FILE_NAME).read_bytes()


async def test_two_engines_tell_it_once(stub, run, tmp_path):
    async with run() as ours, run(folder=tmp_path / "other") as theirs:
        stub.apply("localaes", "covid", {"aeTitle": ""})
        await until(lambda: stub.events)
        await trio.sleep(2 * following.TELL_SECONDS)
        assert len(stub.events) <= 2
        assert titles(ours) == titles(theirs) == set()
        assert len([request for request in stub.requests if request.method == "PATCH"]) <= 2


async def test_the_engine_follows_them_where_its_setting_says_so(stub, tmp_path, monkeypatch):
    stub.apply("localaes", "covid", {"aeTitle": "COVIDAET"})
    for wanted in (True, False):
        settings = msgspec.structs.replace(settings_for(tmp_path / "storage"), read_ae_titles_from_crd=wanted)
        async with serving_api(stub, tmp_path) as place:
            monkeypatch.setattr(following, "place_from", lambda *_, place=place: place)
            async with opened(settings, {}) as kept:
                assert titles(kept.registrar) == ({"COVIDAET"} if wanted else set())
                assert (kept.custom_resources is not None) is wanted


async def test_outside_of_kubernetes_there_is_nothing_to_follow(tmp_path):
    assert places.place_from({}, "readAeTitlesFromCrd") is None
    async with (
        open_registrar(settings_for(tmp_path, "GIVEN"), {}) as registrar,
        following_custom_resources(registrar, tmp_path, {}, wanted=True),
    ):
        assert titles(registrar) == {"GIVEN"}
