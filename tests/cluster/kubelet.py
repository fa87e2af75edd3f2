"""The one node of a cluster: what a scheduler and a kubelet do, as far as port104 and its Jobs see of it.

Each pod is bound to it, its container is run for real, with the volumes, user and environment that the pod
names, and its status is what Kubernetes' own kubelet writes of such a container. The API server has logs
from it by HTTPS.
"""

import contextlib
import re
import shutil
import ssl
import threading
import time
from datetime import UTC, datetime
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from api_server_process import NAMESPACE, RefusedError
from cluster import container
from cluster.control_plane import CORE

NODE = "node-1"
POLL_SECONDS = 0.05
_ANYONE = 65534
_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
_HOLDS = {
    "Pending": ("PodReadyToStartContainers", "Initialized", "PodScheduled"),
    "Running": _CONDITIONS,
    "Succeeded": ("Initialized", "PodScheduled"),
    "Failed": ("Initialized", "PodScheduled"),
}


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
        elif running is None:
            self._begin(pod)
        elif status["phase"] == "Running" and running.container.exit_code is not None:
            if pod["spec"]["restartPolicy"] != "Always":
                self._tell(pod, running.ended())
            elif self.begins_again:
                self._begin(pod)

    def _begin(self, pod):
        [asked] = pod["spec"]["containers"]
        if asked["image"] not in self._images:
            reason = {"reason": "ErrImagePull", "message": f"{asked['image']}: not found"}
            if pod["status"].get("containerStatuses") is None:
                self._tell(pod, {"waiting": reason})
            return
        before = self._running.get(pod["metadata"]["uid"])
        begun = _Running(pod, self._start(pod, asked, before), before)
        self._running[pod["metadata"]["uid"]] = begun
        self._tell(pod, {"running": {"startedAt": begun.started}})

    def _end(self, pod, running):
        metadata = pod["metadata"]
        if running is not None and running.container.exit_code is None:
            if running.killed_at is None:
                running.killed_at = time.monotonic() + metadata["deletionGracePeriodSeconds"]
                running.container.terminate()
            elif time.monotonic() > running.killed_at:
                running.container.kill()
            return
        if running is not None and pod["status"]["phase"] == "Running":
            self._tell(pod, running.ended())
        now = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        self._server.ask("DELETE", f"{CORE}pods/{metadata['name']}", now)

    def _tell(self, pod, state):
        [asked] = pod["spec"]["containers"]
        phase = "Running" if "running" in state else "Pending"
        if "terminated" in state:
            phase = "Failed" if state["terminated"]["exitCode"] else "Succeeded"
        running = self._running.get(pod["metadata"]["uid"])
        told = {
            "name": asked["name"],
            "image": asked["image"],
            "imageID": "",
            "ready": phase == "Running",
            "restartCount": running.restarts if running else 0,
            "state": state,
        }
        status = {
            "phase": phase,
            "conditions": [{"type": each, "status": str(each in _HOLDS[phase])} for each in _CONDITIONS],
            "containerStatuses": [told],
            "startTime": now_text(),
        }
        self._server.ask("PATCH", f"{CORE}pods/{pod['metadata']['name']}/status", {"status": status})

    # ---- the container ----

    def _start(self, pod, asked, before):
        security = pod["spec"].get("securityContext", {}) | asked.get("securityContext", {})
        folder = self._folder / pod["metadata"]["uid"]
        if before is None:
            folder.mkdir()
        environment = _environment(pod, asked)
        words = [each.replace("$$", "$") for each in asked.get("command") or self._images[asked["image"]]]
        return container.start(
            [*words, *asked.get("args", [])],
            folder=folder / str(before.restarts + 1 if before else 0),
            mounts=[*self._mounts(pod, asked, folder)],
            user=security.get("runAsUser", _ANYONE),
            group=security.get("runAsGroup", _ANYONE),
            environment={
                "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                "KUBERNETES_SERVICE_PORT": self._server.port,
                **environment,
            },
            working_folder=asked.get("workingDir", "/"),
            read_only=security.get("readOnlyRootFilesystem", False),
        )

    def _mounts(self, pod, asked, folder):
        volumes = {each["name"]: each for each in pod["spec"].get("volumes", [])}
        for mount in asked.get("volumeMounts", []):
            source = self._volume(pod, volumes[mount["name"]], folder) / mount.get("subPath", "")
            yield source, mount["mountPath"], "ro" if mount.get("readOnly") else "rw"

    def _volume(self, pod, volume, folder):
        """Make a volume, or find it where it was made."""
        if "persistentVolumeClaim" in volume:
            claim = self.claims / volume["persistentVolumeClaim"]["claimName"]
            if not claim.exists():
                claim.mkdir()
                shutil.chown(claim, group=pod["spec"]["securityContext"]["fsGroup"])
                claim.chmod(0o2775)
            return claim
        made = folder / volume["name"]
        if not made.exists():
            made.mkdir()
            made.chmod(0o777)
            for name, text in self._files(pod, volume):
                (made / name).write_text(text)
        return made

    def _files(self, pod, volume):
        if "configMap" in volume:
            found = self._server.ask("GET", f"{CORE}configmaps/{volume['configMap']['name']}")
            yield from found["data"].items()
        elif "projected" in volume:  # the service account's, which the API server puts into each pod
            spec = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"]}}
            account = f"{CORE}serviceaccounts/{pod['spec']['serviceAccountName']}"
            yield "token", self._server.ask("POST", f"{account}/token", {"spec": spec})["status"]["token"]
            yield "ca.crt", self._server.place.authorities.read_text()
            yield "namespace", NAMESPACE
        else:
            assert "emptyDir" in volume, volume


class _Running:
    """A pod's container. `killed_at`: when it is, being deleted."""

    def __init__(self, pod, started, before):
        self.name = pod["metadata"]["name"]
        self.container = started
        self.started = now_text()
        self.restarts = before.restarts + 1 if before else 0
        self.killed_at = None

    def ended(self):
        code = self.container.exit_code
        reason = "Error" if code else "Completed"
        return {
            "terminated": {
                "exitCode": code,
                "reason": reason,
                "startedAt": self.started,
                "finishedAt": now_text(),
            }
        }


class _LogServer(ThreadingHTTPServer):
    daemon_threads = True


class _Logs(BaseHTTPRequestHandler):
    """GET /containerLogs/NAMESPACE/POD/CONTAINER: what it wrote, and what it writes until it has ended."""

    def do_GET(self):
        kubelet = self.server.kubelet
        pod = kubelet.pod(self.path.partition("?")[0].split("/")[3])
        if not kubelet.tells_logs or pod is None:
            return self.send_error(500 if pod else 404)
        self.send_response(200)
        self.end_headers()
        with pod.container.log_path.open("rb") as written:
            while True:
                over = pod.container.exit_code is not None
                self.wfile.write(written.read())
                self.wfile.flush()
                if over:
                    return None
                time.sleep(POLL_SECONDS)

    def log_message(self, *_):
        """Nobody asks for it."""


def _environment(pod, asked):
    """The variables that a container is given, with those before in place of $(NAME)."""
    found = {}
    for each in asked.get("env", []):
        value = each.get("value", "")
        if "valueFrom" in each:
            assert each["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
            value = pod["metadata"]["name"]
        found[each["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], value)
    return found


def now_text():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
