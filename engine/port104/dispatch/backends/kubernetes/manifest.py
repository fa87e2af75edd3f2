"""The Job of an attempt, as the API server is given it (`batch/v1 Job`). Sans-IO.

Rules that this room keeps:
- what an entry says comes into values alone, and never into what tells Jobs apart or where the payload is:
  names, labels, the owner and all volumes' names are made here;
- the container has no privilege, and no more rights on the volume than port104 itself;
- it sees the instances and the manifest read-only, may write to `output/`, and sees no other run.
"""

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from port104.dispatch.backends.kubernetes.labels import annotations_of, labels_of, name_of
from port104.dispatch.backends.kubernetes.steps import (
    ByObjects,
    annotations_of_steps,
    deliver_step,
    fetch_step,
    volumes_of_steps,
)
from port104.dispatch.backends.kubernetes.whereabouts import Whereabouts
from port104.dispatch.backends.variables import variables_of
from port104.dispatch.payload import INSTANCES, MANIFEST, OUTPUT, RUNS
from port104.jobs.ledger.runs import Run
from port104.registry.entries import Pipeline
from port104.registry.job_templates import PAYLOAD, JobTemplate, JobVolume, Toleration

CONTAINER = "pipeline"
_PAYLOAD_VOLUME = "payload"
# As long as the end of a Job may wait for an engine that is away; once it was seen, the entry says how long.
_UNSEEN_SECONDS = 7 * 86_400
# Between SIGTERM and SIGKILL, as commands have it.
_GRACE_SECONDS = 10

Manifest = dict[str, Any]


class Order(msgspec.Struct, frozen=True):
    """What a Job is made of. `engine`: name of our storage folder; `seconds`: how long it may take.

    `user`, `group`: whose the payload is.
    """

    run: Run
    pipeline: Pipeline
    template: JobTemplate
    at: Whereabouts | ByObjects
    engine: str
    seconds: float | None
    user: int
    group: int


def job_of(order: Order) -> Manifest:
    """Write the Job of an attempt."""
    run, owner = order.run, order.at.owner
    labels = labels_of(run, order.engine)
    metadata: Manifest = {"name": name_of(run), "labels": labels, "annotations": annotations_of(run)}
    if owner is not None:
        # It is no controller of ours, and what blocks its deletion would need a right of its own.
        reference = {
            "apiVersion": owner.api_version,
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
        }
        metadata["ownerReferences"] = [reference]
    spec: Manifest = {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": 0,  # port104 itself tries again, in an attempt of its own
        "ttlSecondsAfterFinished": _UNSEEN_SECONDS,
        "template": {
            "metadata": {"labels": labels, "annotations": annotations_of(run) | _own_annotations(order)},
            "spec": _pod(order),
        },
    }
    if order.seconds is not None:
        spec["activeDeadlineSeconds"] = max(1, math.ceil(order.seconds))
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _pod(order: Order) -> Manifest:
    template = order.template
    pod: Manifest = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "enableServiceLinks": False,
        "automountServiceAccountToken": bool(template.service_account_name),
        "securityContext": {
            "runAsUser": order.user,
            "runAsGroup": order.group,
            "runAsNonRoot": order.user != 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **_steps(order),
        "volumes": [
            *_payload_volumes(order),
            *({"name": _volume_name(n), **_source(each)} for n, each in enumerate(template.volumes)),
        ],
        "nodeSelector": dict(template.node_selector),
        "tolerations": [*map(_toleration, template.tolerations)],
        "imagePullSecrets": [{"name": each} for each in _pull_secrets(order)],
        "serviceAccountName": template.service_account_name,
        "runtimeClassName": template.runtime_class_name,
        "priorityClassName": template.priority_class_name,
    }
    if isinstance(order.at, Whereabouts) and order.at.node is not None:
        pod["affinity"] = _on_node(order.at.node)
    return _said(pod)


def _steps(order: Order) -> Manifest:
    """Its containers, in turn where there are several (steps.py)."""
    at = order.at
    if isinstance(at, Whereabouts):
        return {"containers": [_container(order)]}
    return {
        "initContainers": [fetch_step(at, _PAYLOAD_VOLUME), _container(order)],
        "containers": [deliver_step(at, _PAYLOAD_VOLUME)],
    }


