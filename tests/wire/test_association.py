"""Two associations that talk to each other, and what each of them makes of the other's answers."""

from pathlib import Path

import msgspec
import pytest

from association_peer import (
    ACCEPT,
    CT_IMAGE_STORAGE,
    ECHO,
    ECHO_PDU,
    LIMITS,
    MAXIMUM_LENGTH,
    PEER_ABORT,
    REJECT,
    RELEASE_RP,
    RELEASE_RQ,
    REQUEST,
    STORE,
    STORE_PDU,
    Peer,
    p_data,
    peer_in,
)
from port104 import native, uids
from port104.errors import LocalProtocolError
from port104.wire.agreement import AcceptedContext
from port104.wire.association import Association, AssociationLimits, Role
from port104.wire.command import Status, response_to
from port104.wire.events import (
    AbortedByPeer,
    AbortedByUs,
    AssociationAccepted,
    AssociationRejected,
    AssociationRequested,
    CommandReceived,
    ConnectionLost,
    DataSetFragment,
    Event,
    Released,
    ReleaseRequested,
)
from port104.wire.pdu import (
    Abort,
    AssociateAC,
    AsynchronousOperationsWindow,
    PresentationContextResult,
    UserInformation,
)
from port104.wire.states import State


class Pair:
    """A requestor and an acceptor with a wire between them that loses nothing and delays nothing."""

    def __init__(self, *, limits: AssociationLimits | None = None) -> None:
        given = {} if limits is None else {"limits": limits}
        self.requestor = Peer(Role.REQUESTOR, **given)
        self.acceptor = Peer(Role.ACCEPTOR, **given)
        self.now = self.requestor.now

    def settle(self) -> tuple[list[Event], list[Event]]:
        """Carry bytes both ways until nobody sends; returns what happened to requestor and acceptor."""
        happened: tuple[list[Event], list[Event]] = ([], [])
        sides = (self.requestor, self.acceptor)
        while any(sent := [side.take_sent() for side in sides]):
            for side, news, incoming in zip(sides, happened, reversed(sent), strict=True):
                news.extend(side.feed(incoming))
        return happened

    def established(self) -> "Pair":
        self.requestor.association.request(REQUEST, self.now)
        self.settle()
        self.acceptor.association.accept(ACCEPT, self.now)
        self.settle()
        return self

    @property
    def states(self) -> tuple[State, State]:
        return self.requestor.association.state, self.acceptor.association.state


# ---- establishing ----


def test_association_is_established() -> None:
    pair = Pair()
    pair.requestor.association.request(REQUEST, pair.now)
    assert pair.settle() == ([], [AssociationRequested(REQUEST)])
    pair.acceptor.association.accept(ACCEPT, pair.now)
    assert pair.settle() == ([AssociationAccepted(ACCEPT)], [])
    assert pair.states == (State.STA6, State.STA6)
    agreed = {
        1: AcceptedContext(uids.VERIFICATION, uids.IMPLICIT_VR_LITTLE_ENDIAN),
        3: AcceptedContext(CT_IMAGE_STORAGE, uids.EXPLICIT_VR_LITTLE_ENDIAN),
    }
    assert pair.requestor.association.contexts == agreed
    assert pair.acceptor.association.contexts == agreed
    assert pair.requestor.association.window == pair.acceptor.association.window == 1


def test_association_is_rejected() -> None:
    pair = Pair()
    pair.requestor.association.request(REQUEST, pair.now)
    pair.settle()
    pair.acceptor.association.reject(REJECT, pair.now)
    assert pair.settle() == ([AssociationRejected(REJECT)], [])
    assert pair.requestor.association.closed
    assert pair.states == (State.STA1, State.STA13)
    assert pair.acceptor.end() == []
    assert pair.acceptor.association.closed


def test_both_sides_know_the_window_that_the_acceptor_granted() -> None:
    window = AsynchronousOperationsWindow(8, 1)
    granted = msgspec.structs.replace(
        ACCEPT, user_information=UserInformation(asynchronous_operations_window=window)
    )
    requestor = peer_in(Role.REQUESTOR, State.STA5)
    requestor.feed(granted.encode())
    acceptor = peer_in(Role.ACCEPTOR, State.STA3)
    acceptor.association.accept(granted, acceptor.now)
    assert requestor.association.window == acceptor.association.window == 8


