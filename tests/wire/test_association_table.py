"""Table 9-10, cell by cell, driven through a real association: by bytes, primitives and time."""

from collections.abc import Callable

import pytest

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
    Peer,
    peer_in,
)
from port104.errors import LocalProtocolError
from port104.wire.association import Role
from port104.wire.events import (
    AbortedByPeer,
    AbortedByUs,
    AssociationAccepted,
    AssociationRejected,
    AssociationRequested,
    CommandReceived,
    ConnectionLost,
    Event,
    Released,
    ReleaseRequested,
)
from port104.wire.pdu import Abort
from port104.wire.states import TRANSITIONS, Action, Evt, State, next_state

BY_PEER: dict[Evt, Callable[[Peer], object]] = {
    Evt.EVT3: lambda peer: peer.feed(ACCEPT.encode()),
    Evt.EVT4: lambda peer: peer.feed(REJECT.encode()),
    Evt.EVT6: lambda peer: peer.feed(REQUEST.encode()),
    Evt.EVT10: lambda peer: peer.feed(ECHO_PDU),
    Evt.EVT12: lambda peer: peer.feed(RELEASE_RQ),
    Evt.EVT13: lambda peer: peer.feed(RELEASE_RP),
    Evt.EVT16: lambda peer: peer.feed(PEER_ABORT),
    Evt.EVT17: lambda peer: peer.end(),
    Evt.EVT19: lambda peer: peer.feed(b"\xff\0\0\0\0\0"),
}
BY_US: dict[Evt, Callable[[Peer], object]] = {
    Evt.EVT2: lambda peer: peer.association.request(REQUEST, peer.now),
    Evt.EVT7: lambda peer: peer.association.accept(ACCEPT, peer.now),
    Evt.EVT8: lambda peer: peer.association.reject(REJECT, peer.now),
    Evt.EVT9: lambda peer: peer.association.send_command(1, ECHO, peer.now),
    Evt.EVT11: lambda peer: peer.association.release(peer.now),
    Evt.EVT14: lambda peer: peer.association.release_response(peer.now),
    Evt.EVT15: lambda peer: peer.association.abort(peer.now),
}
BY_TIME: dict[Evt, Callable[[Peer], object]] = {Evt.EVT18: lambda peer: peer.wait_for_deadline()}
CAUSES = BY_PEER | BY_US | BY_TIME

UNEXPECTED = Abort(2, 2).encode()
UNRECOGNISED = Abort(2, 1).encode()
OUR_ABORT = Abort(0, 0).encode()

# Action -> (what is sent, what is indicated to the local user); tables 9-6 to 9-9.
OUTCOMES: dict[Action, tuple[bytes, list[type[Event]]]] = {
    Action.AE_2: (REQUEST.encode(), []),
    Action.AE_3: (b"", [AssociationAccepted]),
    Action.AE_4: (b"", [AssociationRejected]),
    Action.AE_6: (b"", [AssociationRequested]),
    Action.AE_7: (ACCEPT.encode(), []),
    Action.AE_8: (REJECT.encode(), []),
    Action.DT_1: (ECHO_PDU, []),
    Action.DT_2: (b"", [CommandReceived]),
    Action.AR_1: (RELEASE_RQ, []),
    Action.AR_2: (b"", [ReleaseRequested]),
    Action.AR_3: (b"", [Released]),
    Action.AR_4: (RELEASE_RP, []),
    Action.AR_5: (b"", []),
    Action.AR_6: (b"", [CommandReceived]),
    Action.AR_7: (ECHO_PDU, []),
    Action.AR_8: (b"", [ReleaseRequested]),
    Action.AR_9: (RELEASE_RP, []),
    Action.AR_10: (b"", [Released]),
    Action.AA_1: (UNEXPECTED, [AbortedByUs]),
    Action.AA_2: (b"", []),
    Action.AA_3: (b"", [AbortedByPeer]),
    Action.AA_4: (b"", [ConnectionLost]),
    Action.AA_5: (b"", []),
    Action.AA_6: (b"", []),
    Action.AA_7: (UNEXPECTED, []),
    Action.AA_8: (UNEXPECTED, [AbortedByUs]),
}


def outcome(event: Evt, state: State) -> tuple[bytes, list[type[Event]]]:
    """What table 9-10 asks for, with what the cause adds to it."""
    action = TRANSITIONS[event, state]
    sent, indicated = OUTCOMES[action]
    if event is Evt.EVT15:
        return (OUR_ABORT, []) if action is Action.AA_1 else (b"", [])
    if event is Evt.EVT19:
        sent = UNRECOGNISED
    if event is Evt.EVT18 and state is State.STA2:
        indicated = [AbortedByUs]  # no service indication, but the log wants a reason
    return sent, indicated


def cell(role: Role, event: Evt, state: State) -> object:
    return pytest.param(role, event, state, id=f"{role.value}-Evt{event}-Sta{state}")


# Evt1 and Evt5 are the association's birth; Evt17 in Sta4 is a connection that never opened, so that
# no association was made. Neither can be caused here.
WITH_ACTION = [
    cell(role, event, state)
    for role, states in STATES.items()
    for event in CAUSES
    for state in states
    if (event, state) in TRANSITIONS and (event, state) != (Evt.EVT17, State.STA4)
]
WITHOUT_ACTION = [
    (role, event, state)
    for role, states in STATES.items()
    for event in CAUSES
    for state in states
    if (event, state) not in TRANSITIONS
]


@pytest.mark.parametrize(("role", "event", "state"), WITH_ACTION)
def test_cell(role: Role, event: Evt, state: State) -> None:
    peer = peer_in(role, state)
    CAUSES[event](peer)
    sent, indicated = outcome(event, state)
    after = next_state(TRANSITIONS[event, state], is_requestor=role is Role.REQUESTOR)
    assert peer.take_sent() == sent
    assert [type(found) for found in peer.happened] == indicated
    assert peer.association.state is after
    assert peer.association.closed == (after is State.STA1)


def test_every_cell_that_can_be_caused_was_driven() -> None:
    driven = {(param.values[1], param.values[2]) for param in WITH_ACTION}
    assert set(TRANSITIONS) - driven == {
        (Evt.EVT1, State.STA1),
        (Evt.EVT5, State.STA1),
        (Evt.EVT17, State.STA4),
    }


@pytest.mark.parametrize(
    ("role", "event", "state"),
    [cell(*found) for found in WITHOUT_ACTION if found[1] in BY_US and found[1] is not Evt.EVT15],
)
def test_primitive_that_the_state_forbids(role: Role, event: Evt, state: State) -> None:
    peer = peer_in(role, state)
    with pytest.raises(LocalProtocolError, match=rf"^EVT{event} is not possible in STA{state}$"):
        BY_US[event](peer)
    assert peer.take_sent() == b""
    assert peer.association.state is state


@pytest.mark.parametrize(
    ("role", "event", "state"),
    [cell(*found) for found in WITHOUT_ACTION if found[1] in BY_PEER or found[1] is Evt.EVT15],
)
def test_nothing_happens_where_nothing_can(role: Role, event: Evt, state: State) -> None:
    """Bytes before we asked, or after the end, and an abort of what does not exist."""
    peer = peer_in(role, state)
    CAUSES[event](peer)
    assert peer.take_sent() == b""
    assert peer.happened == []
    assert peer.association.state is state
