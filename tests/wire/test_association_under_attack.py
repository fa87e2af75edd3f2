"""An acceptor, and a peer that keeps the rules for as long as it likes and then does anything whatever.

While it keeps them, everything that it sends comes to its end and is answered once. When it does not, the
association ends: with one A-ABORT at most and nothing behind it, with nothing kept that a length asked for,
and in time, whatever the peer goes on to send or not to send.
"""

import itertools
import math

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from association_peer import (
    ACCEPT,
    ECHO_PDU,
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
)
from port104.wire.association import AssociationLimits, Role
from port104.wire.command import Command, CommandField, Status, decode_command, has_response, response_to
from port104.wire.events import (
    AbortedByPeer,
    AbortedByUs,
    AssociationRequested,
    CommandReceived,
    ConnectionLost,
    DataSetFragment,
    Event,
    ReleaseRequested,
)
from port104.wire.negotiation import NegotiationPolicy, negotiate, rejection_of
from port104.wire.pdu import PDU, Abort, AssociateRQ, PDataTF, decode
from port104.wire.states import State

LIMITS = AssociationLimits(
    artim=30.0,
    request=20.0,
    idle=60.0,
    message=40.0,
    minimum_rate=5.0,
    rate_grace=10.0,
    maximum_length=MAXIMUM_LENGTH,
)
POLICY = NegotiationPolicy(maximum_length=MAXIMUM_LENGTH)
REQUEST_PDU = REQUEST.encode()
COMMAND, LAST = 1, 2  # message control header bits (PS3.8 E.2)
CHANCES, RARE = st.integers(0, 19), 19
LARGEST_PDU = 1 << 20  # of an association's request, the longest thing that is collected before it is read
LARGEST_COMMAND = 64 * 1024

# What does not belong, or not here.
FOREIGN = st.sampled_from(
    [
        REQUEST_PDU,
        ACCEPT.encode(),
        REJECT.encode(),
        RELEASE_RP,
        RELEASE_RQ,
        PEER_ABORT,
        ECHO_PDU,
        STORE_PDU,
        p_data(3, 0, b"0123"),
        p_data(3, 2, b"45"),
        p_data(1, COMMAND, b""),
        p_data(5, 3, b"on a context that was refused"),
        b"\x04\0\0\0\0\x06\0\0\0\x01\x01\x03",
        b"\x04\0\0\0\0\0",
        bytes(6),
        b"\x16\x03\x01\x02\0\x01",
    ]
)
KINDS = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF])
LENGTHS = st.sampled_from([0, 1, 4, 5, 67, 68, MAXIMUM_LENGTH, MAXIMUM_LENGTH + 1, 1 << 20, 0xFFFFFFFF])


def header(kind: int, length: int) -> bytes:
    """A PDU's header, which may state any length."""
    return bytes([kind, 0]) + length.to_bytes(4, "big")


