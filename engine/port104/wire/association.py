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

import msgspec

from port104 import native
from port104.errors import LocalProtocolError, RemoteProtocolError
from port104.wire import fragmentation
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
from port104.wire.pdu import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDUType,
    PresentationContext,
    PresentationContextResult,
    ReleaseRP,
    ReleaseRQ,
    decode,
)
from port104.wire.states import TRANSITIONS, Action, Evt, State, next_state

# A-ABORT (PS3.8 9.3.8).
_SERVICE_USER, _SERVICE_PROVIDER = 0, 2
_NOT_SPECIFIED, _UNRECOGNISED_PDU, _UNEXPECTED_PDU = 0, 1, 2
_UNEXPECTED_PARAMETER, _INVALID_PARAMETER_VALUE = 5, 6

# 128 contexts of 100 transfer syntaxes each take 0.9 MiB; no peer comes near.
_ASSOCIATE_CAP = 1 << 20
# A command set is a few hundred bytes; the longest list of (0000,0901) tags fits many times over.
_COMMAND_CAP = 64 * 1024
_SHORT_PDU = 4  # A-ASSOCIATE-RJ, A-RELEASE-RQ, A-RELEASE-RP, A-ABORT (PS3.8 9.3.4, 9.3.6 to 9.3.8)

_EVENT_OF: dict[int, Evt] = {
    PDUType.ASSOCIATE_RQ: Evt.EVT6,
    PDUType.ASSOCIATE_AC: Evt.EVT3,
    PDUType.ASSOCIATE_RJ: Evt.EVT4,
    PDUType.DATA_TF: Evt.EVT10,
    PDUType.RELEASE_RQ: Evt.EVT12,
    PDUType.RELEASE_RP: Evt.EVT13,
    PDUType.ABORT: Evt.EVT16,
}
# Actions that look at the PDU: for these its body is collected, for all others it is passed over.
_READING = frozenset({Action.AE_3, Action.AE_4, Action.AE_6, Action.AA_3})
# States that end by a PDU of the peer or by ARTIM; Sta5, Sta7, Sta10 and Sta11 have no timer in
# table 9-10, but a silent peer must not hold a connection for ever.
_WAITING_FOR_PEER = frozenset({State.STA2, State.STA5, State.STA7, State.STA10, State.STA11, State.STA13})
_FAULTS = {
    native.FAULT_PDU_LENGTH: (
        _INVALID_PARAMETER_VALUE,
        "P-DATA-TF is longer than the maximum length that we stated",
    ),
    native.FAULT_PDV_LENGTH: (
        _INVALID_PARAMETER_VALUE,
        "a PDV item does not fit its P-DATA-TF PDU",
    ),
    native.FAULT_FRAGMENT: (
        _UNEXPECTED_PARAMETER,
        "a fragment came that the message in progress does not ask for",
    ),
}


class Role(enum.Enum):
    """Who requested the association (PS3.8 3.5)."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


class AssociationLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds. `artim` also bounds the waits for A-ASSOCIATE-AC and A-RELEASE-RP (Sta5, Sta7).

    `idle`: how long the peer may be silent while it owes something, or nobody does. `maximum_length`: of
    the P-DATA-TF PDUs that we receive, in bytes.
    """

    artim: float = 30.0
    idle: float = math.inf
    maximum_length: int = 1 << 20


