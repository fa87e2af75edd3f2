"""How the bytes are cut changes nothing, and no bytes can do harm."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from association_peer import (
    ACCEPT,
    ECHO,
    ECHO_PDU,
    PEER_ABORT,
    REJECT,
    RELEASE_RP,
    RELEASE_RQ,
    REQUEST,
    STATES,
    STORE_PDU,
    p_data,
    peer_in,
)
from port104 import native
from port104.wire.association import Role
from port104.wire.events import (
    AbortedByPeer,
    AbortedByUs,
    AssociationRejected,
    CommandReceived,
    ConnectionLost,
    DataSetFragment,
    Event,
)
from port104.wire.pdu import Abort
from port104.wire.states import State

# An association ends by one of these, and nothing follows. (Released in a release collision does not end
# it for the acceptor, who still has to answer.)
ENDS = (AbortedByPeer, AbortedByUs, AssociationRejected, ConnectionLost)

SESSIONS: dict[str, tuple[Role, State, bytes]] = {
    "released": (
        Role.ACCEPTOR,
        State.STA6,
        ECHO_PDU + STORE_PDU + p_data(3, 0, b"0123456789") + p_data(3, 2, b"ab") + ECHO_PDU + RELEASE_RQ,
    ),
    "requested": (Role.ACCEPTOR, State.STA2, REQUEST.encode()),
    "accepted": (Role.REQUESTOR, State.STA5, ACCEPT.encode() + ECHO_PDU),
    "rejected": (Role.REQUESTOR, State.STA5, REJECT.encode()),
    "aborted": (Role.ACCEPTOR, State.STA6, STORE_PDU + p_data(3, 0, b"01") + PEER_ABORT),
    "release answered": (Role.REQUESTOR, State.STA7, ECHO_PDU + RELEASE_RP),
    "broken": (Role.ACCEPTOR, State.STA6, ECHO_PDU + p_data(3, 2, b"no command came")),
    "unknown PDU": (Role.ACCEPTOR, State.STA2, b"\x08\0\0\0\0\x02ab"),
}


def _joined(events: list[Event]) -> list[Event]:
    """Data set fragments as they would have come in one piece: how they are cut says nothing."""
    whole: list[Event] = []
    for event in events:
        before = whole[-1] if whole else None
        if isinstance(event, DataSetFragment) and isinstance(before, DataSetFragment) and not before.last:
            whole[-1] = DataSetFragment(event.context_id, before.data + event.data, event.last)
        else:
            whole.append(event)
    return whole


def _told(session: str, *pieces: bytes) -> tuple[list[Event], bytes, State]:
    role, state, _ = SESSIONS[session]
    peer = peer_in(role, state)
    peer.feed(*pieces)
    return _joined(peer.happened), peer.take_sent(), peer.association.state


@pytest.mark.parametrize("session", SESSIONS)
def test_any_cut_tells_the_same(session: str) -> None:
    incoming = SESSIONS[session][2]
    whole = _told(session, incoming)
    assert whole[0]
    assert _told(session, *(incoming[at : at + 1] for at in range(len(incoming)))) == whole
    for at in range(1, len(incoming)):
        assert _told(session, incoming[:at], incoming[at:]) == whole


@pytest.mark.parametrize("session", ["rejected", "aborted", "release answered", "broken"])
@pytest.mark.parametrize("trailing", [b"\0", ECHO_PDU, b"\xff" * 100], ids=["NUL", "echo", "FF"])
def test_bytes_behind_the_end_tell_nothing(session: str, trailing: bytes) -> None:
    incoming = SESSIONS[session][2]
    assert _told(session, incoming + trailing) == _told(session, incoming)


def test_more_than_the_link_holds_is_fed_in_turns() -> None:
    """The link takes what its buffer holds; nothing is lost when the rest comes after it was read."""
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    flood = ECHO_PDU * 5000
    assert native.Link().feed(flood) < len(flood)
    assert acceptor.feed(flood) == [CommandReceived(1, ECHO)] * 5000


# ---- any bytes ----

# Pieces of the protocol, so that random streams come past the first header.
TOKENS = [
    REQUEST.encode(),
    ACCEPT.encode(),
    REJECT.encode(),
    ECHO_PDU,
    STORE_PDU,
    p_data(3, 0, b"0123"),
    p_data(3, 2, b"45"),
    p_data(1, 1, ECHO.encode()[:20]),
    RELEASE_RQ,
    RELEASE_RP,
    PEER_ABORT,
    REQUEST.encode()[:74],
    b"\x04\0\0\0\0\x06",
    b"\x01\0\xff\xff\xff\xff",
    b"\x08\0\0\0\0\0",
]
STARTS = [(role, state) for role, states in STATES.items() for state in states]
streams = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=60), max_size=8).map(b"".join)


def _cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=6)))
    return [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]


@st.composite
def cut_streams(draw: st.DrawFn) -> list[bytes]:
    return _cut(draw, draw(streams))


@pytest.mark.parametrize(
    ("role", "state"), STARTS, ids=[f"{role.value}-Sta{state}" for role, state in STARTS]
)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(pieces=cut_streams())
def test_any_bytes_in_any_pieces(role: Role, state: State, pieces: list[bytes]) -> None:
    """A peer raises nothing, is aborted at most once, and is told the same however its bytes are cut."""
    stories = []
    for cut in (pieces, [b"".join(pieces)]):
        peer = peer_in(role, state)
        peer.feed(*cut)
        stories.append((_joined(peer.happened), peer.sent, peer.association.state))
        assert peer.sent in (b"", *(Abort(2, reason).encode() for reason in (1, 2, 5, 6)))
        ends = [event for event in peer.happened if isinstance(event, ENDS)]
        assert ends == [] or ends == peer.happened[-1:]
        peer.end()
        assert peer.association.closed or state is State.STA4
    assert stories[0] == stories[1]


@pytest.mark.parametrize("state", [State.STA6, State.STA13])
@pytest.mark.parametrize("pdu", [bytes(6), RELEASE_RQ, ECHO_PDU], ids=["unknown", "release", "echo"])
def test_a_peer_that_does_not_end_after_the_end_is_heard_no_more(state: State, pdu: bytes) -> None:
    peer = peer_in(Role.ACCEPTOR, state)
    peer.feed(b"\xff\0\0\0\0\0", pdu * 500)
    assert peer.association.state is State.STA13
    peer.feed(pdu * 1000, PEER_ABORT)
    assert peer.association.state is State.STA13  # though it aborted, for nobody reads that
    assert peer.sent == Abort(2, 1).encode()
    peer.end()
    assert peer.association.closed


def test_a_flood_after_an_abort_is_answered_once() -> None:
    """AA-7 asks for an A-ABORT for each; one is enough, and no peer makes us send more than it sends."""
    peer = peer_in(Role.ACCEPTOR, State.STA13)
    peer.feed((b"\xff\0\0\0\0\0" + REQUEST.encode()) * 1000)
    assert peer.sent == Abort(2, 1).encode()
    assert peer.happened == []