# ---- messages ----


def test_echo_and_its_response() -> None:
    pair = Pair().established()
    pair.requestor.association.send_command(1, ECHO, pair.now)
    assert pair.settle() == ([], [CommandReceived(1, ECHO)])
    response = response_to(ECHO, Status.SUCCESS)
    pair.acceptor.association.send_command(1, response, pair.now)
    assert pair.settle() == ([CommandReceived(1, response)], [])


def test_data_set_comes_in_fragments_that_fit_the_acceptor() -> None:
    data_set = bytes(range(256)) * 64
    pair = Pair().established()
    association = pair.requestor.association
    association.send_command(3, STORE, pair.now)
    association.send_data_set(3, data_set[:10_000], pair.now, last=False)
    association.send_data_set(3, data_set[10_000:], pair.now, last=True)
    _, (command, *fragments) = pair.settle()
    assert command == CommandReceived(3, STORE)
    assert all(isinstance(fragment, DataSetFragment) for fragment in fragments)
    assert b"".join(fragment.data for fragment in fragments) == data_set
    assert [fragment.last for fragment in fragments] == [False] * (len(fragments) - 1) + [True]
    assert len(fragments) > len(data_set) // MAXIMUM_LENGTH


def test_pdu_of_exactly_the_maximum_length_is_taken() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    data_set = bytes(MAXIMUM_LENGTH - 6)
    fragments = acceptor.feed(STORE_PDU, p_data(3, 2, data_set))[1:]
    assert fragments == [DataSetFragment(3, data_set, last=True)]


def test_empty_last_fragment_ends_a_data_set() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    news = acceptor.feed(STORE_PDU, p_data(3, 0, b"ab"), p_data(3, 2, b""))
    assert news[1:] == [DataSetFragment(3, b"ab", last=False), DataSetFragment(3, b"", last=True)]


def test_command_set_in_two_fragments() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    command = ECHO.encode()
    assert acceptor.feed(p_data(1, 1, command[:30])) == []
    assert acceptor.feed(p_data(1, 3, command[30:]) + ECHO_PDU) == [CommandReceived(1, ECHO)] * 2


def test_encoding_a_command_sends_nothing() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    assert acceptor.association.encode_command(1, ECHO) == ECHO_PDU
    assert acceptor.take_sent() == b""


@pytest.mark.parametrize("maximum_length", [8, 9, 200, 0, 0xFFFFFFFF, None])
def test_peer_receives_pdus_of_its_maximum_length(maximum_length: int | None) -> None:
    information = UserInformation(maximum_length=maximum_length)
    acceptor = Peer(Role.ACCEPTOR)
    acceptor.feed(msgspec.structs.replace(REQUEST, user_information=information).encode())
    acceptor.association.accept(ACCEPT, acceptor.now)
    acceptor.take_sent()
    acceptor.association.send_command(1, ECHO, acceptor.now)
    sent = acceptor.take_sent()
    longest = int.from_bytes(sent[2:6])  # the first PDU is the longest
    assert longest <= (maximum_length or 1 << 18)
    assert longest % 2 == 0  # fragments have an even length (PS3.8 E.1)
    reader = peer_in(Role.REQUESTOR, State.STA6)
    assert reader.feed(sent) == [CommandReceived(1, ECHO)]


# ---- ending ----


def test_release_by_the_requestor() -> None:
    pair = Pair().established()
    pair.requestor.association.release(pair.now)
    assert pair.settle() == ([], [ReleaseRequested()])
    pair.acceptor.association.release_response(pair.now)
    assert pair.settle() == ([Released()], [])
    assert pair.requestor.association.closed
    assert pair.states == (State.STA1, State.STA13)


def test_response_may_be_sent_before_a_release_is_answered() -> None:
    """AR-7: the acceptor still owes; AR-6: the requestor still takes."""
    pair = Pair().established()
    pair.requestor.association.send_command(1, ECHO, pair.now)
    pair.requestor.association.release(pair.now)
    assert pair.settle() == ([], [CommandReceived(1, ECHO), ReleaseRequested()])
    response = response_to(ECHO, Status.SUCCESS)
    pair.acceptor.association.send_command(1, response, pair.now)
    pair.acceptor.association.release_response(pair.now)
    assert pair.settle() == ([CommandReceived(1, response), Released()], [])