class AcceptedContext(msgspec.Struct, frozen=True):
    """An accepted presentation context."""

    abstract_syntax: str
    transfer_syntax: str


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
        self.closed = False
        self._link = link
        self._limits = limits
        self._events: deque[Event] = deque()
        self._due: list[bytes] = []
        self._proposed: AssociateRQ | None = None
        self._peer_maximum_length = 0
        self._deadline = now + limits.artim if role is Role.ACCEPTOR else math.inf
        self._heard = now  # when the peer's last bytes came
        self._owed = 0  # operations that the peer waits for
        self._pdu_type = 0
        self._body: bytearray | None = None  # of the PDU that is being collected
        self._command = bytearray()

    # ---- what happened ----

    def next_event(self, now: float) -> Event | None:
        """What happened next; None when more bytes are needed, or the association is over."""
        while not self._events and not self.closed and self.state is not State.STA4:
            found = self._link.next()
            if found == native.COMMAND:
                self._heard = now
                self._take_command(now)
            elif found == native.WOULD_BLOCK:
                return None
            else:
                self._heard = now
                self._take(found, now)
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes:
        """Take the bytes that must be sent now, in order."""
        if not self._due:
            return b""
        due = b"".join(self._due)
        self._due.clear()
        return due

    # ---- time ----

    def next_deadline(self) -> float:
        """When `handle_timer` must be called, on the clock of `now`; infinity for never."""
        if self.state is not State.STA6:
            return self._deadline
        if self._owed and not self._link.in_message:
            return math.inf
        return self._heard + self._limits.idle

    def handle_timer(self, now: float) -> None:
        """The deadline has passed: ARTIM, or the peer's silence."""
        if now < self.next_deadline():
            return
        if (Evt.EVT18, self.state) in TRANSITIONS:
            if self.state is State.STA2:
                self._tell_abort(_NOT_SPECIFIED, "no A-ASSOCIATE-RQ came in time (ARTIM)")
            self._step(Evt.EVT18, now)
        else:
            self._tell_abort(_NOT_SPECIFIED, "the peer was silent for too long")
            self._step(Evt.EVT15, now)

    def note_input(self, now: float) -> None:
        """Bytes of a data set came that the association does not see."""
        self._heard = now

    def owe(self, operations: int, now: float) -> None:
        """So many whole messages wait for our response: while any does, silence is in order."""
        self._owed = operations
        self._heard = now

    # ---- primitives of the local user ----

    def request(self, request: AssociateRQ, now: float) -> None:
        """A-ASSOCIATE request, on a connection that is open (Evt2)."""
        self._proposed = request
        self._require(Evt.EVT2)
        self._due.append(request.encode())
        self._step(Evt.EVT2, now)

    def accept(self, accept: AssociateAC, now: float) -> None:
        """A-ASSOCIATE response, accepted."""
        self._require(Evt.EVT7)
        self._due.append(accept.encode())
        self._establish(accept)
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
            maximum_length=self._peer_maximum_length,
        )

    def send_command(self, context_id: int, command: Command, now: float) -> None:
        """P-DATA request with a command set."""
        self._require(Evt.EVT9)
        self._due.append(self.encode_command(context_id, command))
        self._step(Evt.EVT9, now)

    def send_data_set(self, context_id: int, data: bytes, now: float, *, last: bool) -> None:
        """P-DATA request with the next bytes of a data set."""
        self._require(Evt.EVT9)
        self._require_context(context_id)
        self._due.append(
            fragmentation.fragments(context_id, data, 0, maximum_length=self._peer_maximum_length, last=last)
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
        """Anything but a command fragment."""
        if found == native.DATA_SET:
            self._take_data_set(now)
        elif found == native.PDU_HEADER:
            self._take_header(now)
        elif found == native.PDU_BODY:
            self._take_body(now)
        elif found in (native.END_OF_STREAM, native.FAULT_SOCKET):
            self._step(Evt.EVT17, now)
        else:
            if self.state is not State.STA13:
                self._protocol_fault(*_FAULTS[found], now)
            self._link.discard()  # nothing behind the fault can be read

    def _take_command(self, now: float) -> None:
        link = self._link
        if self.state is not State.STA6 and not self._data_is_welcome(now):
            return
        if len(self._command) + link.length > _COMMAND_CAP:
            self._protocol_fault(_INVALID_PARAMETER_VALUE, "a command set does not end", now)
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
            detail = f"presentation context {context_id} was not accepted"
            self._protocol_fault(_UNEXPECTED_PARAMETER, detail, now)
            return
        try:
            command = decode_command(data)
        except RemoteProtocolError as fault:
            self._protocol_fault(fault.reason, str(fault), now)
            return
        if command.has_data_set:
            self._link.expect_data_set()
        self._events.append(CommandReceived(context_id, command))

    def _take_data_set(self, now: float) -> None:
        link = self._link
        if self.state is State.STA6 or self._data_is_welcome(now):
            self._events.append(DataSetFragment(link.context_id, link.data, link.ends))

    def _data_is_welcome(self, now: float) -> bool:
        """Whether the state lets P-DATA through; else it gets the answer that the table gives."""
        if self.state is State.STA7:  # AR-6: data may come until the peer has seen our release
            return True
        self._step(Evt.EVT10, now)
        return False

    def _take_header(self, now: float) -> None:
        link = self._link
        self._body = None
        self._pdu_type = link.pdu_type
        event = _EVENT_OF.get(self._pdu_type)
        if event is None:
            detail = f"{self._pdu_type:02X}H is no PDU type"
            self._protocol_fault(_UNRECOGNISED_PDU, detail, now)
        elif not self._length_is_valid(link.pdu_length):
            detail = f"a {PDUType(self._pdu_type).name} PDU states {link.pdu_length} bytes"
            self._protocol_fault(_INVALID_PARAMETER_VALUE, detail, now)
        elif event is Evt.EVT12 and link.in_message and self.state is not State.STA13:
            self._protocol_fault(_UNEXPECTED_PDU, "A-RELEASE-RQ came inside a message", now)
        elif TRANSITIONS.get((event, self.state)) in _READING:
            self._body = bytearray()
        else:
            self._step(event, now)

    def _length_is_valid(self, length: int) -> bool:
        if self._pdu_type in (PDUType.ASSOCIATE_RQ, PDUType.ASSOCIATE_AC):
            return length <= _ASSOCIATE_CAP
        return length == _SHORT_PDU or self._pdu_type == PDUType.DATA_TF

    def _take_body(self, now: float) -> None:
        if self._body is None:
            return
        self._body += self._link.data
        if not self._link.ends:
            return
        body, self._body = bytes(self._body), None
        try:
            pdu = decode(self._pdu_type, body)
        except RemoteProtocolError as fault:
            self._protocol_fault(fault.reason, str(fault), now)
            return
        self._read(pdu, now)

    def _read(self, pdu: PDU, now: float) -> None:
        """A PDU whose fields matter; every other one was stepped at its header."""
        if isinstance(pdu, AssociateRQ):
            self._proposed = pdu
            self._events.append(AssociationRequested(pdu))
            self._step(Evt.EVT6, now)
        elif isinstance(pdu, AssociateAC):
            self._read_accept(pdu, now)
        elif isinstance(pdu, AssociateRJ):
            self._events.append(AssociationRejected(pdu))
            self._step(Evt.EVT4, now)
        elif isinstance(pdu, Abort):
            self._events.append(AbortedByPeer(pdu.source, pdu.reason))
            self._step(Evt.EVT16, now)

    def _read_accept(self, accept: AssociateAC, now: float) -> None:
        proposed = {context.id for context in self._request.presentation_contexts}
        if not proposed.issuperset(context.id for context in accept.presentation_contexts):
            detail = "A-ASSOCIATE-AC answers a presentation context that was not proposed"
            self._protocol_fault(_UNEXPECTED_PARAMETER, detail, now)
            return
        self._establish(accept)
        self._events.append(AssociationAccepted(accept))
        self._step(Evt.EVT3, now)

    # ---- what follows ----

    @property
    def _request(self) -> AssociateRQ:
        if self._proposed is None:
            raise LocalProtocolError("no association was requested")
        return self._proposed

    def _establish(self, accept: AssociateAC) -> None:
        """Fix what both sides agreed on, and let P-DATA through."""
        proposed = {context.id: context for context in self._request.presentation_contexts}
        self.contexts = {
            answer.id: _accepted(proposed[answer.id], answer)
            for answer in accept.presentation_contexts
            if answer.result == 0
        }
        theirs = self._request if self.role is Role.ACCEPTOR else accept
        self._peer_maximum_length = theirs.user_information.maximum_length or 0
        window = accept.user_information.asynchronous_operations_window
        self.window = window.invoked if window else 1
        self._link.establish(self._limits.maximum_length)

    def _protocol_fault(self, reason: int, detail: str, now: float) -> None:
        """Evt19, or what the table calls unexpected: both end in AA-1, AA-7 or AA-8."""
        self._step(Evt.EVT19, now, Abort(_SERVICE_PROVIDER, reason), detail)

    def _tell_abort(self, reason: int, detail: str) -> None:
        self._events.append(AbortedByUs(reason, detail))

    def _step(self, event: Evt, now: float, abort: Abort | None = None, detail: str = "") -> None:
        """Do what table 9-10 says. `abort`, `detail`: of a fault; else the PDU was merely unexpected."""
        before = self.state
        action = TRANSITIONS[event, before]
        self.state = next_state(action, is_requestor=self.role is Role.REQUESTOR)
        self._set_timer(before, now)
        match action:
            case Action.AA_1 if event is Evt.EVT15:
                self._due.append(Abort(_SERVICE_USER, _NOT_SPECIFIED).encode())
            case Action.AA_1 | Action.AA_8:
                abort = abort or Abort(_SERVICE_PROVIDER, _UNEXPECTED_PDU)
                unexpected = f"{event.name} is unexpected in {before.name} (PS3.8 9.2.3)"
                self._tell_abort(abort.reason, detail or unexpected)
                self._due.append(abort.encode())
            case Action.AA_7:
                self._due.append((abort or Abort(_SERVICE_PROVIDER, _UNEXPECTED_PDU)).encode())
            case Action.AA_4:
                self._events.append(ConnectionLost())
            case Action.AR_2 | Action.AR_8:
                self._events.append(ReleaseRequested())
            case Action.AR_3 | Action.AR_10:
                self._events.append(Released())
            case _:
                pass
        if action in (Action.AR_1, Action.AR_4, Action.AR_9):
            self._due.append((ReleaseRQ() if action is Action.AR_1 else ReleaseRP()).encode())
        if self.state is State.STA1:
            self.closed = True

    def _set_timer(self, before: State, now: float) -> None:
        """ARTIM runs while a state waits for the peer, from when it was entered."""
        if self.state is before:
            return
        waits = self.state in _WAITING_FOR_PEER
        self._deadline = now + self._limits.artim if waits else math.inf


def _accepted(proposed: PresentationContext, answer: PresentationContextResult) -> AcceptedContext:
    return AcceptedContext(proposed.abstract_syntax, answer.transfer_syntax)
