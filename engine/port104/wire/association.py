"""One association, either role, without I/O: bytes in -> events out, primitives in -> bytes out.

Rules that this room keeps:
- every PDU, primitive and timer is an event of table 9-10 (states.py), and only its action acts;
- a peer can cause events, never an exception; local misuse raises LocalProtocolError;
- bytes come from a native link, which is fed from memory or receives from its socket: the association
  does not know which, and time is an argument;
- nothing is buffered because a length field says so: bodies are collected as they come, up to a cap.
"""

import enum
import math
from collections import deque
from typing import cast

from port104 import native
from port104.errors import LocalProtocolError, RemoteProtocolError
from port104.wire import fragmentation
from port104.wire.agreement import AcceptedContext, Agreement, agree, maximum_length_of
from port104.wire.command import Command, decode_command
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
from port104.wire.faults import EVENT_OF, header_fault, scan_fault
from port104.wire.items import invalid, unexpected
from port104.wire.patience import Patience, PatienceLimits, Sight
from port104.wire.pdu import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    ReleaseRP,
    ReleaseRQ,
    decode,
)
from port104.wire.states import TRANSITIONS, Action, Evt, State, next_state

_SERVICE_USER, _SERVICE_PROVIDER = 0, 2  # sources of A-ABORT (PS3.8 9.3.8)
_NOT_SPECIFIED, _UNEXPECTED_PDU = 0, 2

# A command set is a few hundred bytes; the longest list of (0000,0901) tags fits many times over.
_COMMAND_CAP = 64 * 1024

# PDUs and fragments that a peer may send after the end before it is heard no more. It had some under way; a
# megabyte of empty ones would keep the event loop, which other associations need, for a second.
_HEARD_AFTER_THE_END = 1_000

# Actions that look at the PDU: for these its body is collected, for all others it is passed over.
_READING = frozenset({Action.AE_3, Action.AE_4, Action.AE_6, Action.AA_3})
# States that end by a PDU of the peer or by ARTIM; Sta5, Sta7, Sta10 and Sta11 have no timer in
# table 9-10, but a silent peer must not hold a connection for ever.
_WAITING_FOR_PEER = frozenset({State.STA2, State.STA5, State.STA7, State.STA10, State.STA11, State.STA13})


