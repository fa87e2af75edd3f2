"""Time without a clock: when a deadline is due, what it does, and where none may be."""

import math

import pytest

from association_peer import (
    ECHO,
    ECHO_PDU,
    LIMITS,
    PEER_ABORT,
    RELEASE_RP,
    RELEASE_RQ,
    REQUEST,
    STORE_PDU,
    Peer,
    p_data,
    peer_in,
)
from port104.wire.association import AssociationLimits, Role
from port104.wire.events import AbortedByUs, ConnectionLost, Event
from port104.wire.pdu import Abort
from port104.wire.states import State

OUR_ABORT = Abort(0, 0).encode()
BORN = 100.0  # when every association of association_peer was made

# ---- ARTIM, and the waits that table 9-10 leaves without a timer ----

WAITS_FOR_PEER = [
    (Role.ACCEPTOR, State.STA2),
    (Role.REQUESTOR, State.STA5),
    (Role.ACCEPTOR, State.STA7),
    (Role.REQUESTOR, State.STA7),
    (Role.ACCEPTOR, State.STA10),
    (Role.REQUESTOR, State.STA11),
    (Role.ACCEPTOR, State.STA13),
    (Role.REQUESTOR, State.STA13),
]
ABORTS = [(role, state) for role, state in WAITS_FOR_PEER if state not in (State.STA2, State.STA13)]


def name(value: object) -> str:
    return value.name


@pytest.mark.parametrize(("role", "state"), WAITS_FOR_PEER, ids=name)
def test_wait_for_the_peer_has_a_deadline(role: Role, state: State) -> None:
    assert peer_in(role, state).association.next_deadline() == BORN + LIMITS.artim


@pytest.mark.parametrize(
    ("role", "state"),
    [
        (Role.REQUESTOR, State.STA4),  # the connection is being opened: not the association's to time
        (Role.ACCEPTOR, State.STA3),  # from here on we are the ones who must act
        (Role.ACCEPTOR, State.STA8),
        (Role.REQUESTOR, State.STA8),
        (Role.REQUESTOR, State.STA9),
        (Role.ACCEPTOR, State.STA12),
        (Role.ACCEPTOR, State.STA1),
        (Role.REQUESTOR, State.STA1),
    ],
    ids=name,
)
def test_nothing_is_due_where_the_peer_owes_nothing(role: Role, state: State) -> None:
    peer = peer_in(role, state)
    assert peer.association.next_deadline() == math.inf
    peer.association.handle_timer(1e9)
    assert peer.run() == []
    assert peer.association.state is state


def test_no_request_in_time() -> None:
    peer = Peer(Role.ACCEPTOR)
    (told,) = peer.wait_for_deadline()
    assert isinstance(told, AbortedByUs)
    assert peer.now == BORN + LIMITS.artim
    assert peer.association.closed  # AA-2: closed, without an A-ABORT
    assert peer.take_sent() == b""


def test_slow_request_does_not_move_the_deadline() -> None:
    """A byte a second keeps no connection: the whole A-ASSOCIATE-RQ must come before ARTIM expires."""
    peer = Peer(Role.ACCEPTOR)
    for byte in REQUEST.encode()[:29]:
        peer.now += 1
        peer.feed(bytes([byte]))
    assert peer.association.next_deadline() == BORN + LIMITS.artim
    peer.wait_for_deadline()
    assert peer.association.closed


def test_request_that_has_begun_must_end_soon() -> None:
    peer = Peer(Role.ACCEPTOR, limits=AssociationLimits(artim=30.0, request=10.0))
    peer.now += 5
    peer.feed(REQUEST.encode()[:5])
    assert peer.association.next_deadline() == BORN + 30  # its header has not come yet
    peer.feed(REQUEST.encode()[5:20])
    assert peer.association.next_deadline() == BORN + 15
    peer.now += 9
    peer.feed(REQUEST.encode()[20:40])
    (told,) = peer.wait_for_deadline()
    assert isinstance(told, AbortedByUs)
    assert peer.now == BORN + 15
    assert peer.association.closed


