"""Everything that can happen on an association, as frozen structs.

`Association.next_event` returns them in the order in which they happened. Names follow the
service primitives of PS3.8 chapter 7 and the messages of PS3.7.
"""

import msgspec

from port104.wire.command import Command
from port104.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ


class AssociationRequested(msgspec.Struct, frozen=True):
    """A-ASSOCIATE indication: accept or reject must be called next."""

    request: AssociateRQ


class AssociationAccepted(msgspec.Struct, frozen=True):
    """A-ASSOCIATE confirmation (accept): the association that we requested stands."""

    accept: AssociateAC


class AssociationRejected(msgspec.Struct, frozen=True):
    """A-ASSOCIATE confirmation (reject): the peer refused what we requested."""

    reject: AssociateRJ


class CommandReceived(msgspec.Struct, frozen=True):
    """A whole command set came; when `command.has_data_set`, its data set follows."""

    context_id: int
    command: Command


class DataSetFragment(msgspec.Struct, frozen=True):
    """The next bytes of the data set that belongs to the last command."""

    context_id: int
    data: bytes
    last: bool


class ReleaseRequested(msgspec.Struct, frozen=True):
    """A-RELEASE indication: release_response must be called next, once nothing is owed."""


class Released(msgspec.Struct, frozen=True):
    """A-RELEASE confirmation: the association that we released is over."""


class AbortedByPeer(msgspec.Struct, frozen=True):
    """A-ABORT or A-P-ABORT indication: the peer sent A-ABORT (PS3.8 9.3.8)."""

    source: int
    reason: int


class AbortedByUs(msgspec.Struct, frozen=True):
    """The peer broke the protocol, or was silent too long, and was sent A-ABORT or cut off.

    `detail` is for the log: what was wrong, in words.
    """

    reason: int
    detail: str


class ConnectionLost(msgspec.Struct, frozen=True):
    """A-P-ABORT indication: the transport connection ended before the association did."""


Event = (
    AssociationRequested
    | AssociationAccepted
    | AssociationRejected
    | CommandReceived
    | DataSetFragment
    | ReleaseRequested
    | Released
    | AbortedByPeer
    | AbortedByUs
    | ConnectionLost
)
