"""A stub of a cluster, and an attempt that is carried out in it."""

import contextlib

import pytest
import trio

from port104.cluster import watching
from port104.cluster.api_server import open_api_server
from port104.dispatch.backends.kubernetes import backend as module
from port104.dispatch.backends.kubernetes import pod_log
from port104.dispatch.backends.kubernetes.backend import KubernetesBackend
from port104.dispatch.backends.kubernetes.following import JobWatch
from port104.registry.entries import Pipeline
from port104.registry.job_templates import JobTemplate
from stub_api_server import serving_api
from stub_cluster import POD, StubCluster

ENGINE = "00000000000000e1"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Retries come soon: the server is in the same process."""
    for where in (watching, module):
        monkeypatch.setattr(where, "FIRST_RETRY_SECONDS", 0.005)
        monkeypatch.setattr(where, "LAST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(pod_log, "FLUSH_SECONDS", 0.005)
    monkeypatch.setattr(pod_log, "AGAIN_SECONDS", 0.005)


@pytest.fixture
def stub(tmp_path):
    return StubCluster(tmp_path)


@pytest.fixture
def pipeline():
    return Pipeline(name="covid", id="p-1", kubernetes=JobTemplate(image="lung:2"), time_limit=60.0)


@pytest.fixture
def carrier():
    """What brings payloads by an object store, for who has one."""


class Runs:
    """An attempt that is carried out while a test plays the cluster."""

    def __init__(self, stub, place, run, pipeline, folder, cancel, carrier):
        self.stub, self.folder, self.cancel = stub, folder, cancel
        self.carrier = carrier
        self.ending = None
        self._place, self._of = place, (run, pipeline, folder, cancel)
        self._root = folder.parents[2]

    @contextlib.asynccontextmanager
    async def engine(self):
        """A port104 that carries it out, and is killed at the end of the block."""
        with trio.fail_after(10):
            async with open_api_server(self._place) as server, trio.open_nursery() as nursery:
                watch = JobWatch(server, ENGINE)
                nursery.start_soon(watch.run)
                backend = KubernetesBackend(watch, POD, self._root, self.carrier)
                nursery.start_soon(self._run, backend)
                yield backend
                nursery.cancel_scope.cancel()

    async def _run(self, backend):
        self.ending = await backend.run(*self._of)

    async def until(self, condition):
        while not condition():
            await trio.sleep(0.002)

    async def ended(self):
        await self.until(lambda: self.ending is not None)
        return self.ending

    @property
    def log(self):
        file = self.folder / "log"
        return file.read_bytes() if file.exists() else b""


@pytest.fixture
async def runs(stub, run, pipeline, folder, cancel, carrier, tmp_path):
    async with serving_api(stub, tmp_path) as place:
        yield Runs(stub, place, run, pipeline, folder, cancel, carrier)
