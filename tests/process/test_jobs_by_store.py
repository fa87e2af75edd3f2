"""Jobs that have their payload by a real object store: the stub's node runs their steps as processes."""

import json
import shutil
import subprocess
import sys

import pytest
import trio
import trio.testing

from engine_process import own_environment
from pod_process import cluster, pod_of, said, send, until
from seaweedfs_process import KEY_ID, SECRET
from stub_cluster import StubCluster

pytestmark = pytest.mark.peer

SECRETS = {"port104-s3": {"accessKeyId": KEY_ID, "secretAccessKey": SECRET}}


class Node(StubCluster):
    """A cluster whose node runs each Job step by step: the pipeline sends on what came.

    `gates`: before which steps it waits until a test lets it; `reached`: what it waits before, or runs.
    """

    def __init__(self, root):
        super().__init__(root)
        self.volumes = root.parent / "volumes"
        self.gates = {}
        self.reached = None

    async def run_jobs(self):
        number = 0
        while True:
            number += 1
            await self._run_job(await self.until_made(number))

    async def _run_job(self, name):
        spec = self.objects["jobs", name]["spec"]["template"]["spec"]
        assert "persistentVolumeClaim" not in str(spec)
        payload = self.volumes / name
        payload.mkdir(parents=True)
        pod = self.begin(name)
        self.step(pod)
        for container in (*spec["initContainers"], *spec["containers"]):
            step = container["name"]
            await self._reach(step)
            self.step(pod, **{step: {"running": {}}})
            code, wrote = await trio.to_thread.run_sync(
                self._run_step, container, payload, abandon_on_cancel=True
            )
            self.write(pod, wrote, step)
            end = {"exitCode": code, "reason": "Error" if code else "Completed"}
            self.step(pod, **{step: {"terminated": end | ({"message": wrote.decode()} if code else {})}})
            if code:
                self.conclude(name, "Failed", "BackoffLimitExceeded", "it has reached the limit")
                return
        await self._reach("end")
        self.conclude(name, "Complete")

    async def _reach(self, step):
        self.reached = step
        if step in self.gates:
            await self.gates[step].wait()

    def _run_step(self, container, payload):
        if container["name"] == "pipeline":
            for file in (payload / "dcm").iterdir():
                shutil.copy(file, payload / "output")
            return 0, b"an image works\n"
        variables = {each["name"]: _value(each) for each in container["env"]}
        command = [sys.executable, "-m", *container["command"], "--folder", str(payload)]
        with self.log_of(container["name"]).open("wb") as log:
            ended = subprocess.run(
                command, env=own_environment() | variables, stdout=log, stderr=log, timeout=100, check=False
            )
        return ended.returncode, self.log_of(container["name"]).read_bytes()

    def log_of(self, step):
        """What a step that is a process writes."""
        return self.volumes / f"{step}.log"


def _value(variable):
    if "value" in variable:
        return variable["value"]
    reference = variable["valueFrom"]["secretKeyRef"]
    return SECRETS[reference["name"]][reference["key"]]


def settings_for(bucket):
    pipeline = {
        "name": "lung",
        "id": "l0",
        "kubernetes": {"image": "lung:2", "payload": "objectStore", "payloadSize": "1Gi"},
        "retries": 0,
    }
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-lung": "l0"}}
    return {
        "scp": {"aeTitles": [local_ae]},
        "pipelines": [pipeline],
        "jobs": {"kubernetes": True, "transfer": {"secret": "port104-s3"}},
        "objectStore": bucket,
        "log": {"format": "json"},
    }


def run_objects(contents):
    """What the store has of runs."""
    return {key: content for key, content in contents.items() if "/runs/" in key}


async def ended(server):
    await until(server, lambda: said(server, "run ended") or said(server, "run failed"), seconds=90)
    return (said(server, "run ended") or said(server, "run failed"))[0]


def outputs(server):
    return sorted(path.read_bytes() for path in (server.folder / "runs").glob("*/1/output/*"))


async def test_a_study_becomes_results_without_a_volume(tmp_path, seaweedfs):
    bucket = seaweedfs.new_bucket()
    async with cluster(tmp_path, Node) as (_, place), pod_of(place, settings_for(bucket)) as server:
        await trio.to_thread.run_sync(send, server, 1, 2)
        end = await ended(server)
        assert (end["event"], end.get("results")) == ("run ended", 2)
        instances = [*(server.folder / "instances").rglob("*.dcm")]
        assert outputs(server) == sorted(path.read_bytes() for path in instances)
        [log] = (server.folder / "runs").glob("*/1/log")
        fetched, worked, delivered = log.read_text().splitlines()
        assert fetched.startswith("port104: fetched 2 instances, ")
        assert worked == "an image works"
        assert delivered.startswith("port104: delivered 2 files, ")
        assert not (log.parent / "dcm").exists()
        contents = await trio.to_thread.run_sync(seaweedfs.contents, bucket)
        assert run_objects(contents) == {}
        assert len(contents) == 3  # the instances, and the object that shows that the store works


