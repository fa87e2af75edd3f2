"""A real API server of Kubernetes on Debian's etcd, with rights and admission as clusters have them.

`make cluster-check` builds it, from the module in tests/cluster/kubernetes.
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

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from engine_process import free_port
from port104.cluster.place import Place
from stub_api_server import BASE, KINDS

SECONDS = 30
NAMESPACE = "imaging"
DEFINITIONS = Path(__file__).parents[1] / "charts" / "port104" / "crds"
_PATCH = "application/merge-patch+json"
_DEFINED = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ADMIN = "admin"


class RefusedError(Exception):
    """What the server answered; `status`: by HTTP."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class ApiServerProcess:
    """etcd and the server. Use it in a with statement; `folder` is made and removed.

    Its namespace admits only what the Pod Security Standard "restricted" does. `authority`: signs the
    certificates of kubelets.
    """

    def __init__(self, program, folder):
        self._program = program
        self._folder = folder
        self._etcd = self._process = None
        self._etcd_port, self.port = free_port(), free_port()
        self._names = map("{}".format, itertools.count())
        self.authority = trustme.CA()

    @property
    def place(self):
        """Where it is, for who may do everything."""
        authorities = self._folder / "certs" / "apiserver.crt"
        return Place(f"https://127.0.0.1:{self.port}", NAMESPACE, self._folder / "token", authorities)

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
        self._wait(self._serves_all)
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": restricted}})
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
            *("--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none"),
            *("--service-cluster-ip-range", "10.0.0.0/24"),
            *("--authorization-mode", "RBAC", "--token-auth-file", self._folder / "tokens"),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-account-key-file", self._folder / "accounts.pem"),
            *("--service-account-signing-key-file", self._folder / "accounts.pem"),
            *("--kubelet-certificate-authority", self._folder / "kubelets.pem"),
            # Beside those that every cluster has, as PodSecurity: who may say what a Job belongs to.
            *("--enable-admission-plugins", "OwnerReferencesPermissionEnforcement"),
        )
        self._wait(lambda: self._answers(_DEFINED))
        self._wait(self._serves_all)

    def stop(self):
        """Kill it; what it said stays in etcd."""
        self._process.kill()
        self._process.wait()

    def _prepare(self):
        """Write the files that its options name."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self._folder / "accounts.pem").write_bytes(pem)
        (self._folder / "token").write_text(_ADMIN)
        (self._folder / "tokens").write_text(f"{_ADMIN},admin,admin,system:masters\n")
        self.authority.cert_pem.write_to_path(self._folder / "kubelets.pem")

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
            self.ask("PATCH", f"{BASE}{plural}/{name}", {"spec": spec})
        except RefusedError as refusal:
            if refusal.status != 404:
                raise
            self.ask("POST", BASE + plural, made)

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
                "Authorization": f"Bearer {_ADMIN}",
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

    def _serves_all(self):
        """Whether it serves what is defined: a moment after it was, and after it itself has come up."""
        defined = self.ask("GET", _DEFINED)["items"]
        return all(self._answers(BASE + each["spec"]["names"]["plural"]) for each in defined)

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
