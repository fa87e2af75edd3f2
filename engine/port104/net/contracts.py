"""What the shells of this package ask of the rest; the service passes it in.

Neither the registry nor the storage is known here, only these shapes.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Protocol, TypeVar

import msgspec

from port104.completions import Completion
from port104.native import IntakeCounts, Link
from port104.net.certificates import PeerCertificate
from port104.wire.agreement import AcceptedContext
from port104.wire.command import Command, Status
from port104.wire.commitment import CommitmentReport, CommitmentRequest
from port104.wire.negotiation import NegotiationPolicy
from port104.wire.pdu import AssociateRJ, AssociateRQ

# What a sink makes for one association.
IntakeT = TypeVar("IntakeT", bound="Intake")


class AskedCommitment(msgspec.Struct, frozen=True):
    """A request for storage commitment, and who made it (PS3.4 J.3.2). `address`: the peer's IP address."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    request: CommitmentRequest


class Back(Protocol):
    """The association on which commitment was asked for; net.Committing is one."""

    async def report(self, report: CommitmentReport) -> int:
        """Report on it; returns the status of the response.

        Raises AssociationError where it is over, or does not do for this report.
        """
        ...


class Commitments(Protocol):
    """Answers for storage commitment, in both roles."""

    async def requested(self, asked: AskedCommitment) -> Status:
        """Promise a report. Once success is returned the promise survives a restart."""
        ...

    def may_report(self, asked: AskedCommitment, back: Back) -> None:
        """Hear that what was promised is answered for, and may be reported over `back`. Must not wait."""
        ...

    async def reported(self, calling_ae_title: str, report: CommitmentReport) -> Status:
        """Take what a peer reports of what we asked it for."""
        ...


class Streams(Protocol):
    """Takes instances as they come, in place of a sink."""

    async def store(self, command: Command, transfer_syntax_uid: str, data_set: AsyncIterator[bytes]) -> int:
        """Take an instance; returns the status to answer. Not all of `data_set` need be read.

        It raises AbortedError where the association ends before it does. Whatever is raised is answered with
        0110, processing failure. May be cancelled.
        """
        ...


class Admitted(msgspec.Struct, frozen=True):
    """The association may be accepted, under these rules.

    `overwrite`: another instance under a known UID replaces it. `ignored`: SOP class UIDs whose instances
    are answered with success and not kept. `maximum_size`: bytes of the longest data set that is kept, 0 =
    any. `user`: whose identity was checked, for the log. `commitments`: answers for storage commitment, where
    that is accepted; `commits`: it is asked whether we hold instances, and not only told what a peer holds.
    `streams`: takes what the sink leaves to it, which is a streaming.PassingSink then.
    """

    policy: NegotiationPolicy
    overwrite: bool = False
    ignored: frozenset[str] = frozenset()
    maximum_size: int = 0
    user: str | None = None
    commitments: Commitments | None = None
    commits: bool = False
    streams: Streams | None = None


class Refused(msgspec.Struct, frozen=True):
    """The association must be rejected. `why` and `hint` are for the log: what would admit it."""

    reject: AssociateRJ
    why: str
    hint: str


class Admit(Protocol):
    """Decides who may come in."""

    async def __call__(
        self, request: AssociateRQ, address: str, certificate: PeerCertificate | None
    ) -> Admitted | Refused:
        """Judge `request`, which came from the IP address `address`; may be cancelled.

        `certificate`: what the peer showed over TLS, and was checked; None: none, or there is no TLS.
        """
        ...


class AssociationStart(msgspec.Struct, frozen=True):
    """An association that was accepted.

    `association`: the number of its intake. `contexts`: the accepted ones, by presentation context ID. `tls`:
    whether it is encrypted. `user`: whose identity was checked. `figures`: counts its instances and bytes, as
    Tally.figures names them; it may be called until the end is told.
    """

    association: int
    address: str
    request: AssociateRQ
    contexts: Mapping[int, AcceptedContext]
    tls: bool
    user: str | None
    figures: Callable[[], dict[str, int]]


HANDSHAKE_FAILED = "TLS handshake failed"
"""The outcome of an AssociationEnd where TLS was not agreed on."""


class AssociationEnd(msgspec.Struct, frozen=True):
    """How an association, or the attempt at one, ended.

    `association`: the number of its intake; None: it was never established. `request`: None where none came.
    `reject`: what refused it. `broke`: the peer broke the protocol, or that of TLS. `outcome`, `why` and
    `hint`: in the words of the log. `figures`: what came of it.
    """

    association: int | None
    address: str
    request: AssociateRQ | None
    reject: AssociateRJ | None
    broke: bool
    tls: bool
    outcome: str
    why: str
    hint: str
    figures: Mapping[str, int]


class Witness(Protocol):
    """Is told about associations. Called on the event loop: must not wait, and must not raise."""

    def established(self, start: AssociationStart) -> None:
        """Hear of an association that was accepted; before anything is stored on it."""
        ...

    def ended(self, end: AssociationEnd) -> None:
        """Hear of an end; after the last instance that was stored."""
        ...


class Intake(Protocol):
    """Takes instances from one association; native.Intake is one."""

    @property
    def id(self) -> int:
        """Its number, unlike every other's of this run."""
        ...

    def lend(self, *, give_up: bool = False) -> None:
        """Lend the link; a RETURNED completion gives it back. `give_up`: break off what is being received."""
        ...

    def counts(self) -> IntakeCounts:
        """Read what came of the association so far."""
        ...


class Sink(Protocol[IntakeT]):
    """Keeps instances; storage.InstanceStore is one."""

    def intake(
        self,
        link: Link,
        contexts: Iterable[tuple[int, str, str]],
        *,
        calling_ae_title: str,
        called_ae_title: str,
        window: int,
        peer_maximum_length: int,
        maximum_size: int,
        overwrite: bool,
        callback: Callable[[Completion], None],
    ) -> IntakeT:
        """Prepare to take instances that come on `contexts`: (ID, SOP class UID, transfer syntax UID)."""
        ...

    def release(self, intake: IntakeT) -> None:
        """Free an intake whose link was returned for the last time."""
        ...


class Limits(msgspec.Struct, frozen=True):
    """Times in seconds; numbers of associations and of TCP connections, 0: no limit.

    `idle_grace`: silence after which an association gives way to another where there is no room.
    """

    associations: int
    send_timeout: float
    shutdown_deadline: float
    associations_per_address: int = 0
    associations_per_calling_ae_title: int = 0
    connections: int = 0
    connections_per_address: int = 0
    idle_grace: float = math.inf
    tls_handshake_timeout: float = 10.0
