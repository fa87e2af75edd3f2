"""A cluster with port104 in it, as those who use it see it: modalities, operators, and kubectl."""

import contextlib
import json
import socket
import sys
import time

from chart.rendered import POD
from cluster.control_plane import JOBS
from port104.wire.command import Status
from sender import Sender, image

CLAIM = f"payloads-{POD}"
PORT104 = (sys.executable, "-m", "port104")
TOOL = "registry.example/tool:1"


class Site:
    """`port`: where port104 listens for DICOM."""

    def __init__(self, server, kubelet, port):
        self.server = server
        self.kubelet = kubelet
        self.port = port
        self.storage = kubelet.claims / CLAIM

    @property
    def engine(self):
        return self.kubelet.pod(POD).container

    def said(self, event, **facts):
        """What port104's newest container logged of that."""
        lines = (json.loads(line) for line in self.engine.log.splitlines() if line.startswith("{"))
        return [each for each in lines if each["event"] == event and facts.items() <= each.items()]

    def listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def until(self, condition, seconds=30):
        """Poll until it is so; returns what it said."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, self.engine.log
            time.sleep(0.05)
        return found

    def pipeline(self, name, script, *, image=TOOL, limit=60, concurrency=1, **template):
        """Apply a Pipeline and an AE title for it, and wait until both hold."""
        template = {"image": image, "command": ["sh", "-c", script], **template}
        spec = {"kubernetes": template, "timeLimit": limit, "retries": 0, "concurrency": concurrency}
        self.server.apply("pipelines", name, spec)
        settings = {"timeout": 1, f"pipeline-{name}": name}
        self.server.apply("localaes", name, {"aeTitle": name.upper(), "processorSettings": settings})
        for plural in ("pipelines", "localaes"):
            self.until(lambda of=plural: self.server.condition(of, name).get("status") == "True")

    def job(self, name):
        """Send a study to the AE title; returns the Job that is made of it."""
        self.send(name)
        return self.until(lambda: self.server.jobs(**{"ae-title": name.upper()}))[0]

    def send(self, name, studies=1):
        """Each study has two instances."""
        with Sender(self.port, called_ae_title=name.upper()) as sender:
            for study in range(1, studies + 1):
                for number in (1, 2):
                    instance = f"1.2.3.{study}.{number}"
                    sent = image(instance, b"pixels", study=f"1.2.3.{study}")
                    assert sender.store(instance, sent) == Status.SUCCESS
            sender.release()

    def attempt(self, job):
        """The folder of its run."""
        return self.storage / "runs" / job["metadata"]["annotations"]["port104.io/run"] / "1"

    def begun(self, job):
        """Wait until its container runs."""
        self.until(lambda: self.phases(job) == ["Running"])

    def phases(self, job):
        return [pod["status"]["phase"] for pod in self.server.pods_of(job)]

    def let(self, job):
        (self.attempt(job) / "output" / "go").touch()

    def ended(self, job):
        """Wait until port104 says that its run has not failed; returns what it says."""
        return self._said_of(job, "run ended")

    def failed(self, job):
        """Wait until port104 says that its run has; returns why."""
        return self._said_of(job, "run failed")["reason"]

    def _said_of(self, job, event):
        run = job["metadata"]["annotations"]["port104.io/run"]
        return self.until(lambda: self.said(event, run=run))[0]

    def gone(self, job):
        return not self.server.exists(f"{JOBS}/{job['metadata']['name']}") and self.phases(job) == []

    def cancel(self, job):
        """As with kubectl exec."""
        done = self.engine.run(*PORT104, "jobs", "cancel", job["metadata"]["annotations"]["port104.io/job"])
        assert done.returncode == 0, done.stderr
