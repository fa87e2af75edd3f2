"""Where the API server is, and who port104 is there: what Kubernetes puts into every pod.

Source: Kubernetes, "Accessing the Kubernetes API from a Pod".
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from port104.errors import ConfigurationError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


class Place(msgspec.Struct, frozen=True):
    """`url`: of the API server, without a path; `namespace`: the pod's own.

    `token`: file with the bearer token, which Kubernetes writes anew before it expires; `authorities`: file
    with the certificates that the API server's is checked by. None: it needs none.
    """

    url: str
    namespace: str
    token: Path | None = None
    authorities: Path | None = None


def in_cluster(environ: Mapping[str, str]) -> bool:
    """Whether this is a pod of Kubernetes."""
    return bool(environ.get(_HOST))


def place_from(environ: Mapping[str, str], setting: str, account: Path = SERVICE_ACCOUNT) -> Place | None:
    """Find the API server for what `setting` asks for; None: this is no pod. Waits for the disk.

    Raises ConfigurationError where the pod has no service account's token.
    """
    if not in_cluster(environ):
        return None
    host = environ[_HOST]
    host = f"[{host}]" if ":" in host else host
    try:
        namespace = (account / "namespace").read_text("ascii").strip()
    except (OSError, UnicodeError) as failure:
        raise ConfigurationError(
            f"{setting}: {account}/namespace cannot be read ({failure}): let the pod have its service"
            f" account's token (automountServiceAccountToken: true), or set {setting} to false"
        ) from failure
    return Place(
        f"https://{host}:{environ.get(_PORT) or '443'}", namespace, account / "token", account / "ca.crt"
    )
