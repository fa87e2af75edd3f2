"""The A-ASSOCIATE-RQ that we send: presentation contexts made of what is to be sent (PS3.8 7.1.1, 9.3.2).

Each context offers one transfer syntax, the one that the data sets have: they are sent as they are, so the
peer must not have a choice.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from port104 import uids
from port104.errors import LocalProtocolError
from port104.wire.identifiers import valid_ae_title
from port104.wire.items import RoleSelection, UserIdentity
from port104.wire.pdu import (
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContext,
    UserInformation,
)

MOST_CONTEXTS = 128
"""Of one association: IDs are odd, from 1 to 255 (PS3.8 table 9-13)."""


class Syntaxes(NamedTuple):
    """What one presentation context is for."""

    abstract_syntax: str
    transfer_syntax: str


VERIFICATION = Syntaxes(uids.VERIFICATION, uids.IMPLICIT_VR_LITTLE_ENDIAN)
"""For C-ECHO (PS3.4 annex A)."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What we ask a peer for.

    `syntaxes`: a context each, at most MOST_CONTEXTS. `window`: operations that we may have outstanding, 1:
    the one, and nothing is said of it, as some peers drop an association that proposes more (PS3.7 D.3.3.3).
    `maximum_length`: bytes of the longest P-DATA-TF PDU that we receive; responses are short. `provided`: SOP
    classes among them whose SCP we are, and the acceptor the SCU (PS3.7 D.3.3.4).
    """

    calling_ae_title: str
    called_ae_title: str
    syntaxes: tuple[Syntaxes, ...]
    window: int = 1
    user_identity: UserIdentity | None = None
    maximum_length: int = 64 * 1024
    provided: tuple[str, ...] = ()


def associate_request(proposal: Proposal) -> AssociateRQ:
    """Make the request. Raises LocalProtocolError where the standard has no such request."""
    for kind, title in (("calling", proposal.calling_ae_title), ("called", proposal.called_ae_title)):
        if not valid_ae_title(title):
            raise LocalProtocolError(
                f"the {kind} AE title {title!r} is none: it has 1 to 16 printable ASCII characters without"
                " backslash (PS3.5 6.2)"
            )
    if not 1 <= len(proposal.syntaxes) <= MOST_CONTEXTS:
        raise LocalProtocolError(
            f"an association has 1 to {MOST_CONTEXTS} presentation contexts, not {len(proposal.syntaxes)}"
        )
    window = AsynchronousOperationsWindow(proposal.window, 1) if proposal.window != 1 else None
    return AssociateRQ(
        proposal.called_ae_title,
        proposal.calling_ae_title,
        tuple(
            PresentationContext(2 * index + 1, syntaxes.abstract_syntax, (syntaxes.transfer_syntax,))
            for index, syntaxes in enumerate(proposal.syntaxes)
        ),
        UserInformation(
            maximum_length=proposal.maximum_length,
            implementation_class_uid=uids.IMPLEMENTATION_CLASS,
            implementation_version_name=uids.IMPLEMENTATION_VERSION,
            asynchronous_operations_window=window,
            role_selections=tuple(
                RoleSelection(uid, scu_role=False, scp_role=True) for uid in proposal.provided
            ),
            user_identity=proposal.user_identity,
        ),
    )


def shares(wanted: Iterable[Syntaxes], most: int = MOST_CONTEXTS) -> list[tuple[Syntaxes, ...]]:
    """Share out what is wanted among as few associations as do, in order, each once; none: no association."""
    each = tuple(dict.fromkeys(wanted))
    return [each[at : at + most] for at in range(0, len(each), most)]