# Each is right in another place.
MISPLACED = st.sampled_from(
    [
        STORE_PDU + RELEASE_RQ,
        STORE_PDU + ECHO_PDU,
        STORE_PDU + p_data(1, LAST, b"on another context"),
        p_data(3, LAST, b"first") + STORE_PDU,
        STORE_PDU + p_data(3, LAST, b"once") * 2,
        REQUEST_PDU,
        RELEASE_RQ * 2,
    ]
)
WRONG = st.one_of(
    MISPLACED,
    FOREIGN,
    st.builds(bytes.__mul__, FOREIGN, st.sampled_from([2, 50, 2_000])),
    st.builds(lambda pdu, left: pdu[:left], FOREIGN, st.integers(1, 12)),
    st.builds(lambda kind, length, body: header(kind, length) + body, KINDS, LENGTHS, st.binary(max_size=40)),
    st.sampled_from([20, 2_000]).map(
        lambda size: p_data(1, COMMAND, bytes(size)) * (2 * LARGEST_COMMAND // size)
    ),
)
# How large a message's fragments are: one after the other, and round again.
SIZES = st.lists(st.sampled_from([40, 0, 1, 2, 7, MAXIMUM_LENGTH - 6]), max_size=3).map(
    lambda sizes: [*sizes, 40]
)
MESSAGE_KINDS = st.sampled_from(["store"] * 9 + ["echo"] * 4 + ["release"])
MESSAGES = st.tuples(MESSAGE_KINDS, st.binary(max_size=300), SIZES)
SECONDS = st.sampled_from([0.0] * 8 + [0.1] * 8 + [1.0, 2.0, 9.0, 29.0, 100.0])
RIGHT_FOR = st.sampled_from([3, 10, 5, 1, 0])
MOSTLY = st.sampled_from([True, True, True, False])
COUNTS = st.sampled_from([1 << 20] * 6 + [0, 1, 2, 6, 7, 30, 100, 1_000])


def cut(context_id: int, control: int, content: bytes, sizes: list[int]) -> bytes:
    """`content` in P-DATA-TF PDUs of one fragment each."""
    pdus, at = b"", 0
    for size in itertools.cycle(sizes):
        last = at + size >= len(content)
        pdus += p_data(context_id, control | (LAST if last else 0), content[at : at + size])
        at += size
        if last:
            return pdus
    raise AssertionError


def pdus_of(sent: bytes) -> list[PDU]:
    """What was sent, which must be whole."""
    pdus = []
    while sent:
        length = int.from_bytes(sent[2:6], "big")
        assert len(sent) >= 6 + length
        pdus.append(decode(sent[0], sent[6 : 6 + length]))
        sent = sent[6 + length :]
    return pdus


def responses_in(pdus: list[PDU]) -> list[Command]:
    """The command sets among them; each fragment of ours is in a PDU of its own."""
    responses, command_set = [], b""
    for pdu in pdus:
        for pdv in pdu.pdvs if isinstance(pdu, PDataTF) else ():
            command_set += pdv.fragment
            if pdv.control & LAST:
                responses.append(decode_command(command_set))
                command_set = b""
    assert not command_set
    return responses


class UnderAttack(RuleBasedStateMachine):
    """`wire` is what the peer sent and has not come yet; `told` what we were told, and acted on."""

    @initialize(lives=st.lists(st.tuples(RIGHT_FOR, MOSTLY, MOSTLY), min_size=1, max_size=5))
    def connect(self, lives: list[tuple[int, bool, bool]]) -> None:
        """For how many steps each peer keeps the rules, whether we accept it, and it requests at once."""
        self.lives = itertools.cycle(lives)
        self.begin()

    def begin(self) -> None:
        """Let the next connection come."""
        self.right_for, self.accepts, at_once = next(self.lives)
        self.peer = Peer(Role.ACCEPTOR, limits=LIMITS)
        self.association = self.peer.association
        self.wire = b""
        self.told: list[Event] = []
        self.honest = self.in_time = True
        self.releasing = self.leaves = self.ended = False
        self.message_id = 0
        self.sent_stores: dict[int, bytes] = {}
        self.command: Command | None = None  # whose data set is coming
        self.content = b""
        self.stored: dict[int, bytes] = {}
        self.answers: list[int] = []
        if at_once:
            self.wire = REQUEST_PDU
            self.deliver(len(REQUEST_PDU))

    # ---- a right peer ----

    @property
    def may_begin(self) -> bool:
        """Whether a message, or the release, is the right thing to send."""
        return self.honest and self.accepts and not self.releasing and not self.leaves

    @rule(message=MESSAGES, count=COUNTS, seconds=SECONDS)
    def keep_the_rules(self, message: tuple[str, bytes, list[int]], count: int, seconds: float) -> None:
        self.right_for -= 1
        if self.association.closed:
            self.begin()
        kind, data, sizes = message
        if not self.may_begin:
            pass
        elif self.association.state is State.STA2:
            self.wire += REQUEST_PDU if not self.wire else b""
        elif kind == "store":
            self.store(data, sizes)
        elif kind == "echo":
            self.wire += ECHO_PDU
        else:
            self.wire += RELEASE_RQ
            self.releasing = True
        self.deliver(count)
        self.wait(seconds)

    def store(self, data: bytes, sizes: list[int]) -> None:
        self.message_id += 1
        command = msgspec.structs.replace(STORE, message_id=self.message_id)
        self.wire += cut(3, COMMAND, command.encode(), sizes) + cut(3, 0, data, sizes)
        self.sent_stores[self.message_id] = data

    @precondition(lambda self: not self.leaves)
    @rule(chance=CHANCES, says=st.booleans())
    def leave(self, chance: int, says: bool) -> None:
        if chance != RARE:
            return
        self.leaves = True
        if says:
            self.wire += PEER_ABORT
        else:
            self.ended = True
            self.peer.link.end()
            self.read()

    def deliver(self, count: int) -> None:
        piece, self.wire = self.wire[:count], self.wire[count:]
        taken = 0
        while taken < len(piece) and not self.ended and not self.association.closed:
            taken += self.peer.link.feed(piece[taken:])
            self.read()

    # ---- a malicious one ----

    @property
    def may_attack(self) -> bool:
        """Whether it has kept the rules for long enough."""
        return self.right_for <= 0

    @precondition(lambda self: self.may_attack)
    @rule(wrong=WRONG, count=COUNTS, seconds=SECONDS)
    def break_the_rules(self, wrong: bytes, count: int, seconds: float) -> None:
        self.honest = False
        self.wire += wrong
        self.deliver(count)
        self.wait(seconds)

    @precondition(lambda self: self.may_attack and self.wire)
    @rule(at=st.integers(0, 1 << 20), bit=st.integers(0, 7), length=st.sampled_from([0, 1, 6, 40]))
    def garble(self, at: int, bit: int, length: int) -> None:
        """Lose some bytes of what is under way, or flip a bit of one."""
        self.honest = False
        at %= len(self.wire)
        if length:
            self.wire = self.wire[:at] + self.wire[at + length :]
        else:
            self.wire = self.wire[:at] + bytes([self.wire[at] ^ 1 << bit]) + self.wire[at + 1 :]

    # ---- time ----

    def wait(self, seconds: float) -> None:
        """Let time pass; as the shell does, look at every deadline in it."""
        until = self.peer.now + seconds
        while (deadline := self.association.next_deadline()) <= until and not self.association.closed:
            self.peer.now = max(self.peer.now, deadline)
            self.association.handle_timer(self.peer.now)
            self.read()
        self.peer.now = until

    # ---- our side, as the session does it ----

    def read(self) -> None:
        association = self.association
        while (event := association.next_event(self.peer.now)) is not None:
            assert not self.is_over, event
            self.told.append(event)
            self.act(event)
        self.peer.sent += association.data_to_send()
        self.in_time &= not any(isinstance(event, AbortedByUs) and not event.reason for event in self.told)

    def act(self, event: Event) -> None:
        association, now = self.association, self.peer.now
        match event:
            case AssociationRequested(request=request):
                self.answer(request)
            case ReleaseRequested():
                assert self.command is None
                association.release_response(now)
            case CommandReceived(command=command) if command.has_data_set:
                self.command, self.content = command, b""
            case CommandReceived(context_id=context_id, command=command) if has_response(command):
                association.send_command(context_id, response_to(command, Status.SUCCESS), now)
            case DataSetFragment():
                self.take(event)
            case _:
                pass

    def answer(self, request: AssociateRQ) -> None:
        if self.accepts and rejection_of(request) is None:
            self.association.accept(negotiate(request, POLICY), self.peer.now)
        else:
            self.association.reject(REJECT, self.peer.now)

    def take(self, event: DataSetFragment) -> None:
        assert self.command is not None
        self.content += event.data
        if not event.last:
            return
        command, self.command = self.command, None
        if command.field == CommandField.C_STORE_RQ:
            self.stored[command.message_id or 0] = self.content
            self.answers.append(command.message_id or 0)
        if has_response(command):
            response = response_to(command, Status.SUCCESS)
            self.association.send_command(event.context_id, response, self.peer.now)

    @property
    def is_over(self) -> bool:
        ends = (AbortedByPeer, AbortedByUs, ConnectionLost)
        return any(isinstance(event, ends) for event in self.told)

    # ---- what always holds ----

    @invariant()
    def only_whole_pdus_are_sent_and_none_after_an_abort(self) -> None:
        pdus = pdus_of(self.peer.sent)
        aborts = [at for at, pdu in enumerate(pdus) if isinstance(pdu, Abort)]
        assert aborts in ([], [len(pdus) - 1])
        commands = [decode_command(pdu.pdvs[0].fragment) for pdu in pdus if isinstance(pdu, PDataTF)]
        answered = [
            one.message_id_being_responded_to for one in commands if one.field == CommandField.C_STORE_RSP
        ]
        assert answered == self.answers

    @invariant()
    def a_right_peer_is_not_aborted(self) -> None:
        if self.honest and self.in_time:
            assert not any(isinstance(event, AbortedByUs) for event in self.told)
            assert self.stored == {one: self.sent_stores[one] for one in self.answers}

    @invariant()
    def somebody_waits_for_the_peer_only_until_a_deadline(self) -> None:
        assert self.association.closed or self.association.next_deadline() < math.inf

    @invariant()
    def no_more_is_kept_than_came(self) -> None:
        association = self.association
        assert len(association._body or b"") <= LARGEST_PDU
        assert len(association._command) <= LARGEST_COMMAND
        assert not association._events

    def teardown(self) -> None:
        """What is under way comes; then the peer falls silent, and it ends."""
        right = self.honest and self.in_time and not self.leaves
        self.deliver(1 << 22)
        if right and self.accepts and self.in_time:
            assert self.stored == self.sent_stores
        began = self.peer.now
        while not self.association.closed:
            assert self.peer.now - began <= LIMITS.idle + LIMITS.message + LIMITS.artim
            self.wait(10.0)
        self.only_whole_pdus_are_sent_and_none_after_an_abort()


TestUnderAttack = UnderAttack.TestCase
TestUnderAttack.settings = settings(max_examples=300, stateful_step_count=50, deadline=None, derandomize=True)
