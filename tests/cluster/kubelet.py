"""The one node of a cluster: what a scheduler and a kubelet do, as far as port104 and its Jobs see of it.

Each pod is bound to it, its containers are run for real, with the volumes, user and environment that the pod
names, and its status is what Kubernetes' own kubelet writes of such containers. The API server has logs
from it by HTTPS.
"""

import contextlib
import ssl
import threading
import time
from datetime import UTC, datetime
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from api_server_process import RefusedError
from cluster import container
from cluster.control_plane import CORE
from cluster.pod_volumes import environment_of, mounts_of

NODE = "node-1"
POLL_SECONDS = 0.05
_ANYONE = 65534
_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
_HOLDS = {
    "Pending": ("PodReadyToStartContainers", "PodScheduled"),
    "Running": _CONDITIONS,
    "Succeeded": ("Initialized", "PodScheduled"),
    "Failed": ("PodScheduled",),
}
_NOT_YET = {"waiting": {"reason": "PodInitializing"}}


class Kubelet:
    """Use it in a with statement. `images`: what each starts; another cannot be pulled.

    `claims`: the folder of the volumes, which outlive pods; `tells_logs`: whether it answers for them;
    `begins_again`: whether it starts a container again that has ended, where its pod asks for that.
    """

    def __init__(self, server, folder, images):
        self._server = server
        self._folder = folder
        self._images = images
        self._running = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._logs = None
        self.claims = folder / "claims"
        self.tells_logs = self.begins_again = True
        self.faults = []

    def __enter__(self):
        self.claims.mkdir(parents=True)
        self._logs = _LogServer(("127.0.0.1", 0), _Logs)
        self._logs.kubelet = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.authority.issue_cert("127.0.0.1").configure_cert(context)
        self._logs.socket = context.wrap_socket(self._logs.socket, server_side=True)
        self._register(self._logs.server_address[1])
        threading.Thread(target=self._logs.serve_forever, daemon=True).start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._logs.shutdown()
        self._logs.server_close()
        for pod in self._running.values():
            pod.container.kill()
        assert self.faults == []

    def pod(self, name):
        """What runs of the newest pod of that name."""
        return next((each for each in reversed([*self._running.values()]) if each.name == name), None)

    def _register(self, port):
        self._server.ask("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        self._server.ask("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status})

    def _run(self):
        while not self._ended.wait(POLL_SECONDS):
            try:
                for pod in self._server.ask("GET", f"{CORE}pods")["items"]:
                    # It may be deleted or changed by another while it is looked at; the next round sees that.
                    with contextlib.suppress(RefusedError):
                        self._see_to(pod)
            except (OSError, HTTPException):
                """The API server is away."""
            except Exception as fault:  # noqa: BLE001 - the thread must tell, not die
                self.faults.append(repr(fault))

    def _see_to(self, pod):
        metadata, status = pod["metadata"], pod["status"]
        running = self._running.get(metadata["uid"])
        if "deletionTimestamp" in metadata:
            self._end(pod, running)
        elif "nodeName" not in pod["spec"]:
            target = {"target": {"kind": "Node", "name": NODE}, "metadata": {"name": metadata["name"]}}
            self._server.ask("POST", f"{CORE}pods/{metadata['name']}/binding", target)
        elif status["phase"] in ("Succeeded", "Failed"):
            return
        elif running is None:
            self._begin(pod)
        elif running.container.exit_code is not None:
            self._go_on(pod, running)

    def _begin(self, pod):
        missing = [each["image"] for each in _steps(pod["spec"]) if each["image"] not in self._images]
        if not missing:
            running = self._running[pod["metadata"]["uid"]] = _Running(pod)
            self._start(pod, running)
        elif "containerStatuses" not in pod["status"]:
            waiting = {"reason": "ErrImagePull", "message": f"{missing[0]}: not found"}
            self._tell(pod, [{"waiting": waiting} for _ in _steps(pod["spec"])])

    def _go_on(self, pod, running):
        """A container has ended: begin the next one, or the same again, or say that it was the last."""
        last = running.step == len(running.states) - 1
        if pod["spec"]["restartPolicy"] == "Always":
            if self.begins_again:
                running.restarts += 1
                self._start(pod, running)
            return
        running.conclude()
        if last or running.container.exit_code:
            self._tell(pod, running.states, "Failed" if running.container.exit_code else "Succeeded")
        else:
            running.step += 1
            self._start(pod, running)

    def _end(self, pod, running):
        metadata = pod["metadata"]
        if running is not None and running.container.exit_code is None:
            if running.killed_at is None:
                running.killed_at = time.monotonic() + metadata["deletionGracePeriodSeconds"]
                running.container.terminate()
            elif time.monotonic() > running.killed_at:
                running.container.kill()
            return
        if running is not None and pod["status"]["phase"] in ("Pending", "Running"):
            running.conclude()
            self._tell(pod, running.states, "Failed")
        now = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        self._server.ask("DELETE", f"{CORE}pods/{metadata['name']}", now)

    def _start(self, pod, running):
        asked = _steps(pod["spec"])[running.step]
        folder = self._folder / pod["metadata"]["uid"]
        folder.mkdir(exist_ok=True)
        security = pod["spec"].get("securityContext", {}) | asked.get("securityContext", {})
        words = [each.replace("$$", "$") for each in asked.get("command") or self._images[asked["image"]]]
        running.container = container.start(
            [*words, *asked.get("args", [])],
            folder=folder / f"{asked['name']}-{running.restarts}",
            mounts=[*mounts_of(self._server, pod, asked, folder, self.claims)],
            user=security.get("runAsUser", _ANYONE),
            group=security.get("runAsGroup", _ANYONE),
            environment=environment_of(self._server, pod, asked),
            working_folder=asked.get("workingDir", "/"),
            read_only=security.get("readOnlyRootFilesystem", False),
        )
        running.begin(asked["name"])
        self._tell(pod, running.states, "Pending" if running.step < len(running.states) - 1 else "Running")

    def _tell(self, pod, states, phase="Pending"):
        running = self._running.get(pod["metadata"]["uid"])
        told = [
            {
                "name": asked["name"],
                "image": asked["image"],
                "imageID": "",
                "ready": "running" in state,
                "restartCount": running.restarts if running else 0,
                "state": state,
            }
            for asked, state in zip(_steps(pod["spec"]), states, strict=True)
        ]
        status = {
            "phase": phase,
            "conditions": [{"type": each, "status": str(each in _HOLDS[phase])} for each in _CONDITIONS],
            "initContainerStatuses": told[:-1],
            "containerStatuses": told[-1:],
            "startTime": _now_text(),
        }
        self._server.ask("PATCH", f"{CORE}pods/{pod['metadata']['name']}/status", {"status": status})


