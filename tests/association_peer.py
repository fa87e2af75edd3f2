"""Associations without I/O: brought into any state of table 9-10, fed with bytes, read to the end."""

import math
from collections.abc import Iterable

from port104 import native, uids
from port104.wire.association import Association, AssociationLimits, Role
from port104.wire.command import Command, CommandField
from port104.wire.events import Event
from port104.wire.pdu import (
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    PresentationContext,
    PresentationContextResult,
    ReleaseRP,
    ReleaseRQ,
    UserInformation,
)
from port104.wire.states import State

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
MAXIMUM_LENGTH = 4096  # that every association here states
LIMITS = AssociationLimits(artim=30.0, idle=60.0, maximum_length=MAXIMUM_LENGTH)

REQUEST = AssociateRQ(
    "STORE",
    "MODALITY",
    (
        PresentationContext(1, uids.VERIFICATION, (uids.IMPLICIT_VR_LITTLE_ENDIAN,)),
        PresentationContext(
            3, CT_IMAGE_STORAGE, (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN)
        ),
        PresentationContext(5, "1.2.840.10008.5.1.4.1.2.2.1", (uids.IMPLICIT_VR_LITTLE_ENDIAN,)),
    ),
    UserInformation(maximum_length=MAXIMUM_LENGTH),
)
ACCEPT = AssociateAC(
    "STORE",
    "MODALITY",
    (
        PresentationContextResult(1, 0, uids.IMPLICIT_VR_LITTLE_ENDIAN),
        PresentationContextResult(3, 0, uids.EXPLICIT_VR_LITTLE_ENDIAN),
        PresentationContextResult(5, 3, uids.IMPLICIT_VR_LITTLE_ENDIAN),
    ),
    UserInformation(maximum_length=MAXIMUM_LENGTH),
)
REJECT = AssociateRJ(1, 1, 7)
ECHO = Command(
    field=CommandField.C_ECHO_RQ, has_data_set=False, message_id=7, affected_sop_class_uid=uids.VERIFICATION
)
STORE = Command(
    field=CommandField.C_STORE_RQ,
    has_data_set=True,
    message_id=9,
    affected_sop_class_uid=CT_IMAGE_STORAGE,
    affected_sop_instance_uid="1.2.3.4",
    priority=0,
)
RELEASE_RQ = ReleaseRQ().encode()
RELEASE_RP = ReleaseRP().encode()
PEER_ABORT = Abort(0, 0).encode()


def p_data(context_id: int, control: int, fragment: bytes) -> bytes:
    """A P-DATA-TF PDU of one PDV. `control`: 1 command, 0 data set, and 2 for the last fragment."""
    return PDataTF((PDV(context_id, control, fragment),)).encode()


ECHO_PDU = p_data(1, 3, ECHO.encode())
STORE_PDU = p_data(3, 3, STORE.encode())


class Peer:
    """One association and the link that feeds it; `sent` is all that it sent, `happened` all its events."""

    def __init__(self, role: Role, *, limits: AssociationLimits = LIMITS) -> None:
        self.now = 100.0
        self.link = native.Link()
        self.association = Association(role, self.link, limits=limits, now=self.now)
        self.sent = b""
        self.happened: list[Event] = []

    def run(self) -> list[Event]:
        """Read on until more bytes are needed; returns what happened."""
        news = []
        while (event := self.association.next_event(self.now)) is not None:
            news.append(event)
        self.sent += self.association.data_to_send()
        self.happened += news
        return news

    def feed(self, *pieces: bytes) -> list[Event]:
        """Let the peer's bytes come, each piece by itself; returns what happened."""
        news = []
        for piece in pieces:
            taken = 0
            while taken < len(piece):
                taken += self.link.feed(piece[taken:])
                news += self.run()
        return news

    def end(self) -> list[Event]:
        """Let the connection end."""
        self.link.end()
        return self.run()

    def wait_for_deadline(self) -> list[Event]:
        """Let time pass until the deadline, and handle it."""
        self.now = self.association.next_deadline()
        assert self.now < math.inf
        self.association.handle_timer(self.now)
        return self.run()

    def take_sent(self) -> bytes:
        """What was sent since the last call."""
        self.run()
        sent, self.sent = self.sent, b""
        return sent


ACCEPTOR_STATES = (
    State.STA1,
    State.STA2,
    State.STA3,
    State.STA6,
    State.STA7,
    State.STA8,
    State.STA10,
    State.STA12,
    State.STA13,
)
REQUESTOR_STATES = (
    State.STA1,
    State.STA4,
    State.STA5,
    State.STA6,
    State.STA7,
    State.STA8,
    State.STA9,
    State.STA11,
    State.STA13,
)
STATES = {Role.ACCEPTOR: ACCEPTOR_STATES, Role.REQUESTOR: REQUESTOR_STATES}


def peer_in(role: Role, state: State, *, limits: AssociationLimits = LIMITS) -> Peer:
    """An association in `state`, with nothing left to send and no event left to see.

    Sta13 is reached without an A-ABORT: by a rejection as acceptor, by A-RELEASE-RP as requestor.
    """
    peer = Peer(role, limits=limits)
    for step in _way(role, state):
        if isinstance(step, bytes):
            peer.feed(step)
        else:
            _act(peer, step)
    peer.take_sent()
    peer.happened.clear()
    assert peer.association.state is state
    return peer


def _way(role: Role, state: State) -> Iterable[bytes | str]:
    if role is Role.ACCEPTOR:
        opened = (REQUEST.encode(), "accept")
        short = {
            State.STA2: (),
            State.STA3: (REQUEST.encode(),),
            State.STA13: (REQUEST.encode(), "reject"),
        }
        collided: tuple[bytes | str, ...] = ("release", RELEASE_RQ)
        rest = {
            State.STA10: collided,
            State.STA12: (*collided, RELEASE_RP),
        }
    else:
        opened = ("request", ACCEPT.encode())
        short = {State.STA4: (), State.STA5: ("request",)}
        collided = ("release", RELEASE_RQ)
        rest = {
            State.STA9: collided,
            State.STA11: (*collided, "release_response"),
            State.STA13: (RELEASE_RQ, "release_response"),
        }
    rest |= {
        State.STA1: (PEER_ABORT,),
        State.STA6: (),
        State.STA7: ("release",),
        State.STA8: (RELEASE_RQ,),
    }
    return short[state] if state in short else (*opened, *rest[state])


def _act(peer: Peer, primitive: str) -> None:
    association, now = peer.association, peer.now
    match primitive:
        case "request":
            association.request(REQUEST, now)
        case "accept":
            association.accept(ACCEPT, now)
        case "reject":
            association.reject(REJECT, now)
        case "release":
            association.release(now)
        case _:
            association.release_response(now)
