"""Where objects of one kind are at the API server, and which of them are meant.

The paths are those of Kubernetes' API reference, below the namespace.
"""

import msgspec

from port104.cluster.resources import API_VERSION


class Collection(msgspec.Struct, frozen=True):
    """`api`: the version's path; `plural`: the kind's; `selector`: the labels that are asked for."""

    plural: str
    api: str
    selector: str = ""

    def selected(self, **labels: str) -> "Collection":
        """Those that have all these labels; names that a keyword cannot have go in by `**{...}`."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return msgspec.structs.replace(self, selector=selector)

    def path(self, namespace: str) -> str:
        """Where they are asked for."""
        return f"{self.api}/namespaces/{namespace}/{self.plural}"


def custom(plural: str) -> Collection:
    """Those of port104's own definitions."""
    return Collection(plural, f"/apis/{API_VERSION}")


JOBS = Collection("jobs", "/apis/batch/v1")
PODS = Collection("pods", "/api/v1")
CLAIMS = Collection("persistentvolumeclaims", "/api/v1")
EVENTS = Collection("events", "/api/v1")
