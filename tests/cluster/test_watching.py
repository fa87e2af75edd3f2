"""The mirror follows the API server through everything that happens to a watch."""

import contextlib

import pytest
import trio

from port104.cluster import watching
from port104.cluster.api_server import open_api_server
from port104.cluster.collection import custom
from port104.cluster.watching import Watcher
from stub_api_server import StubApiServer, serving_api


@pytest.fixture
def stub():
    return StubApiServer()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Retries come soon: the server is in the same process."""
    monkeypatch.setattr(watching, "FIRST_RETRY_SECONDS", 0.005)
    monkeypatch.setattr(watching, "LAST_RETRY_SECONDS", 0.02)


class Following:
    """A watcher of sources, and what it told."""

    def __init__(self, server):
        self.faults = []
        self._news = trio.Event()
        self.watcher = Watcher(server, custom("sources"), self._changed, self._told)

    def _changed(self):
        self._news.set()
        self._news = trio.Event()

    def _told(self, plural, fault):
        assert plural == "sources"
        if fault is not None:
            self.faults.append(fault)
            self._changed()

    def specs(self):
        return {name: each.spec for name, each in self.watcher.mirror.resources.items()}

    async def until(self, condition):
        with trio.fail_after(5):
            while not condition():
                await self._news.wait()


@pytest.fixture
async def following(stub, tmp_path):
    async with serving_api(stub, tmp_path) as place, open_api_server(place) as server:
        made = Following(server)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.watcher.run)
            yield made
            nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def known(stub, following):
    """It knows one source."""
    stub.apply("sources", "ct1", {"aeTitle": "CT1"})
    await following.until(lambda: following.specs() == {"ct1": {"aeTitle": "CT1"}})
    yield


async def test_what_is_created_changed_and_deleted_is_heard(stub, following):
    async with known(stub, following):
        stub.apply("sources", "ct1", {"aeTitle": "CT2"})
        stub.apply("pipelines", "other", {})
        stub.apply("sources", "mr", {"aeTitle": "MR"})
        await following.until(lambda: len(following.specs()) == 2)
        assert following.specs()["ct1"] == {"aeTitle": "CT2"}
        stub.delete("sources", "ct1")
        await following.until(lambda: [*following.specs()] == ["mr"])
        assert stub.lists == 1
        assert stub.watches == 1


async def test_long_lists_come_in_pages(stub, tmp_path):
    stub.page = 2
    for number in range(5):
        stub.apply("sources", f"s{number}", {})
    async with serving_api(stub, tmp_path) as place, open_api_server(place) as server:
        found, version = await server.everything(custom("sources"))
    assert [each.metadata.name for each in found] == [f"s{number}" for number in range(5)]
    assert version == str(stub.version)
    assert stub.lists == 3


async def test_a_broken_watch_goes_on_where_it_was(stub, following):
    async with known(stub, following):
        await stub.hang_up()
        stub.apply("sources", "mr", {})
        await following.until(lambda: "mr" in following.specs())
        assert stub.lists == 1


async def test_a_line_that_breaks_off_is_heard_again(stub, following):
    async with known(stub, following):
        stub.torn = 40
        stub.apply("sources", "mr", {})
        await following.until(lambda: "mr" in following.specs())
        assert stub.torn is None
        assert stub.lists == 1


async def test_a_version_that_is_too_old_is_listed_anew(stub, following):
    async with known(stub, following):
        stub.away = True
        await stub.hang_up()
        stub.delete("sources", "ct1")
        stub.apply("sources", "mr", {})
        stub.compact()
        stub.away = False
        await following.until(lambda: [*following.specs()] == ["mr"])
        assert stub.lists == 2


async def test_a_bookmark_spares_the_list(stub, following):
    async with known(stub, following):
        stub.bookmark()
        with trio.fail_after(5):
            while following.watcher.mirror.version != str(stub.version):
                await trio.sleep(0.001)
        stub.compact()
        await stub.hang_up()
        stub.apply("sources", "mr", {})
        await following.until(lambda: "mr" in following.specs())
        assert stub.lists == 1


async def test_watches_that_end_are_begun_again(stub, following):
    async with known(stub, following):
        stub.ends_watches = True
        await stub.hang_up()
        for number in range(3):
            stub.apply("sources", f"s{number}", {})
            await following.until(lambda number=number: f"s{number}" in following.specs())
        assert stub.lists == 1


async def test_while_it_is_away_what_was_heard_stays(stub, following):
    async with known(stub, following):
        stub.away = True
        await stub.hang_up()
        await following.until(lambda: len(following.faults) >= 3)
        assert [*following.specs()] == ["ct1"]
        assert "the API server cannot be asked" in str(following.faults[-1])
        stub.away = False
        stub.apply("sources", "mr", {})
        await following.until(lambda: len(following.specs()) == 2)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "token of the service account"),
        (403, "Role"),
        (404, "kubectl apply -f charts/port104/crds"),
        (500, "the API server answered 500 to GET /apis/port104.io/v1/namespaces/imaging/sources: no"),
    ],
)
async def test_a_refusal_is_told_and_tried_again(stub, following, status, hint):
    stub.refusing["sources"] = status
    await stub.hang_up()
    await following.until(lambda: any(fault.status == status for fault in following.faults))
    assert any(hint in str(fault) for fault in following.faults)
    del stub.refusing["sources"]
    stub.apply("sources", "ct1", {})
    await following.until(lambda: "ct1" in following.specs())


async def test_a_token_that_was_renewed_is_read(stub, following, tmp_path):
    async with known(stub, following):
        stub.token = "second"
        await stub.hang_up()
        await following.until(lambda: any(fault.status == 401 for fault in following.faults))
        (tmp_path / "token").write_text("second")
        stub.apply("sources", "mr", {})
        await following.until(lambda: "mr" in following.specs())


async def test_nobody_there_is_told(tmp_path, stub):
    async with serving_api(stub, tmp_path) as place:
        pass
    async with open_api_server(place) as server, trio.open_nursery() as nursery:
        made = Following(server)
        nursery.start_soon(made.watcher.run)
        await made.until(lambda: made.faults)
        nursery.cancel_scope.cancel()
    assert "Connection refused" in str(made.faults[0])
    assert not made.watcher.mirror.listed
