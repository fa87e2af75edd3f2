"""Two sides that do anything the table allows, in any order, over a slow wire: they never fall out."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from association_peer import ACCEPT, ECHO, REQUEST, STORE, Peer
from port104.wire.association import Role
from port104.wire.events import (
    AbortedByPeer,
    AbortedByUs,
    CommandReceived,
    ConnectionLost,
    DataSetFragment,
    Event,
    Released,
    ReleaseRequested,
)
from port104.wire.states import TRANSITIONS, Evt, State

SIDES = st.sampled_from([Role.REQUESTOR, Role.ACCEPTOR])
OTHER = {Role.REQUESTOR: Role.ACCEPTOR, Role.ACCEPTOR: Role.REQUESTOR}
NOW = 100.0


class TwoSides(RuleBasedStateMachine):
    """Both keep the rules, so neither may find the other at fault, and what was sent comes."""

    @initialize()
    def connect(self) -> None:
        self.sides = {role: Peer(role) for role in Role}
        self.wire = dict.fromkeys(Role, b"")  # sent, and not yet received by the other
        self.data_is_due = dict.fromkeys(Role, False)  # a C-STORE-RQ was sent, and its data set was not
        self.data_sent = dict.fromkeys(Role, b"")
        self.commands_sent = dict.fromkeys(Role, 0)
        self.aborted = False
        self.sides[Role.REQUESTOR].association.request(REQUEST, NOW)
        self.send(Role.REQUESTOR)
        self.deliver(Role.REQUESTOR, 1 << 20)
        self.sides[Role.ACCEPTOR].association.accept(ACCEPT, NOW)
        self.send(Role.ACCEPTOR)  # and is still under way

    def may(self, role: Role, event: Evt) -> bool:
        return (event, self.sides[role].association.state) in TRANSITIONS

    def may_begin(self, role: Role) -> bool:
        """Whether a new message, or a release, may begin."""
        return self.sides[role].association.state is State.STA6 and not self.data_is_due[role]

    def send(self, role: Role) -> None:
        self.wire[role] += self.sides[role].take_sent()

    @rule(role=SIDES, count=st.sampled_from([1, 5, 10, 30, 100, 1000, 1000]))
    def deliver(self, role: Role, count: int) -> None:
        piece, self.wire[role] = self.wire[role][:count], self.wire[role][count:]
        self.sides[OTHER[role]].feed(piece)
        self.send(OTHER[role])

    @rule(role=SIDES)
    def echo(self, role: Role) -> None:
        if self.may_begin(role):
            self.sides[role].association.send_command(1, ECHO, NOW)
            self.commands_sent[role] += 1
            self.send(role)

    @rule(role=SIDES)
    def store(self, role: Role) -> None:
        if self.may_begin(role):
            self.sides[role].association.send_command(3, STORE, NOW)
            self.commands_sent[role] += 1
            self.data_is_due[role] = True
            self.send(role)

    @rule(role=SIDES, data=st.binary(max_size=50), last=st.booleans())
    def data_set(self, role: Role, data: bytes, last: bool) -> None:
        if self.data_is_due[role] and self.may(role, Evt.EVT9):
            self.sides[role].association.send_data_set(3, data, NOW, last=last)
            self.data_sent[role] += data
            self.data_is_due[role] = not last
            self.send(role)

    @rule(role=SIDES)
    def release(self, role: Role) -> None:
        if self.may_begin(role):
            self.sides[role].association.release(NOW)
            self.send(role)

    @rule(role=SIDES)
    def answer_release(self, role: Role) -> None:
        if self.may(role, Evt.EVT14) and not self.data_is_due[role]:
            self.sides[role].association.release_response(NOW)
            self.send(role)

    @rule(role=SIDES, chance=st.sampled_from(range(40)))
    def abort(self, role: Role, chance: int) -> None:
        if chance == 39 and self.may(role, Evt.EVT15):
            self.sides[role].association.abort(NOW)
            self.aborted = True
            self.send(role)

    def told(self, role: Role, kind: type[Event]) -> bool:
        return any(isinstance(event, kind) for event in self.sides[role].happened)

    @invariant()
    def nobody_is_at_fault(self) -> None:
        for role in self.sides:
            assert not self.told(role, AbortedByUs)
            assert not self.told(role, ConnectionLost)

    @invariant()
    def data_comes_as_it_was_sent(self) -> None:
        for role, sent in self.data_sent.items():
            assert sent.startswith(self.data_received_from(role))

    def data_received_from(self, role: Role) -> bytes:
        events = self.sides[OTHER[role]].happened
        return b"".join(event.data for event in events if isinstance(event, DataSetFragment))

    def teardown(self) -> None:
        """Whatever happened, both come to an end, and agree on which."""
        for _ in range(4):
            self.go_on_to_the_end()
        self.nobody_is_at_fault()
        if self.aborted:
            assert not (self.told(Role.REQUESTOR, AbortedByPeer) and self.told(Role.ACCEPTOR, AbortedByPeer))
        else:
            self.agree_on_the_release()
        for side in self.sides.values():
            assert side.end() == []
            assert side.association.closed

    def go_on_to_the_end(self) -> None:
        for role in Role:
            self.data_set(role, b"", last=True)
            self.answer_release(role)
            self.deliver(role, 1 << 20)
        self.release(Role.REQUESTOR)

    def agree_on_the_release(self) -> None:
        for role in Role:
            assert self.told(role, Released) == self.told(OTHER[role], ReleaseRequested)
            assert self.data_received_from(role) == self.data_sent[role]
            came = [event for event in self.sides[OTHER[role]].happened if isinstance(event, CommandReceived)]
            assert len(came) == self.commands_sent[role]
        assert any(self.told(role, Released) for role in Role)


TestTwoSides = TwoSides.TestCase
TestTwoSides.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