@pytest.fixture
def mortal(seaweedfs):
    """The store, which a test may stop."""
    yield seaweedfs
    if not seaweedfs.runs:
        seaweedfs.start()


@pytest.mark.parametrize("step", ["fetch", "deliver", "end"])
async def test_a_store_that_goes_away_is_waited_for(tmp_path, mortal, step):
    """By a step of the pod, or by the engine that takes what was left."""
    bucket = mortal.new_bucket()
    async with cluster(tmp_path, Node) as (node, place), pod_of(place, settings_for(bucket)) as server:
        node.gates[step] = trio.Event()
        await trio.to_thread.run_sync(send, server, 1)
        await until(server, lambda: node.reached == step)
        await trio.to_thread.run_sync(mortal.stop)
        node.gates[step].set()
        if step == "end":
            await until(server, lambda: said(server, "a run waits for the object store"))
        else:
            log = node.log_of(step)
            await until(server, lambda: log.exists() and b"tried again" in log.read_bytes())
        assert not said(server, "run ended")
        await trio.to_thread.run_sync(mortal.start)
        end = await ended(server)
        assert (end["event"], end.get("results")) == ("run ended", 1), end


async def test_an_object_that_was_changed_fails_the_run(tmp_path, seaweedfs):
    bucket = seaweedfs.new_bucket()
    async with cluster(tmp_path, Node) as (node, place), pod_of(place, settings_for(bucket)) as server:
        node.gates["fetch"] = trio.Event()
        await trio.to_thread.run_sync(send, server, 1)
        await until(server, lambda: node.reached == "fetch")
        contents = await trio.to_thread.run_sync(seaweedfs.contents, bucket)
        [key] = [key for key in contents if key.endswith(".dcm")]
        await trio.to_thread.run_sync(seaweedfs.put, bucket, key, contents[key][:-1] + b"?")
        node.gates["fetch"].set()
        end = await ended(server)
        assert end["event"] == "run failed"
        assert end["reason"].startswith("the payload cannot be fetched: the object store holds other bytes")
        assert run_objects(await trio.to_thread.run_sync(seaweedfs.contents, bucket)) == {}


async def test_names_that_lead_elsewhere_are_not_taken(tmp_path, seaweedfs):
    bucket = seaweedfs.new_bucket()
    async with cluster(tmp_path, Node) as (node, place), pod_of(place, settings_for(bucket)) as server:
        node.gates["end"] = trio.Event()
        await trio.to_thread.run_sync(send, server, 1)
        await until(server, lambda: node.reached == "end")
        contents = await trio.to_thread.run_sync(seaweedfs.contents, bucket)
        [key] = [key for key in contents if key.endswith("/delivery.json")]
        delivery = json.loads(contents[key])
        delivery["files"][0]["file"] = "../../../../instances/evil.dcm"
        await trio.to_thread.run_sync(seaweedfs.put, bucket, key, json.dumps(delivery).encode())
        node.gates["end"].set()
        end = await ended(server)
        assert end["event"] == "run failed"
        assert "file 0: its name is no path below a folder" in end["reason"]
        assert outputs(server) == []
        assert [*tmp_path.rglob("evil.dcm")] == []


async def test_an_output_that_was_left_while_the_engine_was_killed_is_taken(tmp_path, seaweedfs):
    bucket = seaweedfs.new_bucket()
    async with cluster(tmp_path, Node) as (node, place):
        node.gates["end"] = trio.Event()
        async with pod_of(place, settings_for(bucket)) as server:
            await trio.to_thread.run_sync(send, server, 1)
            await until(server, lambda: node.reached == "end")
        node.gates["end"].set()
        with trio.fail_after(10):
            while "status" not in node.jobs[0]:
                await trio.testing.wait_all_tasks_blocked()
        async with pod_of(place, settings_for(bucket)) as server:
            end = await ended(server)
            assert (end["event"], end.get("results"), node.created) == ("run ended", 1, 1)
            assert run_objects(await trio.to_thread.run_sync(seaweedfs.contents, bucket)) == {}
