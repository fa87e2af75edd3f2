"""A real control plane of Kubernetes: the API server and its controllers.

There is no scheduler and no node: `kubelet.py` plays these.
"""

import re

from api_server_process import NAMESPACE, ApiServerProcess, RefusedError
from engine_process import free_port

CORE = f"/api/v1/namespaces/{NAMESPACE}/"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
# What acts on what the chart and port104 make; the others are for what is not here.
_CONTROLLERS = (
    "garbage-collector-controller",
    "job-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
)
_CLIENT = """
apiVersion: v1
kind: Config
clusters:
  - {{name: here, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: "{authority}"}}}}
contexts: [{{name: here, context: {{cluster: here, user: admin}}}}]
users: [{{name: admin, user: {{tokenFile: "{token}"}}}}]
current-context: here
"""


class ControlPlane(ApiServerProcess):
    """Use it in a with statement."""

    def __init__(self, programs, folder):
        """`programs`: the folder that they were built into."""
        super().__init__(programs / "kube-apiserver", folder)
        self._manager_program = programs / "kube-controller-manager"
        self._manager = None

    def __enter__(self):
        super().__enter__()
        place, client = self.place, self._folder / "kubeconfig"
        client.write_text(_CLIENT.format(port=self.port, authority=place.authorities, token=place.token))
        self._manager = self._started(
            self._manager_program,
            *("--kubeconfig", client, "--leader-elect=false"),
            *("--bind-address", "127.0.0.1", "--secure-port", str(free_port())),
            *("--cert-dir", self._folder / "certs-of-controllers"),
            *("--service-account-private-key-file", self._folder / "accounts.pem"),
            *("--controllers", ",".join(_CONTROLLERS)),
        )
        self._wait(lambda: self._answers(f"{CORE}serviceaccounts/default"))
        return self

    def __exit__(self, *words):
        self._manager.kill()
        self._manager.wait()
        super().__exit__(*words)

    # ---- what users do ----

    def install(self, manifests, query=""):
        """As kubectl apply does it the first time. Raises RefusedError."""
        for each in manifests:
            self.ask("POST", f"{_path_of(each)}?fieldValidation=Strict{query}", each)

    def exists(self, path):
        try:
            self.ask("GET", path)
        except RefusedError as refusal:
            assert refusal.status == 404
            return False
        return True

    def jobs(self, **labels):
        """The Jobs that have these labels of port104."""
        selector = ",".join(f"port104.io/{name}={value}" for name, value in labels.items())
        return self.ask("GET", f"{JOBS}?labelSelector={selector}")["items"]

    def pods_of(self, job):
        selector = f"job-name={job['metadata']['name']}"
        return self.ask("GET", f"{CORE}pods?labelSelector={selector}")["items"]


def _path_of(manifest):
    """Where objects of its kind are made: for the kinds of the chart."""
    version, kind = manifest["apiVersion"], manifest["kind"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = re.sub("ys$", "ies", f"{kind.lower()}s")
    return f"{base}/namespaces/{NAMESPACE}/{plural}"
