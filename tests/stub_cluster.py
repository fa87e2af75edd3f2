"""The stub of an API server with what port104 needs of it for Jobs; tests play all controllers.

Jobs, pods, claims and logs of pods behave as Kubernetes documents them: names that are taken, deletion in the
foreground, conditions, a log that is followed. Nothing happens by itself: a test starts pods and ends them.
"""

import json
from urllib.parse import parse_qs, urlsplit

import trio

from stub_api_server import CHUNKED, LAST_CHUNK, StubApiServer, chunk

BATCH = "/apis/batch/v1/namespaces/imaging/"
CORE = "/api/v1/namespaces/imaging/"
POD = "port104-0"
CLAIM = "payloads-port104-0"
OWNER = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "name": "port104",
    "uid": "owner",
    "controller": True,
}


class Writing:
    """What a container wrote so far."""

    def __init__(self):
        self.data = b""
        self.ended = False
        self.news = trio.Event()

    def tell(self):
        self.news.set()
        self.news = trio.Event()


class StubCluster(StubApiServer):
    """`lost`: answers to POSTs that are lost once the Job is made; `refusals`: of POSTs, in turn.

    `breaks`: after how many bytes a log breaks off, in turn. `slow_deletion`: a test says when a Job is gone.
    """

    def __init__(self, root, modes=("ReadWriteOnce",)):
        """`root`: the storage folder of the pod that port104 is."""
        super().__init__()
        self.lost = 0
        self.refusals = []
        self.breaks = []
        self.slow_deletion = False
        self.writings = {}
        self.created = 0
        mounts = [
            {"name": "config", "mountPath": "/etc/port104"},
            {"name": "payloads", "mountPath": str(root.parent), "subPath": "site"},
        ]
        spec = {
            "nodeName": "node-1",
            "containers": [{"name": "port104", "image": "port104:1", "volumeMounts": mounts}],
            "imagePullSecrets": [{"name": "registry"}],
            "volumes": [
                {"name": "config", "configMap": {"name": "port104"}},
                {"name": "payloads", "persistentVolumeClaim": {"claimName": CLAIM}},
            ],
        }
        self.put("pods", POD, {"metadata": {"ownerReferences": [OWNER]}, "spec": spec})
        self.put("persistentvolumeclaims", CLAIM, {"spec": {"accessModes": [*modes]}})

    # ---- what controllers and the kubelet do ----

    def put(self, plural, name, made):
        """Write an object as it is to be."""
        known = self.objects.get((plural, name))
        metadata = {"name": name, "uid": f"{plural}-{next(self._uids)}", **made.get("metadata", {})}
        if known is not None:
            metadata = {**known["metadata"], **made.get("metadata", {})}
        self._put("ADDED" if known is None else "MODIFIED", plural, {**made, "metadata": metadata})

    @property
    def jobs(self):
        return [each for (plural, _), each in self.objects.items() if plural == "jobs"]

    async def until_made(self, number=1):
        """Wait for so many Jobs, of all that were made; returns the newest one's name."""
        while self.created < number:
            await self._news.wait()
        return self.jobs[-1]["metadata"]["name"]

    def begin(self, name, state=None):
        """Make the pod of a Job, whose container runs or is in that state; returns its name."""
        job = self.objects["jobs", name]
        reference = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
        labels = job["spec"]["template"]["metadata"]["labels"]
        metadata = {"labels": labels, "ownerReferences": [{**reference, "controller": True}]}
        pod = f"{name}-x7k2p"
        self.put("pods", pod, {"metadata": metadata, "status": _status(state or {"running": {}})})
        self.writings.setdefault(pod, Writing())
        return pod

    def change(self, pod, state):
        self.put("pods", pod, {**self.objects["pods", pod], "status": _status(state)})

    def step(self, pod, **states):
        """Say how the steps of a pod are that has some: `fetch`, `pipeline` and `deliver`, in turn."""
        before = self.objects["pods", pod]["status"].get("states", {})
        status = _status_of_steps(before | states)
        self.put("pods", pod, {**self.objects["pods", pod], "status": status})
        for name in before.keys() | states.keys():
            self.writings.setdefault((pod, name), Writing())
        for name, state in states.items():
            if "terminated" in state:
                self.writings[pod, name].ended = True
                self.writings[pod, name].tell()

    def write(self, pod, data, step=None):
        """As its container does, or a step of it."""
        writing = self.writings[(pod, step) if step else pod]
        writing.data += data
        writing.tell()

    def end(self, name, code=0, reason="Error"):
        """End the container, and then the Job."""
        pod = f"{name}-x7k2p"
        self.change(pod, {"terminated": {"exitCode": code, "reason": reason if code else "Completed"}})
        self.writings[pod].ended = True
        self.writings[pod].tell()
        if code:
            self.conclude(
                name, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
            )
        else:
            self.conclude(name, "Complete")

    def conclude(self, name, kind, reason="", message=""):
        condition = {"type": kind, "status": "True", "reason": reason, "message": message}
        self.put("jobs", name, {**self.objects["jobs", name], "status": {"conditions": [condition]}})

    def time_out(self, name):
        """As the Job controller does after activeDeadlineSeconds: the pod goes, too."""
        self.remove_pods(name)
        self.conclude(name, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")

    def remove_pods(self, name):
        for plural, pod in [*self.objects]:
            if plural == "pods" and pod.startswith(f"{name}-"):
                self.delete("pods", pod)
                for key, writing in self.writings.items():
                    if pod in (key, key[0]):
                        writing.ended = True
                        writing.tell()

    def remove(self, name):
        """As the garbage collector does, or somebody with kubectl."""
        self.remove_pods(name)
        self.delete("jobs", name)

    # ---- what it answers ----

    async def _serve(self, stream, request):
        path = urlsplit(request.target).path
        base = next((each for each in (BATCH, CORE) if path.startswith(each)), None)
        if base is None or path == f"{CORE}events":
            return await super()._serve(stream, request)
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.target).query).items()}
        plural, *below = path.removeprefix(base).split("/")
        if plural in self.refusing:
            return await self._refuse(stream, self.refusing[plural], "no")
        if request.method == "POST":
            return await self._create(stream, plural, json.loads(request.body))
        if not below:
            serve = self._watch if "watch" in query else self._list
            return await serve(stream, plural, query)
        return await self._serve_one(stream, request, plural, *below)

    async def _serve_one(self, stream, request, plural, name, subresource=""):
        if (plural, name) not in self.objects:
            return await self._refuse(stream, 404, f'{plural} "{name}" not found')
        if subresource == "log":
            container = parse_qs(urlsplit(request.target).query)["container"][0]
            return await self._log(stream, name, container)
        if request.method == "GET":
            return await self._say(stream, self.objects[plural, name])
        act = {"PATCH": self._change, "DELETE": self._delete}[request.method]
        return await act(stream, name, json.loads(request.body))

    async def _create(self, stream, plural, made):
        assert plural == "jobs"
        name = made["metadata"]["name"]
        if self.refusals:
            return await self._refuse(stream, *self.refusals.pop(0))
        if ("jobs", name) in self.objects:
            return await self._refuse(stream, 409, f'jobs.batch "{name}" already exists')
        self.created += 1
        self.put("jobs", name, made)
        if self.lost:
            self.lost -= 1
            return False
        return await self._say(stream, self.objects["jobs", name], 201)

    async def _change(self, stream, name, change):
        known = self.objects["jobs", name]
        self.put("jobs", name, {**known, "spec": {**known["spec"], **change["spec"]}})
        return await self._say(stream, self.objects["jobs", name])

    async def _delete(self, stream, name, options):
        known = self.objects["jobs", name]
        assert options["propagationPolicy"] == "Foreground"
        if options["preconditions"]["uid"] != known["metadata"]["uid"]:
            return await self._refuse(stream, 409, "the UID in the precondition is another")
        self.put("jobs", name, {**known, "metadata": {"deletionTimestamp": "2026-11-30T00:00:00Z"}})
        await self._say(stream, self.objects["jobs", name])
        if not self.slow_deletion:
            self.remove(name)
        return True

    async def _log(self, stream, pod, container):
        writing = self.writings.get((pod, container)) or self.writings[pod]
        await stream.send_all(CHUNKED)
        most = self.breaks.pop(0) if self.breaks else None
        sent = 0
        while True:
            news = writing.news
            data = writing.data[sent:most]
            if data:
                await stream.send_all(chunk(data))
                sent += len(data)
            if sent == most:
                return False
            if writing.ended and sent == len(writing.data):
                await stream.send_all(LAST_CHUNK)
                return True
            await news.wait()


def _status_of_steps(states):
    """Those that nothing is said of wait."""
    waiting = {"waiting": {"reason": "PodInitializing"}}
    found = [{"name": name, "state": states.get(name, waiting)} for name in ("fetch", "pipeline", "deliver")]
    phase = "Running" if "running" in found[-1]["state"] else "Pending"
    return {
        "phase": phase,
        "initContainerStatuses": found[:2],
        "containerStatuses": found[2:],
        "states": states,
    }


def _status(state):
    phase = "Pending" if "waiting" in state else "Running"
    return {"phase": phase, "containerStatuses": [{"name": "pipeline", "state": state}]}
