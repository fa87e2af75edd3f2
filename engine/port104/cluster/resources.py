"""Custom resources and what a watch says of them, as the API server writes them (JSON).

Only what port104 looks at is read; what else stands in an object is passed over.
"""

from typing import Any, Literal

import msgspec

GROUP = "port104.io"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """`uid` is another where a resource was deleted and created again; `generation` grows with its spec."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    """RFC 3339, UTC: such texts sort as the times do."""


class Resource(msgspec.Struct, frozen=True):
    """One custom resource. `spec` is whatever somebody wrote; `status` whatever an engine did."""

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
