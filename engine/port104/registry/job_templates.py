"""What a pipeline that is a Job of a Kubernetes cluster says of it, in the terms of `batch/v1` and `core/v1`.

What is not here is port104's own to say: names, labels, the owner, where the payload is mounted, whose
rights the container has.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

PAYLOAD = "/payload"
"""Where a container finds the run: no volume of its own is mounted there."""


class JobVolume(msgspec.Struct, frozen=True, kw_only=True):
    """What a container finds at a path.

    One of `claim`, `secret`, `config_map`, `scratch` and `memory` says what that is.
    """

    mount_path: str
    sub_path: str = ""
    """The part of the volume that is seen; empty: all of it."""
    read_only: bool = False
    claim: str = ""
    """Name of a PersistentVolumeClaim."""
    secret: str = ""
    config_map: str = ""
    scratch: str = ""
    """Quantity: room on the node's disk, empty at first and gone with the Job."""
    memory: str = ""
    """The same in memory, which counts against the container's limit."""


class Toleration(msgspec.Struct, frozen=True, kw_only=True):
    """A taint of nodes that a Job puts up with (`core/v1 Toleration`)."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class JobTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """The one container of a Job, and where it may run."""

    image: str
    payload: Literal["volume", "objectStore"] = "volume"
    """How its pod has the payload, and where its output goes: port104's own volume, or the object store."""
    payload_size: str = ""
    """Quantity: room for both on the node's disk, where they come by the object store; empty: no limit."""
    command: tuple[str, ...] = ()
    """Instead of the image's entry point; empty: that."""
    args: tuple[str, ...] = ()
    """Instead of the image's arguments; empty: those."""
    requests: Mapping[str, str] = {}
    """Resource -> quantity that is set aside for it."""
    limits: Mapping[str, str] = {}
    """Resource -> quantity that it may use: `memory`, `cpu`, `nvidia.com/gpu`."""
    volumes: tuple[JobVolume, ...] = ()
    node_selector: Mapping[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    service_account_name: str = ""
    """Whose token it gets; empty: it gets none."""
    image_pull_secrets: tuple[str, ...] = ()
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    runtime_class_name: str = ""
    priority_class_name: str = ""
    ttl_seconds_after_finished: int = 3600
    """Seconds that the Job stays once port104 has seen its end."""
