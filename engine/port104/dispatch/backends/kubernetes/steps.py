"""The steps by which a Job's pod has its payload from the object store, and leaves its output there. Sans-IO.

    fetch      initContainer: makes the payload in a folder of the pod      (dispatch/transfer/fetching.py)
    pipeline   initContainer: that of the entry
    deliver    container: puts what is in output/ into the store            (dispatch/transfer/delivering.py)

A step begins once the one before it has ended well, with any Kubernetes; side-cars that do need 1.29.

Rules that this room keeps:
- the first and the last step alone have credentials for the store, and variables of nobody else;
- what the pipeline left is read-only to the last step.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from port104.cluster.resources import GROUP, OwnerReference
from port104.dispatch.backends.kubernetes.whereabouts import OwnImage
from port104.dispatch.payload import OUTPUT
from port104.dispatch.transfer.shelf import Shelf
from port104.registry.job_templates import PAYLOAD

FETCH, DELIVER = "fetch", "deliver"
AUTHORITIES = f"{GROUP}/authorities"
"""Annotation of a pod: certificates (PEM) that the store's may be signed by. A volume makes it a file."""
_VOLUME, _FOLDER, _FILE = "authorities", "/run/port104", "authorities.pem"
_SETTING = "PORT104_OBJECTSTORE__"
# For a moment of transfer each; of memory there are 16 MiB for each file under way, and parts of large ones.
_RESOURCES = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "512Mi"}}
_AT_ONCE = 4

Manifest = dict[str, Any]


class Access(msgspec.Struct, frozen=True):
    """What the steps are told of the store. `settings`: keys of `objectStore`, as variables end, and values.

    `secret`: with the access key; empty: none is given. `keys`: those of that and of its secret. `image`: of
    the steps; None: our own pod's. `authorities`: the file of certificates that our own pod has; None: none.
    """

    settings: Mapping[str, str]
    secret: str = ""
    keys: tuple[str, str] = ("accessKeyId", "secretAccessKey")
    image: str | None = None
    authorities: str | None = None


class Consignment(msgspec.Struct, frozen=True):
    """The manifest that an attempt has in the store: its size, and its SHA-256. `there`: all of it is."""

    size: int = 0
    sha256: str = ""
    there: bool = False


class ByObjects(msgspec.Struct, frozen=True):
    """What a pod must know to work by the store. `certificates`: what Access.authorities holds."""

    own: OwnImage
    access: Access
    shelf: Shelf
    consignment: Consignment
    certificates: str = ""

    @property
    def owner(self) -> OwnerReference | None:
        """With what Jobs go."""
        return self.own.owner


def fetch_step(at: ByObjects, volume: str) -> Manifest:
    """The container that makes the payload in that volume."""
    told = ["--size", str(at.consignment.size), "--sha256", at.consignment.sha256]
    return _step(at, FETCH, told, {"name": volume, "mountPath": PAYLOAD})


def deliver_step(at: ByObjects, volume: str) -> Manifest:
    """The container that takes output/ from there."""
    mount = {"name": volume, "mountPath": f"{PAYLOAD}/{OUTPUT}", "subPath": OUTPUT, "readOnly": True}
    return _step(at, DELIVER, [], mount)


def annotations_of_steps(at: ByObjects) -> dict[str, str]:
    """What their pod's annotations say."""
    return {AUTHORITIES: at.certificates} if at.certificates else {}


def volumes_of_steps(at: ByObjects) -> list[Manifest]:
    """What they need besides the payload."""
    if not at.certificates:
        return []
    item = {"path": _FILE, "fieldRef": {"fieldPath": f"metadata.annotations['{AUTHORITIES}']"}}
    return [{"name": _VOLUME, "downwardAPI": {"items": [item]}}]


def _step(at: ByObjects, name: str, told: list[str], mount: Manifest) -> Manifest:
    mounts = [mount]
    if at.certificates:
        mounts.append({"name": _VOLUME, "mountPath": _FOLDER, "readOnly": True})
    made: Manifest = {
        "name": name,
        "image": at.own.image,
        "command": ["port104", "payload", name, at.shelf.run, str(at.shelf.attempt), *told],
        "env": _environment(at),
        "resources": _RESOURCES,
        # Its last words are in its status then, also where its log is gone with the pod.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": mounts,
    }
    if at.own.pull_policy:
        made["imagePullPolicy"] = at.own.pull_policy
    return made


def _environment(at: ByObjects) -> list[Manifest]:
    settings = {**at.access.settings, "PARALLELREQUESTS": str(_AT_ONCE)}
    if at.certificates:
        settings["CERTIFICATEAUTHORITIES"] = f"{_FOLDER}/{_FILE}"
    said: list[Manifest] = [{"name": _SETTING + key, "value": value} for key, value in settings.items()]
    if at.access.secret:
        for setting, key in zip(("ACCESSKEYID", "SECRETACCESSKEY"), at.access.keys, strict=True):
            reference = {"secretKeyRef": {"name": at.access.secret, "key": key}}
            said.append({"name": _SETTING + setting, "valueFrom": reference})
    return said
