"""What both sides agreed on: an A-ASSOCIATE-AC read against the A-ASSOCIATE-RQ that it answers.

Pure. What the peer got wrong raises RemoteProtocolError; the same in our own answer is for the caller to
turn into a local error.
"""

import msgspec

from port104.wire import fragmentation
from port104.wire.items import UserInformation, invalid, unexpected
from port104.wire.pdu import AssociateAC, AssociateRQ, PresentationContext, PresentationContextResult


class AcceptedContext(msgspec.Struct, frozen=True):
    """An accepted presentation context."""

    abstract_syntax: str
    transfer_syntax: str


class Agreement(msgspec.Struct, frozen=True):
    """The terms of an established association.

    `window`: operations that the requestor may have outstanding, 0 = unlimited (PS3.7 D.3.3.3).
    """

    contexts: dict[int, AcceptedContext]
    window: int


def agree(request: AssociateRQ, accept: AssociateAC) -> Agreement:
    """Read the answer. Raises RemoteProtocolError where it answers what was not proposed."""
    proposed = {context.id: context for context in request.presentation_contexts}
    contexts = {}
    for answer in accept.presentation_contexts:
        if answer.id not in proposed:
            raise unexpected(f"presentation context {answer.id} was answered, but not proposed")
        if answer.result == 0:
            contexts[answer.id] = _accepted(proposed[answer.id], answer)
    window = accept.user_information.asynchronous_operations_window
    return Agreement(contexts, window.invoked if window else 1)


def maximum_length_of(information: UserInformation) -> int:
    """The longest P-DATA-TF that the peer receives, in bytes; 0 = unlimited (PS3.8 annex D.1).

    Raises RemoteProtocolError where it leaves no room for a message: no response could ever be sent.
    """
    length = information.maximum_length or 0
    if 0 < length < fragmentation.SMALLEST:
        raise invalid(f"a maximum length of {length} bytes has no room for a fragment")
    return length


def _accepted(proposed: PresentationContext, answer: PresentationContextResult) -> AcceptedContext:
    if answer.transfer_syntax not in proposed.transfer_syntaxes:
        raise invalid(f"presentation context {answer.id} was accepted with a transfer syntax not proposed")
    return AcceptedContext(proposed.abstract_syntax, answer.transfer_syntax)
