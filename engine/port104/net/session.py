"""One association that a peer requested: the trio shell round wire.Association, as acceptor.

The association decides, this shell moves bytes and waits; who may come in is `admit`'s word. The socket
is closed only after the last store on it has ended, whatever else happens.
"""

from collections.abc import Sequence
from typing import Generic

import trio

from port104.net.account import Account
from port104.net.answering import Answering
from port104.net.committing import Committing
from port104.net.connection import Connection
from port104.net.contracts import (
    HANDSHAKE_FAILED,
    Admit,
    Admitted,
    IntakeT,
    Limits,
    Refused,
    Sink,
    Witness,
)
from port104.net.crowd import Crowd
from port104.net.gate import Full, Gate
from port104.net.handshakes import HandshakeError
from port104.net.storing import Storing
from port104.net.streaming import Streaming
from port104.wire.association import Association, AssociationLimits, Role
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
from port104.wire.negotiation import negotiate, rejection_of
from port104.wire.pdu import AssociateRQ

# Events handled without a break before others get the event loop: a peer that sends without end
# must not hold it.
_EVENTS_PER_TURN = 16
# The native side only counts what comes; it is asked this often in each limit.
_LOOKS_PER_LIMIT = 4


class Session(Generic[IntakeT]):
    """Serves one connection from its first byte to its close. Call `run` once.

    `address` is the peer's IP address; `nursery` outlives the session.
    """

    def __init__(
        self,
        connection: Connection,
        address: str,
        *,
        admit: Admit,
        gate: "Gate[Session[IntakeT]]",
        crowd: "Crowd[Session[IntakeT]]",
        sink: Sink[IntakeT],
        association_limits: AssociationLimits,
        limits: Limits,
        nursery: trio.Nursery,
        witnesses: Sequence[Witness] = (),
    ) -> None:
        self._connection = connection
        self._link = connection.link
        self._address = address
        self._admit = admit
        self._gate = gate
        self._crowd = crowd
        self._sink = sink
        self._limits = limits
        self._look_interval = min(
            association_limits.look_interval,
            min(association_limits.idle, limits.idle_grace) / _LOOKS_PER_LIMIT,
        )
        self._nursery = nursery
        self._account = Account(address, connection, witnesses)
        self._association = Association(
            Role.ACCEPTOR, self._link, limits=association_limits, now=trio.current_time()
        )
        self._scope = trio.CancelScope()
        self._storing: Storing[IntakeT] | None = None
        self._answering: Answering[IntakeT] | None = None
        self._flushing = False

    async def run(self) -> None:
        """Serve the association. Returns when the socket is closed; raises nothing of the peer's."""
        try:
            with self._scope:
                await self._serve()
        except HandshakeError as failure:
            self._account.broke = True
            self._account.note_end(HANDSHAKE_FAILED, failure.reason, failure.hint)
        except OSError as failure:
            self._account.note_end("connection lost", str(failure))
        finally:
            with trio.CancelScope(shield=True):
                await self._close()
            self._account.close()

    @property
    def why_over(self) -> str:
        """Why it is over, in words; empty where nothing went wrong."""
        return self._account.tally.detail

    def abort(self, detail: str, hint: str = "") -> None:
        """End the session now: the peer of an association is sent A-ABORT, and the connection is closed."""
        self._account.note_end("aborted by us", detail, hint)
        self._scope.cancel()

    def silent_since(self, now: float) -> float:
        """When the peer of the association was last known not to be silent; `now` while it waits for us."""
        since = self._association.silent_since(now)
        if now - since < self._limits.idle_grace:
            return since
        return now if self._storing is not None and self._storing.waits_for_us else since

    @property
    def is_between_messages(self) -> bool:
        """Whether its peer has every answer, and nothing more of it has come: none would be broken off."""
        return not (self._link.owed or (self._storing is not None and self._storing.waits_for_us))

    # ---- the loop ----

    async def _serve(self) -> None:
        deadline = self._account.began + self._limits.tls_handshake_timeout
        await self._connection.open(deadline=deadline, address=self._address)
        turn = 0
        while True:
            if self._storing is not None and self._association.between_messages:
                await self._storing.take()
            event = self._association.next_event(trio.current_time())
            self._send_due()
            if event is not None:
                await self._handle(event)
                turn += 1
                if turn % _EVENTS_PER_TURN == 0:
                    await trio.lowlevel.checkpoint()
            elif self._association.closed:
                return
            else:
                await self._wait_input()

    async def _wait_input(self) -> None:
        """Wait until the connection is readable, or the association's deadline has passed."""
        deadline = self._association.next_deadline()
        with trio.CancelScope(deadline=deadline) as scope:
            await self._connection.wait_input()
        if scope.cancelled_caught:
            taken = self._storing.taken if self._storing is not None else 0
            self._association.handle_timer(trio.current_time(), taken=taken)

    def _send_due(self) -> None:
        if due := self._association.data_to_send():
            self._link.send(due)
            if self._link.unsent:
                self._flush()

    def _flush(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._nursery.start_soon(self._flush_queue)

    async def _flush_queue(self) -> None:
        """Send what the socket did not take; a peer that does not read in time is cut off."""
        try:
            with trio.fail_after(self._limits.send_timeout):
                await self._connection.flush()
        except trio.TooSlowError:
            self.abort("the peer does not read its responses")
        except OSError as failure:
            self._account.note_end("connection lost", str(failure))
            self._scope.cancel()
        except trio.ClosedResourceError:
            pass  # the session ended first
        finally:
            self._flushing = False

    # ---- events ----

    async def _handle(self, event: Event) -> None:
        match event:
            case CommandReceived() if self._answering is not None:
                await self._answering.command(event)
            case DataSetFragment() if self._answering is not None:
                await self._answering.data_set(event)
            case AssociationRequested():
                await self._requested(event.request)
            case ReleaseRequested():
                self._release()
            case AbortedByPeer():
                self._account.note_end("aborted by peer", f"source {event.source}, reason {event.reason}")
            case AbortedByUs():
                self._account.broke = bool(event.reason)  # silence has none (PS3.8 9.3.8)
                self._account.note_end("aborted by us", event.detail)
                self._leave()
            case ConnectionLost():
                self._account.note_end("connection lost", "the peer closed the connection")
            case _:  # confirmations come to a requestor only
                raise AssertionError(event)
        self._send_due()

    async def _requested(self, request: AssociateRQ) -> None:
        self._account.request = request
        verdict = await self._judge(request)
        if isinstance(verdict, Refused):
            self._account.reject = verdict.reject
            self._association.reject(verdict.reject, trio.current_time())
            numbers = f"{verdict.reject.result}/{verdict.reject.source}/{verdict.reject.reason}"
            self._account.note_end("rejected", f"{verdict.why} ({numbers})", verdict.hint)
        else:
            self._accept(request, verdict)

    async def _judge(self, request: AssociateRQ) -> Admitted | Refused:
        """The standard first, then the registry, then whether there is room."""
        rejection = rejection_of(request)
        if rejection is not None:
            return Refused(rejection.value, rejection.words, "the peer's request must be mended")
        verdict = await self._admit(request, self._address, self._connection.certificate)
        if isinstance(verdict, Refused):
            return verdict
        return self._enter(request.calling_ae_title) or verdict

    def _enter(self, calling: str) -> Refused | None:
        """Take a place among the associations, where there is room."""
        now = trio.current_time()
        entered = self._gate.enter(self, address=self._address, calling=calling, now=now)
        if isinstance(entered, Full):
            hint = f"it may try again; see {entered.setting}" if entered.setting else "it may try again"
            return Refused(entered.rejection.value, entered.rejection.words, hint)
        for silent in entered:
            silent.abort(
                "its peer was silent, and it gave way to another association",
                "see dicom.scp.idleGrace and dicom.scp.maximumNumberOfAssociations",
            )
        self._account.entered = True
        self._crowd.settle(self)
        return None

    def _leave(self) -> None:
        """The association is over: its place is free, though the peer may keep the connection open."""
        if self._answering is not None:
            self._answering.end()
        self._gate.leave(self)
        self._crowd.wait(self)

    def _accept(self, request: AssociateRQ, admitted: Admitted) -> None:
        accept = negotiate(request, admitted.policy)
        self._association.accept(accept, trio.current_time())
        self._account.user = admitted.user
        self._send_due()
        self._storing = Storing(
            self._connection,
            self._association,
            request,
            self._sink,
            self._account.tally,
            admitted=admitted,
            look_interval=self._look_interval,
            wait_input=self._wait_input,
            send_due=self._send_due,
            flush=self._flush,
        )
        self._answering = Answering(
            self._association,
            self._storing,
            self._account.tally,
            ignored=admitted.ignored,
            peer=self._account.peer,
            committing=self._committing(request, admitted),
            streaming=self._streaming(admitted),
        )
        self._account.establish(
            self._storing.association,
            request,
            self._association.contexts,
            self._figures_so_far,
        )

    def _committing(self, request: AssociateRQ, admitted: Admitted) -> Committing | None:
        if admitted.commitments is None:
            return None
        return Committing(
            self._association,
            request,
            self._address,
            admitted.commitments,
            commits=admitted.commits,
            send_due=self._send_due,
            abort=self.abort,
        )

    def _streaming(self, admitted: Admitted) -> Streaming | None:
        if admitted.streams is None:
            return None
        return Streaming(
            self._association,
            admitted.streams,
            self._account.tally,
            wait_input=self._wait_input,
            handle=self._handle,
        )

    def _figures_so_far(self) -> dict[str, int]:
        if self._storing is not None:
            self._storing.count()
        return self._account.tally.figures()

    def _release(self) -> None:
        self._association.release_response(trio.current_time())
        self._account.note_end("released", "")
        self._leave()

    # ---- the end ----

    async def _close(self) -> None:
        if self._answering is not None:
            self._answering.end()
        if self._storing is not None:
            await self._storing.finish()
        if self._scope.cancel_called and self._account.entered:
            self._abort_association()
        self._connection.close()

    def _abort_association(self) -> None:
        self._association.abort(trio.current_time())
        try:
            self._link.send(self._association.data_to_send())
        except OSError:
            return  # it does not take even that: closing the connection must do
