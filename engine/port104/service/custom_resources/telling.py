"""What is written into a custom resource's status, and told as an Event. Sans-IO.

Conditions are those of Kubernetes' API conventions, `meta/v1 Condition`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from port104.cluster.resources import API_VERSION, Resource
from port104.service.custom_resources.judging import Verdict

ACCEPTED = "Accepted"
"""The type of the condition: whether the newest spec holds."""
_LONGEST_MESSAGE = 1000
"""Characters: the API server takes an Event of 1024."""


def time_text(now: float) -> str:
    """Write Unix time as Kubernetes does: RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(
    verdict: Verdict, warnings: tuple[str, ...], resource: Resource, now: float
) -> dict[str, Any] | None:
    """Write the status; None: it stands there already. `warnings`: what the entry lacks."""
    before = _condition_in(resource.status)
    condition = {
        "type": ACCEPTED,
        "status": "True" if verdict.accepted else "False",
        "reason": verdict.reason,
        "message": _short("; ".join((verdict.message, *warnings))),
        "observedGeneration": resource.metadata.generation,
    }
    if all(before.get(key) == value for key, value in condition.items()):
        return None
    same = before.get("status") == condition["status"]
    since = before.get("lastTransitionTime") if same else None
    return {"conditions": [{**condition, "lastTransitionTime": since or time_text(now)}]}


def event_of(verdict: Verdict, kind: str, namespace: str, resource: Resource, now: float) -> dict[str, Any]:
    """Write the Event (core/v1) that tells why a resource does not hold."""
    metadata = resource.metadata
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata.name}.", "namespace": namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": kind,
            "namespace": namespace,
            "name": metadata.name,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "type": "Warning",
        "reason": verdict.reason,
        "message": _short(verdict.message),
        "source": {"component": "port104"},
        "firstTimestamp": time_text(now),
        "lastTimestamp": time_text(now),
        "count": 1,
    }


def _condition_in(status: Any) -> Mapping[str, Any]:
    """Find ours in a status, which somebody else may have written."""
    found = status.get("conditions") if isinstance(status, dict) else None
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict) and each.get("type") == ACCEPTED:
            return each
    return {}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."