def test_request_that_begins_late_gets_no_time_beyond_artim() -> None:
    peer = Peer(Role.ACCEPTOR, limits=AssociationLimits(artim=30.0, request=10.0))
    peer.now += 29
    peer.feed(REQUEST.encode()[:20])
    assert peer.association.next_deadline() == BORN + 30


def test_whole_request_ends_its_deadline() -> None:
    peer = Peer(Role.ACCEPTOR, limits=AssociationLimits(artim=30.0, request=10.0))
    peer.feed(REQUEST.encode())
    assert peer.association.next_deadline() == math.inf


@pytest.mark.parametrize("state", [State.STA13, State.STA2], ids=name)
def test_nothing_happens_before_the_deadline(state: State) -> None:
    peer = peer_in(Role.ACCEPTOR, state)
    peer.association.handle_timer(BORN + LIMITS.artim - 0.001)
    assert peer.run() == []
    assert not peer.association.closed


@pytest.mark.parametrize("role", Role, ids=name)
def test_connection_is_closed_when_the_peer_does_not_close_it(role: Role) -> None:
    peer = peer_in(role, State.STA13)
    assert peer.wait_for_deadline() == []
    assert peer.association.closed
    assert peer.association.next_deadline() == math.inf
    assert peer.take_sent() == b""


def test_bytes_after_the_end_do_not_move_the_deadline() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA13)
    peer.now += 20
    peer.feed(ECHO_PDU, RELEASE_RQ, REQUEST.encode(), b"\xff\0\0\0\0\0")
    assert peer.association.next_deadline() == BORN + LIMITS.artim


@pytest.mark.parametrize(("role", "state"), ABORTS, ids=name)
def test_silent_peer_is_aborted(role: Role, state: State) -> None:
    peer = peer_in(role, state)
    (told,) = peer.wait_for_deadline()
    assert isinstance(told, AbortedByUs)
    assert "silent" in told.detail
    assert peer.take_sent() == OUR_ABORT
    assert peer.association.state is State.STA13
    assert peer.association.next_deadline() == BORN + 2 * LIMITS.artim
    assert peer.wait_for_deadline() == []
    assert peer.association.closed


def test_data_does_not_put_off_the_answer_to_our_release() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA7)
    peer.now += 29
    peer.feed(ECHO_PDU)
    assert peer.association.next_deadline() == BORN + LIMITS.artim


def test_each_wait_starts_anew() -> None:
    """Release collision: the wait in Sta11 is timed from when Sta11 was entered, not from Sta7."""
    peer = peer_in(Role.REQUESTOR, State.STA9)
    peer.now += 1000
    peer.association.release_response(peer.now)
    assert peer.association.next_deadline() == BORN + 1000 + LIMITS.artim
    peer.now += 1
    peer.feed(RELEASE_RP)
    assert peer.association.closed


def test_our_abort_starts_artim() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    peer.now += 5
    peer.association.abort(peer.now)
    assert peer.association.next_deadline() == BORN + 5 + LIMITS.artim


# ---- the idle limit of an established association ----


def idle_at(peer: Peer) -> float:
    return peer.association.next_deadline() - LIMITS.idle


def test_idle_association_is_aborted() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert idle_at(peer) == BORN
    (told,) = peer.wait_for_deadline()
    assert isinstance(told, AbortedByUs)
    assert peer.take_sent() == OUR_ABORT
    assert peer.association.state is State.STA13


def test_what_the_peer_sends_moves_the_idle_limit() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    peer.now += 50
    peer.feed(ECHO_PDU)
    assert idle_at(peer) == BORN + 50
    peer.now += 50
    peer.association.note_input(peer.now)
    assert idle_at(peer) == BORN + 50  # nothing came
    peer.link.feed(STORE_PDU)  # to whom the link is lent
    peer.association.note_input(peer.now)
    assert idle_at(peer) == BORN + 100


def test_what_we_send_does_not_move_the_idle_limit() -> None:
    peer = peer_in(Role.REQUESTOR, State.STA6)
    peer.now += 50
    peer.association.send_command(1, ECHO, peer.now)
    peer.run()
    assert idle_at(peer) == BORN


