"""A real control plane of Kubernetes: kube-apiserver, with rights and admission, and the controllers.

`make cluster-check` builds both from the module in tests/cluster/kubernetes. There is no scheduler and no
node: `kubelet.py` plays these.
"""

import re

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from api_server_process import NAMESPACE, ApiServerProcess
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
_ADMIN = "admin"
_CLIENT = """
apiVersion: v1
kind: Config
clusters:
  - {{name: here, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: "{authority}"}}}}
contexts: [{{name: here, context: {{cluster: here, user: admin}}}}]
users: [{{name: admin, user: {{token: {token}}}}}]
current-context: here
"""


class ControlPlane(ApiServerProcess):
    """Use it in a with statement. `authority`: signs the certificates of kubelets."""

    def __init__(self, programs, folder):
        """`programs`: the folder that they were built into."""
        super().__init__(programs / "kube-apiserver", folder)
        self._manager_program = programs / "kube-controller-manager"
        self._manager = None
        self._headers = {"Authorization": f"Bearer {_ADMIN}"}
        self.authority = trustme.CA()

    def __enter__(self):
        super().__enter__()
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": restricted}})
        self._manager = self._started(
            self._manager_program,
            *("--kubeconfig", self._folder / "kubeconfig", "--leader-elect=false"),
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

    def _prepare(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self._folder / "accounts.pem").write_bytes(pem)
        (self._folder / "tokens").write_text(f"{_ADMIN},admin,admin,system:masters\n")
        self.authority.cert_pem.write_to_path(self._folder / "kubelets.pem")
        client = _CLIENT.format(port=self.port, authority=self.place.authorities, token=_ADMIN)
        (self._folder / "kubeconfig").write_text(client)

    def _options(self):
        return [
            *("--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none"),
            *("--service-cluster-ip-range", "10.0.0.0/24"),
            *("--authorization-mode", "RBAC", "--token-auth-file", self._folder / "tokens"),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-account-key-file", self._folder / "accounts.pem"),
            *("--service-account-signing-key-file", self._folder / "accounts.pem"),
            *("--kubelet-certificate-authority", self._folder / "kubelets.pem"),
            # Beside those that every cluster has, as PodSecurity: who may say what a Job belongs to.
            *("--enable-admission-plugins", "OwnerReferencesPermissionEnforcement"),
        ]

    # ---- what users do ----

    def install(self, manifests, query=""):
        """As kubectl apply does it the first time. Raises RefusedError."""
        for each in manifests:
            self.ask("POST", f"{_path_of(each)}?fieldValidation=Strict{query}", each)

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