class _Running:
    """A pod's containers. `step`: which of them is at work; `killed_at`: when it is, being deleted."""

    def __init__(self, pod):
        self.name = pod["metadata"]["name"]
        self.container = None
        self.containers = {}
        self.states = [_NOT_YET for _ in _steps(pod["spec"])]
        self.step = self.restarts = 0
        self.killed_at = None

    def begin(self, name):
        self.containers[name] = self.container
        self.states[self.step] = {"running": {"startedAt": _now_text()}}

    def conclude(self):
        code, began = self.container.exit_code, self.states[self.step].get("running")
        if began is not None:
            ended = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": _now_text()}
            self.states[self.step] = {"terminated": began | ended}


class _LogServer(ThreadingHTTPServer):
    daemon_threads = True


class _Logs(BaseHTTPRequestHandler):
    """GET /containerLogs/NAMESPACE/POD/CONTAINER: what it wrote, and what it writes until it has ended."""

    def do_GET(self):
        kubelet = self.server.kubelet
        _, _, _, name, of = self.path.partition("?")[0].split("/")
        pod = kubelet.pod(name)
        if not kubelet.tells_logs or pod is None or of not in pod.containers:
            return self.send_error(500 if pod else 404)
        self.send_response(200)
        self.end_headers()
        asked = pod.containers[of]
        with asked.log_path.open("rb") as written:
            while True:
                over = asked.exit_code is not None
                self.wfile.write(written.read())
                self.wfile.flush()
                if over:
                    return None
                time.sleep(POLL_SECONDS)

    def log_message(self, *_):
        """Nobody asks for it."""


def _steps(spec):
    """A pod's containers, one after the other: none here has two at a time."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def _now_text():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