def test_whole_data_set_is_delivered_while_we_await_a_release_response() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA7)
    news = acceptor.feed(STORE_PDU, p_data(3, 2, b"data"), RELEASE_RP)
    assert news == [CommandReceived(3, STORE), DataSetFragment(3, b"data", last=True), Released()]


def test_release_collision() -> None:
    """Both ask at once; the requestor answers first (PS3.8 7.2.2), through Sta9 to Sta12."""
    pair = Pair().established()
    pair.requestor.association.release(pair.now)
    pair.acceptor.association.release(pair.now)
    assert pair.settle() == ([ReleaseRequested()], [ReleaseRequested()])
    assert pair.states == (State.STA9, State.STA10)
    pair.requestor.association.release_response(pair.now)
    assert pair.settle() == ([], [Released()])
    assert pair.states == (State.STA11, State.STA12)
    pair.acceptor.association.release_response(pair.now)
    assert pair.settle() == ([Released()], [])
    assert pair.states == (State.STA1, State.STA13)
    assert pair.acceptor.end() == []
    assert pair.acceptor.association.closed


@pytest.mark.parametrize("primitive", ["release", "abort"])
def test_nothing_is_pending_after_the_end(primitive: str) -> None:
    pair = Pair().established()
    getattr(pair.requestor.association, primitive)(pair.now)
    pair.settle()
    for side in (pair.requestor, pair.acceptor):
        side.end()
        assert side.association.closed
        assert side.run() == []
        assert side.take_sent() == b""


def test_abort_reaches_the_other_side() -> None:
    pair = Pair().established()
    pair.requestor.association.abort(pair.now)
    assert pair.settle() == ([], [AbortedByPeer(0, 0)])
    assert pair.states == (State.STA13, State.STA1)


def test_data_that_was_under_way_when_we_aborted_is_ignored() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    acceptor.association.abort(acceptor.now)
    assert acceptor.feed(STORE_PDU, p_data(3, 0, b"ab"), p_data(3, 2, b"cd"), RELEASE_RQ, PEER_ABORT) == []
    assert acceptor.take_sent() == PEER_ABORT
    assert (
        acceptor.association.state is State.STA13
    )  # the data set was not awaited: nothing is read behind it
    assert acceptor.end() == []
    assert acceptor.association.closed


def test_data_set_that_was_under_way_when_we_aborted_is_read_past() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    acceptor.feed(STORE_PDU, p_data(3, 0, b"ab"))
    acceptor.association.abort(acceptor.now)
    assert acceptor.feed(p_data(3, 0, b"cd"), p_data(3, 2, b"ef"), ECHO_PDU, RELEASE_RQ) == []
    assert acceptor.association.state is State.STA13
    assert acceptor.feed(PEER_ABORT) == []
    assert acceptor.association.closed


def test_connection_that_fails_is_lost(tmp_path: Path) -> None:
    """A descriptor that is no socket fails at the first receive, as a reset connection does."""
    with (tmp_path / "no socket").open("w+b") as file:
        link = native.Link(receive_from=file.fileno())
        association = Association(Role.REQUESTOR, link, limits=LIMITS, now=0.0)
        association.request(REQUEST, 0.0)
        assert association.next_event(0.0) == ConnectionLost()
    assert association.closed


def test_connection_that_breaks_in_mid_message_is_lost() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    acceptor.feed(STORE_PDU, p_data(3, 0, b"half"))
    assert acceptor.end() == [ConnectionLost()]
    assert acceptor.association.closed
    assert acceptor.take_sent() == b""


# ---- a PDU that ends after its state did ----


@pytest.mark.parametrize("pdu", [ACCEPT.encode(), REJECT.encode()], ids=["AC", "RJ"])
def test_answer_that_ends_after_our_abort_happens_no_more(pdu: bytes) -> None:
    requestor = peer_in(Role.REQUESTOR, State.STA5)
    requestor.feed(pdu[:8])
    requestor.association.abort(requestor.now)
    assert requestor.feed(pdu[8:]) == []
    assert requestor.association.state is State.STA13
    assert requestor.association.contexts == {}


