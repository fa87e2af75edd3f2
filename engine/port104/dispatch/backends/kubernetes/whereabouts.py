"""What port104's own pod has that a Job's needs too: the volume of the storage folder, or the image.

It is read off the pod itself: what a setting would say could contradict it.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from port104.cluster.api_server import ApiServer
from port104.cluster.collection import CLAIMS, PODS
from port104.cluster.resources import OwnerReference, Resource
from port104.errors import Port104Error

_ANYWHERE = "ReadWriteMany"
_ONE_NODE = "ReadWriteOnce"


class NoWayError(Port104Error):
    """A Job's pod cannot have the payload; the text says why, and what to do."""


class Whereabouts(msgspec.Struct, frozen=True):
    """`claim`: of the volume; `path`: of the storage folder in it.

    `node`: where alone the volume can be mounted; None: anywhere. `owner`: with what Jobs go; None: nothing.
    """

    claim: str
    path: PurePosixPath
    node: str | None
    owner: OwnerReference | None


class OwnImage(msgspec.Struct, frozen=True):
    """Of port104: `image`, how it is pulled, and the names of the Secrets for that. `owner`: as above."""

    image: str
    pull_policy: str
    pull_secrets: tuple[str, ...]
    owner: OwnerReference | None


class _Mount(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    mount_path: str
    sub_path: str = ""
    sub_path_expr: str = ""


class _Container(msgspec.Struct, frozen=True, rename="camel"):
    volume_mounts: tuple[_Mount, ...] = ()
    image: str = ""
    image_pull_policy: str = ""


class _Claim(msgspec.Struct, frozen=True, rename="camel"):
    claim_name: str = ""


class _Volume(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    persistent_volume_claim: _Claim | None = None


class _PullSecret(msgspec.Struct, frozen=True):
    name: str = ""


class _Pod(msgspec.Struct, frozen=True, rename="camel"):
    containers: tuple[_Container, ...] = ()
    image_pull_secrets: tuple[_PullSecret, ...] = ()
    volumes: tuple[_Volume, ...] = ()
    node_name: str = ""


class _ClaimStatus(msgspec.Struct, frozen=True, rename="camel"):
    access_modes: tuple[str, ...] = ()


async def look_round(server: ApiServer, pod_name: str, root: Path) -> Whereabouts:
    """Find out where the storage folder `root` of our own pod is. Raises NoWayError, ClusterError."""
    pod = await server.read(PODS, pod_name)
    spec = _read(pod.spec, _Pod)
    claim, path = place_of(spec, root)
    modes = _read((await server.read(CLAIMS, claim)).spec, _ClaimStatus).access_modes
    return Whereabouts(claim, path, _node_for(claim, modes, spec.node_name), owner_of(pod))


async def look_at_image(server: ApiServer, pod_name: str, root: Path, given: str | None) -> OwnImage:
    """Find out which image our own container is of: the one that has `root`, or the only one.

    `given`: the one to take instead. Raises NoWayError, ClusterError.
    """
    pod = await server.read(PODS, pod_name)
    spec = _read(pod.spec, _Pod)
    secrets = tuple(each.name for each in spec.image_pull_secrets if each.name)
    if given is not None:
        return OwnImage(given, "", secrets, owner_of(pod))
    ours = [each for each in spec.containers if any(_holds(mount, root) for mount in each.volume_mounts)]
    found = (ours or list(spec.containers))[:2]
    if len(found) != 1 or not found[0].image:
        raise NoWayError(
            "which image port104 itself is of cannot be seen in its pod: name it (jobs.transfer.image)"
        )
    return OwnImage(found[0].image, found[0].image_pull_policy, secrets, owner_of(pod))


def place_of(pod: _Pod, root: Path) -> tuple[str, PurePosixPath]:
    """Find the claim that a pod has `root` from, and the path there. Raises NoWayError."""
    mounts = [each for container in pod.containers for each in container.volume_mounts if _holds(each, root)]
    if not mounts:
        raise NoWayError(f"the storage folder {root} is on no volume of this pod: {_CLAIM_NEEDED}")
    mount = max(mounts, key=lambda each: len(PurePosixPath(each.mount_path).parts))
    if mount.sub_path_expr:
        raise NoWayError(
            f"the volume {mount.name} is mounted by subPathExpr, of which port104 cannot know what it is: use"
            " subPath, or a folder below the mount (storage.temporary)"
        )
    volume = next((each for each in pod.volumes if each.name == mount.name), None)
    if volume is None or volume.persistent_volume_claim is None:
        raise NoWayError(f"the volume {mount.name} of the storage folder is no claim: {_CLAIM_NEEDED}")
    below = root.relative_to(mount.mount_path)
    return volume.persistent_volume_claim.claim_name, PurePosixPath(mount.sub_path) / below


_CLAIM_NEEDED = "the pods of Jobs can only share a PersistentVolumeClaim, as the chart makes one"


def _holds(mount: _Mount, root: Path) -> bool:
    return root.is_relative_to(mount.mount_path)


def _node_for(claim: str, modes: tuple[str, ...], node: str) -> str | None:
    """Where pods must be that share the claim; None: anywhere. Raises NoWayError."""
    if _ANYWHERE in modes:
        return None
    if _ONE_NODE in modes and node:
        return node
    raise NoWayError(
        f"the claim {claim} is for one pod alone ({', '.join(modes) or 'no access mode'}): Jobs need one"
        f" that is {_ANYWHERE}, or {_ONE_NODE} for Jobs on the same node"
    )


def owner_of(pod: Resource) -> OwnerReference | None:
    """With what Jobs are to go: the StatefulSet, which stays where its pods come and go."""
    owners = pod.metadata.owner_references
    return next((each for each in owners if each.controller and each.kind == "StatefulSet"), None)


def _read(document: Any, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as fault:
        raise NoWayError(
            f"the API server describes this pod in a way that port104 does not know: {fault}"
        ) from fault
