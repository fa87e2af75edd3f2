"""From instances to results with Jobs: a real server, as a pod, and a stub of its cluster that runs them."""

import shutil

import pytest
import trio
import trio.testing

from pod_process import cluster, pod_of, said, send, until
from stub_cluster import StubCluster


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


async def test_a_study_becomes_results_by_a_job(tmp_path, settings):
    async with cluster(tmp_path, Node) as (node, place), pod_of(place, settings) as server:
        node.held.set()
        await trio.to_thread.run_sync(send, server, 1, 2)
        await until(server, lambda: said(server, "run ended"))
        [ended] = said(server, "run ended")
        assert (ended["outcome"], ended["results"]) == ("succeeded", 2)
        [log] = (server.folder / "runs").glob("*/1/log")
        assert log.read_text() == "an image works\n"
        assert [job["spec"]["ttlSecondsAfterFinished"] for job in node.jobs] == [3600]


async def test_a_job_outlives_kills_of_the_engine(tmp_path, settings):
    async with cluster(tmp_path, Node) as (node, place):
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