class Role(enum.Enum):
    """Who requested the association (PS3.8 3.5)."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


class AssociationLimits(PatienceLimits, frozen=True, kw_only=True):
    """Times in seconds. `artim` also bounds the waits for A-ASSOCIATE-AC and A-RELEASE-RP (Sta5, Sta7).

    In Sta2 it runs from the connection to the last byte of the A-ASSOCIATE-RQ, however that comes;
    `request` bounds the part from its header on. `maximum_length`: of the P-DATA-TF PDUs that we receive,
    in bytes. The others bound an established association's silence and messages.
    """

    artim: float = 30.0
    request: float = math.inf
    maximum_length: int = 1 << 20


class Association:
    """The upper layer of one connection.

    Call `next_event` until it returns None, send `data_to_send`, wait for bytes or `next_deadline`, and
    once `closed` is True close the connection. An acceptor starts when the connection is open (Evt5).
    """

    def __init__(self, role: Role, link: native.Link, *, limits: AssociationLimits, now: float) -> None:
        self.role = role
        self.state = State.STA2 if role is Role.ACCEPTOR else State.STA4
        self.contexts: dict[int, AcceptedContext] = {}
        self.window = 1  # operations that the requestor may have outstanding
        self.peer_maximum_length = 0  # of the P-DATA-TF PDUs that the peer receives; 0 = unlimited
        self.closed = False
        self._link = link
        self._limits = limits
        self._events: deque[Event] = deque()
        self._due: list[bytes] = []
        self._proposed: AssociateRQ  # before Sta3 and Sta5, the only states that ask for it
        self._deadline = now + limits.artim if role is Role.ACCEPTOR else math.inf
        self._patience = Patience(limits, now)
        self._messages = 0  # that came to this association itself, in parts
        self._pdu_type = 0
        self._body: bytearray | None = None  # of the PDU that is being collected
        self._abort_sent = False
        self._ignored = 0  # what came after the end
        self._command = bytearray()

    # ---- what happened ----

    def next_event(self, now: float) -> Event | None:
        """What happened next; None when more bytes are needed, or the association is over."""
        while not self._events and not self.closed and self.state is not State.STA4:
            found = self._link.next()
            if found == native.WOULD_BLOCK:
                self._patience.note(now, self._link.received)
                return None
            self._take(found, now)
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes:
        """Take the bytes that must be sent now, in order."""
        if not self._due:
            return b""
        due = b"".join(self._due)
        self._due.clear()
        return due

    @property
    def between_messages(self) -> bool:
        """Whether a message may begin with the next byte: the link may be lent to who takes messages."""
        at_rest = not self._events and self._body is None and not self._link.in_message
        return at_rest and self.state is State.STA6

    # ---- time ----

    def next_deadline(self) -> float:
        """When `handle_timer` must be called, on the clock of `now`; infinity for never."""
        if self.state is not State.STA6:
            return self._deadline
        return self._patience.next_look()

    def handle_timer(self, now: float, *, taken: int = 0) -> None:
        """The deadline has passed: ARTIM, or it is time to look at the peer. `taken`: see `look`."""
        if now < self.next_deadline():
            return
        if self.state is State.STA6:
            self.look(now, taken=taken)
        elif (Evt.EVT18, self.state) in TRANSITIONS:
            if self.state is State.STA2:
                self._tell_abort(_NOT_SPECIFIED, "no whole A-ASSOCIATE-RQ came in time")
            self._step(Evt.EVT18, now)
        else:
            self._tell_abort(_NOT_SPECIFIED, "the peer was silent for too long")
            self._step(Evt.EVT15, now)

    def note_input(self, now: float) -> None:
        """Bytes may have come on the link that the association does not see: the peer is not silent then."""
        self._patience.note(now, self._link.received)

    def look(self, now: float, *, taken: int = 0, waits_for_us: bool = False) -> None:
        """Look whether the peer of an established association is to be given up, also while the link is lent.

        `taken`: messages that came to their end where the link was lent to. `waits_for_us`: see Sight.
        """
        if self.state is not State.STA6:
            return
        message = self._messages + taken if self._link.owed else None
        why = self._patience.look(now, Sight(self._link.received, message, waits_for_us))
        if why:
            self._tell_abort(_NOT_SPECIFIED, why)
            self._step(Evt.EVT15, now)

    def silent_since(self, now: float) -> float:
        """When the peer was last known not to be silent; asked while the link is lent, too."""
        self.note_input(now)
        return self._patience.heard

    # ---- primitives of the local user ----

    def request(self, request: AssociateRQ, now: float) -> None:
        """A-ASSOCIATE request, on a connection that is open (Evt2)."""
        self._require(Evt.EVT2)
        self._due.append(request.encode())
        self._proposed = request
        self._step(Evt.EVT2, now)

    def accept(self, accept: AssociateAC, now: float) -> None:
        """A-ASSOCIATE response, accepted. Raises LocalProtocolError where it does not fit the request."""
        self._require(Evt.EVT7)
        try:
            agreement = agree(self._proposed, accept)
        except RemoteProtocolError as fault:
            raise LocalProtocolError(str(fault)) from fault
        self._due.append(accept.encode())
        self._establish(agreement)
        self._step(Evt.EVT7, now)

    def reject(self, reject: AssociateRJ, now: float) -> None:
        """A-ASSOCIATE response, rejected."""
        self._require(Evt.EVT8)
        self._due.append(reject.encode())
        self._step(Evt.EVT8, now)

    def release(self, now: float) -> None:
        """A-RELEASE request."""
        self._require(Evt.EVT11)
        self._step(Evt.EVT11, now)

    def release_response(self, now: float) -> None:
        """A-RELEASE response, to ReleaseRequested."""
        self._require(Evt.EVT14)
        self._step(Evt.EVT14, now)

    def abort(self, now: float) -> None:
        """A-ABORT request. Does nothing where the association is over already."""
        if (Evt.EVT15, self.state) in TRANSITIONS:
            self._step(Evt.EVT15, now)

    def encode_command(self, context_id: int, command: Command) -> bytes:
        """Encode a command set as whole PDUs for this peer, without sending it."""
        self._require_context(context_id)
        return fragmentation.fragments(
            context_id,
            command.encode(),
            fragmentation.COMMAND,
            maximum_length=self.peer_maximum_length,
        )

    def send_command(self, context_id: int, command: Command, now: float) -> None:
        """P-DATA request with a command set."""
        self._require(Evt.EVT9)
        self._due.append(self.encode_command(context_id, command))
        self._step(Evt.EVT9, now)

    def send_data_set(self, context_id: int, data: bytes, now: float, *, last: bool) -> None:
        """P-DATA request with the next bytes of a data set, an even number of them (PS3.8 E.1)."""
        self._require(Evt.EVT9)
        self._require_context(context_id)
        self._due.append(
            fragmentation.fragments(context_id, data, 0, maximum_length=self.peer_maximum_length, last=last)
        )
        self._step(Evt.EVT9, now)

    def _require(self, event: Evt) -> None:
        if (event, self.state) not in TRANSITIONS:
            raise LocalProtocolError(f"{event.name} is not possible in {self.state.name}")

    def _require_context(self, context_id: int) -> None:
        if context_id not in self.contexts:
            raise LocalProtocolError(f"presentation context {context_id} was not accepted")

    # ---- what comes ----

    def _take(self, found: int, now: float) -> None:
        if found == native.COMMAND:
            self._take_command(now)
        elif found == native.DATA_SET:
            self._take_data_set(now)
        elif found == native.PDU_HEADER:
            self._take_header(now)
        elif found == native.PDU_BODY:
            self._take_body(now)
        elif found in (native.END_OF_STREAM, native.FAULT_SOCKET):
            self._step(Evt.EVT17, now)
        else:
            self._take_scan_fault(found, now)
        if self.state is State.STA13:
            self._hear_after_the_end()

    def _hear_after_the_end(self) -> None:
        """Read on, to see the peer abort; but not for ever."""
        self._ignored += 1
        if self._ignored > _HEARD_AFTER_THE_END:
            self._link.discard()

    def _take_scan_fault(self, found: int, now: float) -> None:
        self._link.discard()  # nothing behind the fault can be read
        if found == native.FAULT_FRAGMENT and self.state is State.STA13:
            self._step(Evt.EVT10, now)  # which fragment would fit is not followed there
        else:
            self._fault(scan_fault(found), now)

    def _take_command(self, now: float) -> None:
        link = self._link
        if self.state is not State.STA6 and not self._data_is_welcome(now):
            return
        if len(self._command) + link.length > _COMMAND_CAP:
            self._fault(invalid("a command set does not end"), now)
            return
        if not link.ends:
            self._command += link.data
            return
        data = link.data
        if self._command:
            data = bytes(self._command) + data
            self._command.clear()
        self._finish_command(link.context_id, data, now)

    def _finish_command(self, context_id: int, data: bytes, now: float) -> None:
        if context_id not in self.contexts:
            self._fault(unexpected(f"presentation context {context_id} was not accepted"), now)
            return
        try:
            command = decode_command(data)
        except RemoteProtocolError as fault:
            self._fault(fault, now)
            return
        self._messages += 1
        if command.has_data_set:
            self._link.expect_data_set()
        self._events.append(CommandReceived(context_id, command))

    def _take_data_set(self, now: float) -> None:
        link = self._link
        if self.state is State.STA6 or self._data_is_welcome(now):
            self._messages += link.ends
            self._events.append(DataSetFragment(link.context_id, link.data, link.ends))

    def _data_is_welcome(self, now: float) -> bool:
        """Whether the state lets P-DATA through; else it gets the answer that the table gives."""
        if self.state is State.STA7:  # AR-6: data may come until the peer has seen our release
            return True
        self._step(Evt.EVT10, now)
        return False

    def _take_header(self, now: float) -> None:
        link = self._link
        self._pdu_type = link.pdu_type
        fault = header_fault(link.pdu_type, link.pdu_length)
        if fault is not None:
            self._fault(fault, now)
            return
        event = EVENT_OF[link.pdu_type]
        if event is Evt.EVT6 and self.state is State.STA2:
            self._deadline = min(self._deadline, now + self._limits.request)
        if event is Evt.EVT12 and link.in_message and self.state is not State.STA13:
            self._fault(_unexpected_pdu("A-RELEASE-RQ came inside a message"), now)
        elif TRANSITIONS[event, self.state] in _READING:
            self._body = bytearray()
        else:
            self._step(event, now)

    def _take_body(self, now: float) -> None:
        if self._body is None:
            return
        self._body += self._link.data
        if not self._link.ends:
            return
        body, self._body = bytes(self._body), None
        event = EVENT_OF[self._pdu_type]
        # A primitive or a deadline may have moved the state on since the header came.
        if TRANSITIONS[event, self.state] in _READING:
            try:
                self._events.append(self._read(decode(self._pdu_type, body)))
            except RemoteProtocolError as fault:
                self._fault(fault, now)
                return
        self._step(event, now)

    def _read(self, pdu: PDU) -> Event:
        """A PDU whose fields matter; every other one is stepped at its header."""
        if isinstance(pdu, AssociateRQ):
            self.peer_maximum_length = maximum_length_of(pdu.user_information)
            self._proposed = pdu
            return AssociationRequested(pdu)
        if isinstance(pdu, AssociateAC):
            self.peer_maximum_length = maximum_length_of(pdu.user_information)
            self._establish(agree(self._proposed, pdu))
            return AssociationAccepted(pdu)
        if isinstance(pdu, AssociateRJ):
            return AssociationRejected(pdu)
        abort = cast("Abort", pdu)  # the last one of _READING
        return AbortedByPeer(abort.source, abort.reason)

    # ---- what follows ----

    def _establish(self, agreement: Agreement) -> None:
        """Let P-DATA through, on the terms that both sides agreed on."""
        self.contexts = agreement.contexts
        self.window = agreement.window
        self._link.establish(self._limits.maximum_length)

    def _fault(self, fault: RemoteProtocolError, now: float) -> None:
        """Evt19, or what the table calls unexpected: both end in AA-1, AA-7 or AA-8."""
        self._step(Evt.EVT19, now, fault)

    def _tell_abort(self, reason: int, detail: str) -> None:
        self._events.append(AbortedByUs(reason, detail))

    def _step(self, event: Evt, now: float, fault: RemoteProtocolError | None = None) -> None:
        """Do what table 9-10 says. `fault`: of Evt19, and why it came."""
        before = self.state
        action = TRANSITIONS[event, before]
        self.state = next_state(action, is_requestor=self.role is Role.REQUESTOR)
        self._set_timer(before, now)
        match action:
            case Action.AA_1 if event is Evt.EVT15:
                self._send_abort(Abort(_SERVICE_USER, _NOT_SPECIFIED))
            case Action.AA_1 | Action.AA_7 | Action.AA_8:
                # AA-1 too names the provider (table 9-9: the user), for only its reason tells what was wrong.
                fault = fault or _unexpected_pdu(f"{event.name} is unexpected in {before.name} (PS3.8 9.2.3)")
                self._send_abort(Abort(_SERVICE_PROVIDER, fault.reason))
                if action is not Action.AA_7:
                    self._tell_abort(fault.reason, str(fault))
            case Action.AA_4:
                self._events.append(ConnectionLost())
            case Action.AR_1:
                self._due.append(ReleaseRQ().encode())
            case Action.AR_4 | Action.AR_9:
                self._due.append(ReleaseRP().encode())
            case Action.AR_2 | Action.AR_8:
                self._events.append(ReleaseRequested())
            case Action.AR_3 | Action.AR_10:
                self._events.append(Released())
            case _:
                pass
        if self.state is State.STA1:
            self.closed = True

    def _send_abort(self, abort: Abort) -> None:
        """Send A-ABORT, once: AA-7 would answer each of a flood, and a second one says nothing new."""
        if not self._abort_sent:
            self._abort_sent = True
            self._due.append(abort.encode())

    def _set_timer(self, before: State, now: float) -> None:
        """ARTIM runs while a state waits for the peer, from when it was entered."""
        if self.state is before:
            return
        waits = self.state in _WAITING_FOR_PEER
        self._deadline = now + self._limits.artim if waits else math.inf


def _unexpected_pdu(detail: str) -> RemoteProtocolError:
    return RemoteProtocolError(detail, reason=_UNEXPECTED_PDU)