def _payload_volumes(order: Order) -> list[Manifest]:
    at = order.at
    if isinstance(at, Whereabouts):
        return [{"name": _PAYLOAD_VOLUME, "persistentVolumeClaim": {"claimName": at.claim}}]
    room = _said({"sizeLimit": order.template.payload_size})
    return [{"name": _PAYLOAD_VOLUME, "emptyDir": room}, *volumes_of_steps(at)]


def _own_annotations(order: Order) -> dict[str, str]:
    return annotations_of_steps(order.at) if isinstance(order.at, ByObjects) else {}


def _pull_secrets(order: Order) -> list[str]:
    own = order.at.own.pull_secrets if isinstance(order.at, ByObjects) else ()
    return [*dict.fromkeys((*order.template.image_pull_secrets, *own))]


def _container(order: Order) -> Manifest:
    template = order.template
    resources = _said({"requests": dict(template.requests), "limits": dict(template.limits)})
    return _said(
        {
            "name": CONTAINER,
            "image": template.image,
            "imagePullPolicy": template.image_pull_policy,
            "command": [*template.command],
            "args": [*template.args],
            "workingDir": PAYLOAD,
            "env": [{"name": name, "value": value} for name, value in _environment(order).items()],
            "resources": resources,
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [*_payload_mounts(order), *_own_mounts(template)],
        }
    )


def _environment(order: Order) -> dict[str, str]:
    """Its own variables cannot take the place of those that describe the run."""
    # The user is none that the image knows, and its home would be /, where nothing can be written.
    return {
        "HOME": "/tmp",  # noqa: S108 - of the container
        **order.pipeline.environment,
        **variables_of(order.run, PurePosixPath(PAYLOAD)),
    }


def _payload_mounts(order: Order) -> Iterator[Manifest]:
    """Three parts of the payload's folder, side by side: a mount within another is not ordered everywhere."""
    folder = PurePosixPath()
    if isinstance(order.at, Whereabouts):
        folder = order.at.path / RUNS / order.run.id / str(order.run.attempt)
    for name in (INSTANCES, MANIFEST, OUTPUT):
        mount = {"name": _PAYLOAD_VOLUME, "mountPath": f"{PAYLOAD}/{name}", "subPath": str(folder / name)}
        yield mount if name == OUTPUT else mount | {"readOnly": True}


def _own_mounts(template: JobTemplate) -> Iterator[Manifest]:
    for number, each in enumerate(template.volumes):
        mount = {
            "name": _volume_name(number),
            "mountPath": each.mount_path,
            "subPath": each.sub_path,
            "readOnly": each.read_only or bool(each.secret or each.config_map),
        }
        yield _said(mount)


def _volume_name(number: int) -> str:
    return f"volume-{number}"


def _source(volume: JobVolume) -> Manifest:
    if volume.claim:
        return {"persistentVolumeClaim": {"claimName": volume.claim}}
    if volume.secret:
        return {"secret": {"secretName": volume.secret}}
    if volume.config_map:
        return {"configMap": {"name": volume.config_map}}
    if volume.memory:
        return {"emptyDir": {"medium": "Memory", "sizeLimit": volume.memory}}
    return {"emptyDir": {"sizeLimit": volume.scratch}}


def _toleration(each: Toleration) -> Manifest:
    made = _said({"key": each.key, "operator": each.operator, "value": each.value, "effect": each.effect})
    if each.toleration_seconds is not None:
        made["tolerationSeconds"] = each.toleration_seconds
    return made


def _on_node(name: str) -> Manifest:
    """By its field: a node's label may have another value, and `nodeName` would pass by the scheduler."""
    field = {"key": "metadata.name", "operator": "In", "values": [name]}
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [field]}]
            }
        }
    }


def _said(document: Manifest) -> Manifest:
    """Leave out what is empty; false says something, but where it is what holds anyway."""
    return {key: value for key, value in document.items() if value not in ("", [], {})}
