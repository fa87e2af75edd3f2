"""A real API server of Kubernetes that serves custom resources, on Debian's etcd.

`make api-server-check` builds it: apiserver/main.go in tests/cluster.
"""

import itertools
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from engine_process import free_port
from port104.cluster.place import Place
from stub_api_server import BASE, KINDS

SECONDS = 30
NAMESPACE = "imaging"
DEFINITIONS = Path(__file__).parents[1] / "charts" / "port104" / "crds"
_PATCH = "application/merge-patch+json"
_DEFINED = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# It asks a cluster around it for services, and can do without.
_ALONE = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {}}]
current-context: none
"""


class RefusedError(Exception):
    """What the server answered; `status`: by HTTP."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class ApiServerProcess:
    """etcd and the server. Use it in a with statement; `folder` is made and removed."""

    def __init__(self, program, folder):
        self._program = program
        self._folder = folder
        self._etcd = self._process = None
        self._etcd_port, self.port = free_port(), free_port()
        self._names = map("{}".format, itertools.count())
        self._headers = {}

    @property
    def place(self):
        return Place(
            f"https://127.0.0.1:{self.port}", NAMESPACE, None, self._folder / "certs" / "apiserver.crt"
        )

    def __enter__(self):
        self._folder.mkdir()
        self._prepare()
        store, peers = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        self._etcd = self._started(
            "etcd",
            *("--data-dir", self._folder / "etcd", "--unsafe-no-fsync"),
            *("--listen-client-urls", store, "--advertise-client-urls", store),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
        )
        self.start()
        for path in sorted(DEFINITIONS.glob("*.yaml")):
            self.ask("POST", _DEFINED, yaml.safe_load(path.read_text()))
        self._wait(lambda: all(self._serves(plural) for plural in KINDS))
        return self

    def __exit__(self, *_):
        self.stop()
        self._etcd.kill()
        self._etcd.wait()
        shutil.rmtree(self._folder)

    def start(self):
        """Start it again, on the same port, with what etcd has."""
        self._process = self._started(
            self._program,
            *("--etcd-servers", f"http://127.0.0.1:{self._etcd_port}"),
            *("--bind-address", "127.0.0.1", "--secure-port", str(self.port)),
            *("--cert-dir", self._folder / "certs"),
            *self._options(),
        )
        self._wait(lambda: self._answers(_DEFINED))

    def stop(self):
        """Kill it; what it said stays in etcd."""
        self._process.kill()
        self._process.wait()

    def _prepare(self):
        """Write the files that its options name."""
        (self._folder / "kubeconfig").write_text(_ALONE)

    def _options(self):
        """Words of its command line, besides those of every API server."""
        return ["--kubeconfig", self._folder / "kubeconfig"]

    # ---- what users do ----

    def apply(self, plural, name, spec):
        """As kubectl apply. Raises RefusedError."""
        made = {
            "apiVersion": "port104.io/v1",
            "kind": KINDS[plural],
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        }
        try:
            made["metadata"] = self.read(plural, name)["metadata"]
        except RefusedError:
            self.ask("POST", BASE + plural, made)
        else:
            self.ask("PUT", f"{BASE}{plural}/{name}", made)

    def delete(self, plural, name):
        self.ask("DELETE", f"{BASE}{plural}/{name}")

    def read(self, plural, name):
        return self.ask("GET", f"{BASE}{plural}/{name}")

    def condition(self, plural, name):
        """What its status says; nothing at first."""
        [condition] = self.read(plural, name).get("status", {}).get("conditions", [{}])
        return condition

    def table(self, plural):
        """As kubectl get shows it: {column: value} of each."""
        wanted = "application/json;as=Table;v=v1;g=meta.k8s.io"
        table = self.ask("GET", BASE + plural, accept=wanted)
        names = [column["name"] for column in table["columnDefinitions"]]
        return [dict(zip(names, row["cells"], strict=True)) for row in table["rows"]]

    def ask(self, method, path, body=None, accept="application/json"):
        request = urllib.request.Request(
            self.place.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": _PATCH if method == "PATCH" else "application/json",
                "Accept": accept,
                **self._headers,
            },
        )
        context = ssl.create_default_context(cafile=self.place.authorities)
        try:
            with urllib.request.urlopen(request, context=context, timeout=SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise RefusedError(refusal.code, refusal.read().decode()) from None

    # ---- whether it is there ----

    def _serves(self, plural):
        return self._answers(BASE + plural)

    def _answers(self, path):
        try:
            self.ask("GET", path)
        except (OSError, RefusedError):
            return False
        return True

    def _wait(self, condition):
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, "the API server does not come up"
            assert self._process.poll() is None, "the API server ended"
            time.sleep(0.05)

    def _started(self, *words):
        with (self._folder / f"log-{next(self._names)}").open("w") as log:
            return subprocess.Popen([*map(os.fspath, words)], stdout=log, stderr=log)