@pytest.mark.parametrize(
    "begun",
    [STORE_PDU, STORE_PDU + p_data(3, 0, b"da"), p_data(1, 1, ECHO.encode()[:8])],
    ids=["data set is due", "in mid-data set", "in mid-command"],
)
def test_message_that_does_not_go_on_ends_the_association(begun: bytes) -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    peer.now += 7
    peer.feed(begun)
    assert idle_at(peer) == BORN + 7
    (told,) = peer.wait_for_deadline()
    assert isinstance(told, AbortedByUs)


def test_no_idle_limit_by_default() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6, limits=AssociationLimits())
    assert peer.association.next_deadline() == math.inf


# ---- pace and length of a message; patience.py decides, test_patience.py says how ----

PACED = AssociationLimits(idle=60.0, message=100.0, minimum_rate=10.0, rate_grace=20.0)
PIECE = p_data(3, 0, b"da")  # 14 bytes
LAST_PIECE = p_data(3, 2, b"ta")


def look_at(peer: Peer, now: float) -> list[Event]:
    """Let every look come until `now`."""
    news: list[Event] = []
    while not peer.association.closed and peer.association.next_deadline() <= now:
        news += peer.wait_for_deadline()
    peer.now = now
    return news


def test_slow_message_ends_the_association() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6, limits=PACED)
    peer.feed(STORE_PDU)
    for second in range(1, 30):
        if told := look_at(peer, BORN + second):
            break
        peer.feed(b"\4" if second == 6 else b"\0" if 6 < second < 10 else b"")
    (abort,) = told
    assert isinstance(abort, AbortedByUs)
    assert "the peer sent 4 bytes of a message in 20 s, less than 10 a second" in abort.detail
    assert second == 25  # 5 to be seen first
    assert peer.take_sent() == OUR_ABORT


def test_message_at_the_right_pace_that_does_not_end() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6, limits=PACED)
    peer.feed(STORE_PDU)
    for second in range(1, 110):
        if told := look_at(peer, BORN + second):
            break
        peer.feed(PIECE)
    (abort,) = told
    assert isinstance(abort, AbortedByUs)
    assert abort.detail == "the peer did not end a message within 100 s"
    assert second == 105


def test_each_message_is_measured_by_itself() -> None:
    """Short ones, of which the peer always owes the next one's rest when it is looked at."""
    peer = peer_in(Role.ACCEPTOR, State.STA6, limits=PACED)
    peer.feed(STORE_PDU)
    for second in range(1, 200):
        assert look_at(peer, BORN + second) == []
        if second % 10 == 0:
            peer.feed(LAST_PIECE, STORE_PDU)
    assert peer.association.state is State.STA6


def test_messages_that_an_intake_took_are_others() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6, limits=PACED)
    peer.feed(STORE_PDU)
    for look in range(1, 25):
        peer.now += 5
        peer.association.look(peer.now, taken=min(look // 3, 6))
        assert (peer.association.state is State.STA6) == (look < 22)
        peer.feed(PIECE)
    assert peer.association.state is State.STA13


def test_nothing_is_looked_for_once_the_association_is_over() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA13, limits=PACED)
    peer.association.look(1e9)
    assert peer.run() == []
    assert peer.association.state is State.STA13


def test_paused_message_of_a_peer_that_waits_for_us() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6, limits=PACED)
    peer.feed(STORE_PDU)
    for second in range(0, 90, 5):
        peer.association.look(BORN + second, waits_for_us=True)
        assert peer.association.state is State.STA6
        assert peer.association.silent_since(BORN + second) == BORN + second


@pytest.mark.parametrize("role", Role, ids=name)
def test_deadline_in_mid_abort_is_the_last_word(role: Role) -> None:
    """The A-ABORT of the peer, or the end, may come while ours is under way."""
    peer = peer_in(role, State.STA6)
    peer.feed(PEER_ABORT[:8])
    peer.wait_for_deadline()
    assert peer.feed(PEER_ABORT[8:]) == []
    assert peer.association.closed


def test_connection_that_ends_is_not_timed_any_more() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.end() == [ConnectionLost()]
    assert peer.association.next_deadline() == math.inf
