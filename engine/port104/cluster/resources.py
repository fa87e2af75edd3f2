"""Objects of the API server and what a watch says of them, as it writes them (JSON).

Only what port104 looks at is read; what else stands in an object is passed over.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

GROUP = "port104.io"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"


class OwnerReference(msgspec.Struct, frozen=True, rename="camel"):
    """What an object belongs to, and goes with. `controller`: whether that one made it."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """`uid` is another where a resource was deleted and created again; `generation` grows with its spec."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    """RFC 3339, UTC: such texts sort as the times do."""
    deletion_timestamp: str | None = None
    """Since when it is being deleted."""
    annotations: Mapping[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()


class Resource(msgspec.Struct, frozen=True):
    """One object. `spec` is whatever somebody wrote; `status` whatever an engine or controller did."""

    metadata: Metadata
    spec: Any = None
    status: Any = None


class ListMetadata(
    msgspec.Struct, frozen=True, rename={"resource_version": "resourceVersion", "more": "continue"}
):
    """`resource_version`: from which to watch on; `more`: asks for the next page, empty: there is none."""

    resource_version: str = ""
    more: str = ""


class Listing(msgspec.Struct, frozen=True):
    """One page of a list."""

    metadata: ListMetadata
    items: tuple[Resource, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """One line of a watch. A bookmark has no more than a resource version."""

    kind: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    resource: Resource
