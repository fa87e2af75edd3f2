"""From instances to results with Jobs: a real server, as a pod, and a stub of its cluster that runs them."""

import contextlib
import shutil
import ssl
import sys

import pytest
import trio
import trio.testing
import trustme

from engine_process import Engine, own_environment, write_settings
from scripted_web_server import serving_web
from sender import send_images
from stub_cluster import POD, StubCluster

# Kubernetes has the account of a pod at one path, where these tests may not write.
LAUNCH = """
import functools, pathlib, sys
from port104.service import opening
account = pathlib.Path(sys.argv.pop(1))
opening.making_jobs = functools.partial(opening.making_jobs, account=account)
from port104.service.cli import main
sys.exit(main())
"""


class Node(StubCluster):
    """A cluster whose node runs each Job: what came is sent on. `held`: not before a test lets it."""

    def __init__(self, root):
        super().__init__(root)
        self.root = root
        self.held = trio.Event()

    async def run_jobs(self):
        number = 0
        while True:
            number += 1
            name = await self.until_made(number)
            pod = self.begin(name)
            self.write(pod, b"an image works\n")
            await self.held.wait()
            [container] = self.objects["jobs", name]["spec"]["template"]["spec"]["containers"]
            paths = {each["mountPath"]: each["subPath"] for each in container["volumeMounts"]}
            instances, output = (self._path(paths[f"/payload/{part}"]) for part in ("dcm", "output"))
            for file in instances.iterdir():
                shutil.copy(file, output)
            self.end(name)

    def _path(self, sub_path):
        """The stub's pod has its volume's folder `site` where the storage folder is in."""
        return self.root.parent / sub_path.removeprefix("site/")


@pytest.fixture
def settings():
    pipeline = {
        "name": "lung",
        "id": "l0",
        "kubernetes": {"image": "lung:2", "limits": {"nvidia.com/gpu": 1}},
        "destinations": ["PACS"],
    }
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-lung": "l0"}}
    return {
        "scp": {"aeTitles": [local_ae]},
        "pipelines": [pipeline],
        "jobs": {"kubernetes": True},
        "log": {"format": "json"},
    }


@contextlib.asynccontextmanager
async def cluster(tmp_path):
    """A node, and how to start an engine as a pod of it."""
    root = tmp_path / "storage"
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    account = tmp_path / "account"
    account.mkdir()
    authority.cert_pem.write_to_path(account / "ca.crt")
    (account / "namespace").write_text("imaging")
    (account / "token").write_text("first\n")
    node = Node(root)
    async with trio.open_nursery() as nursery, serving_web(node, context) as url:
        nursery.start_soon(node.run_jobs)
        port = url.removesuffix("/dicom-web").rpartition(":")[2]
        pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port, "POD_NAME": POD}
        yield node, (account, root, pod)
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def pod_of(place, settings):
    account, root, environ = place
    port, config, log = write_settings(root, **settings)
    with log.open("a") as stderr:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", LAUNCH, str(account), "start", "-f", str(config)],
            stderr=stderr,
            env=own_environment() | environ,
        )
    server = Engine(process, port, root, log)
    try:
        await until(server, server.listens)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def until(server, condition, seconds=30):
    with trio.move_on_after(seconds) as scope:
        while not condition():
            assert server.process.poll() is None, server.log.read_text()
            await trio.sleep(0.01)
    assert not scope.cancelled_caught, server.log.read_text()


def send(server, *numbers):
    send_images(server.port, [f"1.2.3.{number}" for number in numbers])


def said(server, event):
    return [each for each in server.log_entries() if each["event"] == event]


async def test_a_study_becomes_results_by_a_job(tmp_path, settings):
    async with cluster(tmp_path) as (node, place), pod_of(place, settings) as server:
        node.held.set()
        await trio.to_thread.run_sync(send, server, 1, 2)
        await until(server, lambda: said(server, "run ended"))
        [ended] = said(server, "run ended")
        assert (ended["outcome"], ended["results"]) == ("succeeded", 2)
        [log] = (server.folder / "runs").glob("*/1/log")
        assert log.read_text() == "an image works\n"
        assert [job["spec"]["ttlSecondsAfterFinished"] for job in node.jobs] == [3600]


async def test_a_job_outlives_kills_of_the_engine(tmp_path, settings):
    async with cluster(tmp_path) as (node, place):
        async with pod_of(place, settings) as server:
            await trio.to_thread.run_sync(send, server, 1)
            await until(server, lambda: node.created)
        async with pod_of(place, settings) as server:
            await until(server, lambda: [*(server.folder / "runs").glob("*/1/log")])
        node.held.set()  # it ends while the engine is away
        with trio.fail_after(10):
            while "status" not in node.jobs[0]:
                await trio.testing.wait_all_tasks_blocked()
        async with pod_of(place, settings) as server:
            await until(server, lambda: said(server, "run ended"))
            [ended] = said(server, "run ended")
            assert (ended["outcome"], ended["attempt"], node.created) == ("succeeded", 1, 1)
