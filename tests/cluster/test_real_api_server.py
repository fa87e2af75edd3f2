"""Custom resources from a real API server: its schemas, statuses and watches, and its absence."""

import contextlib
import gc
import os
from functools import partial
from pathlib import Path

import pytest
import trio

from api_server_process import ApiServerProcess, RefusedError
from custom_resources import settings_for
from port104.cluster import api_server, watching
from port104.service.custom_resources import following
from port104.service.custom_resources.following import following_custom_resources
from port104.service.registrar import open_registrar

PROGRAMS = os.environ.get("PORT104_CLUSTER")

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    # httpcore leaves the socket of a connection whose handshake is cancelled to the collector of garbage.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(PROGRAMS is None, reason="takes long to build: make cluster-check"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "server"
    with ApiServerProcess(Path(PROGRAMS) / "kube-apiserver", folder) as started:
        yield started


@pytest.fixture(autouse=True)
def _clean(server):
    yield
    for plural in ("localaes", "sources", "destinations", "pipelines"):
        server.ask("DELETE", f"/apis/port104.io/v1/namespaces/imaging/{plural}")
    gc.collect()


@pytest.fixture
def run(tmp_path, server, monkeypatch):
    """Opens a registrar that follows the server; another time is a restart."""
    monkeypatch.setattr(watching, "LAST_RETRY_SECONDS", 0.5)
    monkeypatch.setattr(following, "TELL_SECONDS", 0.2)
    monkeypatch.setattr(following, "place_from", lambda *_: server.place)

    @contextlib.asynccontextmanager
    async def running():
        async with (
            open_registrar(settings_for(tmp_path), {}) as registrar,
            following_custom_resources(registrar, tmp_path, wanted=True),
        ):
            yield registrar

    return running


async def done(call, *words):
    """In a thread: the server is asked and waited for."""
    return await trio.to_thread.run_sync(partial(call, *words))


async def until(condition, seconds=10.0):
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.005)


async def until_told(server, plural, name, status):
    with trio.fail_after(10):
        while (condition := await done(server.condition, plural, name)).get("status") != status:
            await trio.sleep(0.02)
    return condition


def titles(registrar):
    return {*registrar.registry.local_aes}


async def test_changes_hold_within_a_second(server, run):
    await done(server.apply, "localaes", "first", {"aeTitle": "FIRST"})
    async with run() as registrar:
        assert titles(registrar) == {"FIRST"}
        await done(server.apply, "localaes", "covid", {"aeTitle": "COVIDAET"})
        await until(lambda: titles(registrar) == {"FIRST", "COVIDAET"}, seconds=1)
        await done(server.apply, "localaes", "covid", {"aeTitle": "OTHER"})
        await until(lambda: titles(registrar) == {"FIRST", "OTHER"}, seconds=1)
        await done(server.apply, "sources", "ct1", {"aeTitle": "CT1", "hostIp": "10.0.0.5"})
        await until(lambda: len(registrar.registry.sources) == 1, seconds=1)
        await done(
            server.apply, "destinations", "pacs", {"aeTitle": "PACS", "hostIp": "10.0.0.5", "port": 104}
        )
        await until(lambda: "pacs" in registrar.registry.destinations, seconds=1)
        await done(server.apply, "pipelines", "lung", {"folder": "/srv/lung"})
        await until(lambda: registrar.registry.pipeline("lung") is not None, seconds=1)
        await done(server.delete, "localaes", "covid")
        await until(lambda: titles(registrar) == {"FIRST"}, seconds=1)


async def test_status_and_columns(server, run):
    async with run():
        await done(server.apply, "sources", "ct1", {"aeTitle": "CT1", "hostIp": "10.0.0.5"})
        condition = await until_told(server, "sources", "ct1", "True")
        assert condition["observedGeneration"] == 1
        [row] = await done(server.table, "sources")
        assert (row["AE title"], row["Host"], row["Accepted"]) == ("CT1", "10.0.0.5", "True")


async def test_what_passes_the_schema_and_does_not_hold_is_told_in_the_status(server, run):
    async with run() as registrar:
        await done(server.apply, "localaes", "one", {"aeTitle": "SAME"})
        await until_told(server, "localaes", "one", "True")
        await done(server.apply, "localaes", "two", {"aeTitle": "SAME"})
        condition = await until_told(server, "localaes", "two", "False")
        assert "SAME" in condition["message"]
        assert titles(registrar) == {"SAME"}


@pytest.mark.parametrize(
    ("plural", "spec"),
    [
        ("sources", {"hostIp": "10.0.0.5"}),
        ("destinations", {"aeTitle": "PACS", "hostIp": "10.0.0.5", "port": "many"}),
        ("localaes", {"aeTitle": 7}),
    ],
)
async def test_what_the_schemas_forbid_never_comes_here(server, plural, spec):
    with pytest.raises(RefusedError) as refused:
        await done(server.apply, plural, "wrong", spec)
    assert refused.value.status == 422


async def test_a_watch_that_ends_is_asked_for_anew(server, run, monkeypatch):
    monkeypatch.setattr(api_server, "_WATCH_SECONDS", 1)
    async with run() as registrar:
        await trio.sleep(1.2)
        await done(server.apply, "localaes", "covid", {"aeTitle": "COVIDAET"})
        await until(lambda: titles(registrar) == {"COVIDAET"}, seconds=2)


async def test_without_it_the_last_state_holds_and_what_changed_meanwhile_is_heard(server, run):
    """A server that starts knows no change from before: it answers 410, and all is listed anew."""
    await done(server.apply, "localaes", "covid", {"aeTitle": "COVIDAET"})
    async with run() as registrar:
        await until_told(server, "localaes", "covid", "True")
        await done(server.stop)
        assert titles(registrar) == {"COVIDAET"}
    async with run() as registrar:  # a restart of port104 in the meantime
        assert titles(registrar) == {"COVIDAET"}
        await done(server.start)
        await done(server.apply, "localaes", "covid", {"aeTitle": "OTHER"})
        await until(lambda: titles(registrar) == {"OTHER"})
        await done(server.stop)
        await done(server.start)
        await done(server.delete, "localaes", "covid")
        await until(lambda: titles(registrar) == set())
