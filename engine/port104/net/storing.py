"""C-STORE as SCP on one association (PS3.7 9.1.1, PS3.4 annex B): what is taken, what is refused.

Rules that this room keeps:
- between messages the link is lent to the sink's intake, which takes instance after instance; nothing
  here reads until it comes back, before something that the intake does not take;
- an instance's response is sent by the intake once it is safe, never from here;
- the link is given up only when nothing is under way on it.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Generic

import structlog
import trio

from port104 import native
from port104.completions import Completion
from port104.net.connection import Connection
from port104.net.contracts import Admitted, IntakeT, Sink
from port104.net.tally import Tally
from port104.wire.association import Association
from port104.wire.command import Status
from port104.wire.events import CommandReceived
from port104.wire.identifiers import valid_uid
from port104.wire.negotiation import SERVICES
from port104.wire.pdu import AssociateRQ
from port104.wire.states import State

log = structlog.get_logger("port104.store")

# Why an instance that came whole is not kept, and what would mend it.
_REFUSALS = {
    native.TOO_LARGE: (
        "the data set is larger than allowed",
        "raise maximumObjectSize of the AE title or of dicom.scp if such objects are expected",
    ),
    native.UIDS_DIFFER: (
        "the data set names another SOP class or instance than the command",
        "the peer's software must be mended: it would have been filed under a name that is not its own",
    ),
}


class Storing(Generic[IntakeT]):
    """Stores what one established association sends.

    `admitted`: the rules it was accepted under; its ignored SOP classes are left to the caller.
    `look_interval`: seconds between looks at the peer while the link is lent. `wait_input` waits until the
    peer's next bytes are there, or it is time to look whether the association must give it up; `send_due`
    sends what the association has to say; `flush` is called when response bytes are queued that the
    socket did not take. End with `finish`.
    """

    def __init__(
        self,
        connection: Connection,
        association: Association,
        request: AssociateRQ,
        sink: Sink[IntakeT],
        tally: Tally,
        *,
        admitted: Admitted,
        look_interval: float,
        wait_input: Callable[[], Awaitable[None]],
        send_due: Callable[[], None],
        flush: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._association = association
        self._request = request
        self._sink = sink
        self._tally = tally
        self._look_interval = look_interval
        self._wait_input = wait_input
        self._send_due = send_due
        self._flush = flush
        self._lent = False
        self._reason = native.RETURN_OTHER
        self._news = trio.Event()  # set by completions, renewed by who waited
        left_out = admitted.ignored | SERVICES
        self._intake = sink.intake(
            connection.link,
            [
                (context_id, context.abstract_syntax, context.transfer_syntax)
                for context_id, context in association.contexts.items()
                if context.abstract_syntax not in left_out
            ],
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            window=association.window,
            peer_maximum_length=association.peer_maximum_length,
            maximum_size=admitted.maximum_size,
            overwrite=admitted.overwrite,
            callback=self._completed,
        )

    @property
    def association(self) -> int:
        """The number under which the sink tells what was stored."""
        return self._intake.id

    @property
    def taken(self) -> int:
        """How many instances were taken to their end."""
        return self._intake.counts().taken

    @property
    def waits_for_us(self) -> bool:
        """Whether the peer has sent what was not read, or not answered yet."""
        return self._connection.unread or self._intake.counts().under_way > 0

    def count(self) -> None:
        """Bring the tally up to date; until `finish` is done, which does so too."""
        self._tally.read(self._intake.counts())

    async def take(self) -> None:
        """Store instance after instance, until something else comes or the association gives the peer up.

        Nothing is under way then. Call between messages.
        """
        self._association.note_input(trio.current_time())
        await self._lend_and_wait()
        while self._reason == native.RETURN_BYTES:
            await self._wait_input()
            if self._association.state is State.STA6:
                self._association.note_input(trio.current_time())
                await self._lend_and_wait()
            else:
                await self._lend_and_wait(give_up=True)

    def refusal_of(self, event: CommandReceived) -> Status | None:
        """What is wrong with a C-STORE-RQ that the intake did not take (PS3.7 9.1.1.1.9); None: nothing."""
        command = event.command
        context = self._association.contexts[event.context_id]
        if self._reason == native.RETURN_DUPLICATE:
            return Status.DUPLICATE_INVOCATION
        if not (command.affected_sop_class_uid and command.affected_sop_instance_uid):
            return Status.MISTYPED_ARGUMENT
        if command.affected_sop_class_uid != context.abstract_syntax or context.abstract_syntax in SERVICES:
            return Status.SOP_CLASS_NOT_SUPPORTED
        if not valid_uid(command.affected_sop_instance_uid):
            return Status.INVALID_SOP_INSTANCE
        if not command.has_data_set:
            return Status.MISTYPED_ARGUMENT
        return None

    async def finish(self) -> None:
        """Break off what is being received, wait for what is being committed, and let the intake go."""
        self._connection.interrupt()
        await self._returned()
        if self._reason == native.RETURN_BYTES:
            await self._lend_and_wait(give_up=True)
        self.count()
        self._sink.release(self._intake)

    async def _lend_and_wait(self, *, give_up: bool = False) -> None:
        self._lent = True
        self._intake.lend(give_up=give_up)
        await self._returned()

    async def _returned(self) -> None:
        """Wait until the link is ours; a peer that is silent for too long is given up meanwhile."""
        while self._lent:
            with trio.move_on_after(self._look_interval) as scope:
                await self._news.wait()
                self._news = trio.Event()
            if scope.cancelled_caught:
                self._look()

    def _look(self) -> None:
        """The link is lent: look whether the peer is silent, or slow inside a message."""
        self._association.look(trio.current_time(), taken=self.taken, waits_for_us=self.waits_for_us)
        if self._association.state is not State.STA6:
            self._send_due()
            self._connection.interrupt()

    def _completed(self, completion: Completion) -> None:
        """Take what became of an instance, or the link. Called from the sink's task: must not wait."""
        if completion.kind == native.RETURNED:
            self._lent = False
            self._reason = completion.reason
            self._news.set()
            return
        if completion.kind == native.FAILED:
            self._report_failure(completion)
        if completion.unsent:
            self._flush()

    def _report_failure(self, completion: Completion) -> None:
        facts = {
            "calling": self._request.calling_ae_title,
            "called": self._request.called_ae_title,
            "status": f"{completion.status:04X}",
        }
        if completion.error in _REFUSALS:
            self._tally.refused += 1
            reason, hint = _REFUSALS[completion.error]
            log.warning("instance refused", **facts, bytes=completion.received, reason=reason, hint=hint)
            return
        self._tally.failed += 1
        resources = completion.status == Status.OUT_OF_RESOURCES
        hint = "free space or raise the limit on open files" if resources else "check the disk"
        log.error("instance not stored", **facts, reason=os.strerror(completion.error), hint=hint)
