"""What the shells of this package ask of the rest; the service passes it in.

Neither the registry nor the storage is known here, only these shapes.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from port104.native import Completion, Link
from port104.wire.negotiation import NegotiationPolicy
from port104.wire.pdu import AssociateRJ, AssociateRQ

# What a sink prepares for one presentation context; opaque here.
Route = TypeVar("Route")


class Admitted(msgspec.Struct, frozen=True):
    """The association may be accepted, under these rules.

    `overwrite`: another instance under a known UID replaces it. `ignored`: SOP class UIDs whose instances
    are answered with success and not kept.
    """

    policy: NegotiationPolicy
    overwrite: bool = False
    ignored: frozenset[str] = frozenset()


class Refused(msgspec.Struct, frozen=True):
    """The association must be rejected. `why` and `hint` are for the log: what would admit it."""

    reject: AssociateRJ
    why: str
    hint: str


class Admit(Protocol):
    """Decides who may come in."""

    def __call__(self, request: AssociateRQ, address: str) -> Admitted | Refused:
        """Judge `request`, which came from the IP address `address`."""
        ...


class Sink(Protocol[Route]):
    """Keeps instances; storage.InstanceStore is one."""

    def route(
        self,
        *,
        sop_class_uid: str,
        transfer_syntax_uid: str,
        calling_ae_title: str,
        called_ae_title: str,
        overwrite: bool,
        pipelined: bool,
    ) -> Route:
        """Prepare for the instances of one presentation context."""
        ...

    def begin(
        self,
        link: Link,
        route: Route,
        sop_instance_uid: str,
        response: bytes,
        callback: Callable[[Completion], None],
    ) -> tuple[int, int]:
        """Begin to store the data set that `link` expects: (store ID, TAKEN, CARRIED or NOT_BEGUN)."""
        ...

    def catch_up(self) -> None:
        """Deliver the completions that wait, now."""
        ...

    def resume(self, store_id: int) -> None:
        """Go on with a PAUSED store."""
        ...

    def abandon(self, store_id: int) -> None:
        """Give a PAUSED store up."""
        ...


class Limits(msgspec.Struct, frozen=True):
    """Times in seconds, `associations` a number."""

    associations: int
    send_timeout: float
    shutdown_deadline: float