def test_abort_that_ends_after_our_abort_closes_without_a_word() -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA6)
    acceptor.feed(PEER_ABORT[:7])
    acceptor.association.abort(acceptor.now)
    assert acceptor.feed(PEER_ABORT[7:]) == []
    assert acceptor.association.closed


# ---- answers that do not fit what was asked ----

ODD_ANSWERS = {
    "context not proposed": ((PresentationContextResult(7, 0, uids.IMPLICIT_VR_LITTLE_ENDIAN),), 5),
    "refused context not proposed": ((PresentationContextResult(7, 3, ""),), 5),
    "transfer syntax not proposed": ((PresentationContextResult(1, 0, uids.EXPLICIT_VR_LITTLE_ENDIAN),), 6),
    "no transfer syntax": ((PresentationContextResult(1, 0, ""),), 6),
}


def _answer(contexts: tuple[PresentationContextResult, ...]) -> AssociateAC:
    return msgspec.structs.replace(ACCEPT, presentation_contexts=contexts)


@pytest.mark.parametrize(("contexts", "reason"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_odd_answer_of_the_peer_is_aborted(
    contexts: tuple[PresentationContextResult, ...], reason: int
) -> None:
    requestor = peer_in(Role.REQUESTOR, State.STA5)
    (aborted,) = requestor.feed(_answer(contexts).encode())
    assert isinstance(aborted, AbortedByUs)
    assert aborted.reason == reason
    assert requestor.take_sent() == Abort(2, reason).encode()
    assert requestor.association.contexts == {}


@pytest.mark.parametrize(("contexts", "_reason"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_odd_answer_of_ours_is_not_sent(
    contexts: tuple[PresentationContextResult, ...], _reason: int
) -> None:
    acceptor = peer_in(Role.ACCEPTOR, State.STA3)
    with pytest.raises(LocalProtocolError, match="presentation context"):
        acceptor.association.accept(_answer(contexts), acceptor.now)
    assert acceptor.take_sent() == b""
    assert acceptor.association.state is State.STA3
    acceptor.association.accept(ACCEPT, acceptor.now)
    assert acceptor.association.state is State.STA6


# ---- local misuse: what the table cannot forbid ----


@pytest.mark.parametrize("context_id", [5, 7], ids=["refused", "never proposed"])
def test_message_on_a_context_that_was_not_accepted(context_id: int) -> None:
    association = peer_in(Role.REQUESTOR, State.STA6).association
    for misuse in (
        lambda: association.send_command(context_id, ECHO, 0.0),
        lambda: association.send_data_set(context_id, b"", 0.0, last=True),
        lambda: association.encode_command(context_id, ECHO),
    ):
        with pytest.raises(LocalProtocolError, match=f"presentation context {context_id} was not accepted"):
            misuse()
    assert association.data_to_send() == b""


def test_data_set_outside_of_an_established_association() -> None:
    association = peer_in(Role.REQUESTOR, State.STA7).association
    with pytest.raises(LocalProtocolError, match="EVT9 is not possible in STA7"):
        association.send_data_set(3, b"", 0.0, last=True)


def test_second_request_does_not_replace_the_first() -> None:
    requestor = peer_in(Role.REQUESTOR, State.STA5)
    with pytest.raises(LocalProtocolError):
        requestor.association.request(msgspec.structs.replace(REQUEST, presentation_contexts=()), 0.0)
    assert requestor.feed(ACCEPT.encode()) == [AssociationAccepted(ACCEPT)]


def test_request_that_cannot_be_encoded_changes_nothing() -> None:
    peer = Peer(Role.REQUESTOR)
    beyond_latin_1 = msgspec.structs.replace(REQUEST, called_ae_title="\N{SNOWMAN}")
    with pytest.raises(LocalProtocolError):
        peer.association.request(beyond_latin_1, peer.now)
    assert peer.association.state is State.STA4
    assert peer.take_sent() == b""


def test_between_messages_a_link_may_be_lent() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA3)
    assert not peer.association.between_messages
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.association.between_messages
    peer.feed(STORE_PDU)
    assert not peer.association.between_messages
    peer.feed(p_data(3, 2, b"ab"))
    assert peer.association.between_messages
    peer.feed(PEER_ABORT[:6])  # its body is awaited
    assert not peer.association.between_messages
