"""Storage commitment on one accepted association (PS3.4 annex J): asked by N-ACTION, told by N-EVENT-REPORT.

Rules that this room keeps:
- whoever is asked answers for it (contracts.Commitments); here are only the messages;
- a report goes out after the response to what asked for it, one at a time, and as a whole: the link may be
  lent to an intake that sends responses of its own meanwhile.
"""

from collections.abc import Callable

import structlog
import trio

from port104.errors import AbortedError, RemoteProtocolError, TimedOutError
from port104.net.contracts import AskedCommitment, Commitments
from port104.uids import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from port104.wire.association import Association
from port104.wire.command import Command, CommandField, Status
from port104.wire.commitment import (
    ALL_HELD,
    MOST_BYTES,
    REQUEST_STORAGE_COMMITMENT,
    SOME_FAILED,
    CommitmentReport,
    UnreadableError,
    decode_report,
    decode_request,
    encode_report,
)
from port104.wire.events import CommandReceived
from port104.wire.operations import Operations, event_report_request
from port104.wire.pdu import AssociateRQ
from port104.wire.states import State

log = structlog.get_logger("port104.commitment")

# Of a report on the association that was asked on: the link queues 256 KiB of what the socket does not take,
# and responses must find room there too. Some 900 instances.
_MOST_BYTES_BACK = 128 * 1024
_RESPONSE_SECONDS = 60.0


class Committing:
    """Answers one association's N-ACTIONs and N-EVENT-REPORTs, and reports on it; a contracts.Back.

    `commits`: requests are answered, and not reports alone. `send_due`: sends what the association has to
    say; where that fails `abort` ends it, for the reason given. Call `end` when the association is over.
    """

    def __init__(
        self,
        association: Association,
        request: AssociateRQ,
        address: str,
        commitments: Commitments,
        *,
        commits: bool,
        send_due: Callable[[], None],
        abort: Callable[[str], None],
    ) -> None:
        self._association = association
        self._request = request
        self._address = address
        self._commitments = commitments
        self._commits = commits
        self._send_due = send_due
        self._abort = abort
        self._context_id = 0  # on which was asked last
        self._asked: AskedCommitment | None = None
        self._operations = Operations(1)
        self._reporting = trio.Lock()
        self._news = trio.Event()
        self._status: int | None = None
        self._over = False

    async def perform(self, context_id: int, command: Command, data: bytes | None) -> Status:
        """Do what is asked on a context of storage commitment; returns the status of the response.

        `data`: None: there was more of it than may be.
        """
        refusal = _refusal_of(command)
        if refusal is None and command.field == CommandField.N_ACTION_RQ and not self._commits:
            refusal = Status.SOP_CLASS_NOT_SUPPORTED
        if refusal is not None:
            return refusal
        if data is None:
            self._refuse(command, f"it is longer than {MOST_BYTES >> 20} MiB")
            return Status.RESOURCE_LIMITATION
        transfer_syntax = self._association.contexts[context_id].transfer_syntax
        try:
            if command.field == CommandField.N_ACTION_RQ:
                return await self._requested(context_id, data, transfer_syntax)
            report = await trio.to_thread.run_sync(decode_report, data, transfer_syntax)
            return await self._commitments.reported(self._request.calling_ae_title, report)
        except UnreadableError as fault:
            self._refuse(command, str(fault))
            return fault.status

    def performed(self) -> None:
        """The response to what was asked is on its way: a report may follow."""
        if self._asked is not None:
            self._commitments.may_report(self._asked, self)
            self._asked = None

    def answered(self, event: CommandReceived) -> None:
        """Take the response to a report; one to nothing is passed over."""
        try:
            self._status = self._operations.answer(event.context_id, event.command).status
        except RemoteProtocolError:
            return
        self._wake()

    async def report(self, report: CommitmentReport) -> int:
        """As contracts.Back says."""
        async with self._reporting:
            self._send(report)
            with trio.move_on_after(_RESPONSE_SECONDS):
                while self._status is None:
                    await self._news.wait()
                    self._check()
                return self._status
        raise TimedOutError(f"no response to N-EVENT-REPORT within {_RESPONSE_SECONDS:g} s")

    def end(self) -> None:
        """The association is over."""
        self._over = True
        self._wake()

    async def _requested(self, context_id: int, data: bytes, transfer_syntax: str) -> Status:
        request = await trio.to_thread.run_sync(decode_request, data, transfer_syntax)
        asked = AskedCommitment(
            calling_ae_title=self._request.calling_ae_title,
            called_ae_title=self._request.called_ae_title,
            address=self._address,
            request=request,
        )
        status = await self._commitments.requested(asked)
        if status == Status.SUCCESS:
            self._context_id, self._asked = context_id, asked
        return status

    def _send(self, report: CommitmentReport) -> None:
        """Send a report at once. Raises AbortedError where that cannot be."""
        self._check()
        if not self._operations.room:
            raise AbortedError("a report on the association was never answered")
        context_id = self._context_id
        data = encode_report(report, self._association.contexts[context_id].transfer_syntax)
        if len(data) > _MOST_BYTES_BACK:
            raise AbortedError("the report is too long for the association on which it was asked for")
        command = self._operations.invoke(context_id, event_report_request(report.event_type_id))
        now = trio.current_time()
        self._status = None
        self._association.send_command(context_id, command, now)
        self._association.send_data_set(context_id, data, now, last=True)
        try:
            self._send_due()
        except OSError as failure:
            self._abort("the peer does not read its responses")
            raise AbortedError("the association on which it was asked for takes no more") from failure

    def _check(self) -> None:
        if self._over or self._association.state is not State.STA6:
            raise AbortedError("the association on which it was asked for is over")

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def _refuse(self, command: Command, why: str) -> None:
        log.warning(
            "storage commitment refused",
            calling=self._request.calling_ae_title,
            called=self._request.called_ae_title,
            command=f"{command.field:04X}",
            reason=why,
            hint="the peer's software must be mended, or ask for less at a time",
        )


def _refusal_of(command: Command) -> Status | None:
    """What is wrong with a command before its data set is looked at (PS3.7 10.1.1.1.8, 10.1.4.1.10)."""
    is_action = command.field == CommandField.N_ACTION_RQ
    sop_class = command.requested_sop_class_uid if is_action else command.affected_sop_class_uid
    instance = command.requested_sop_instance_uid if is_action else command.affected_sop_instance_uid
    if sop_class != STORAGE_COMMITMENT:
        return Status.SOP_CLASS_NOT_SUPPORTED
    if instance != STORAGE_COMMITMENT_INSTANCE:
        return Status.NO_SUCH_SOP_INSTANCE
    if is_action and command.action_type_id != REQUEST_STORAGE_COMMITMENT:
        return Status.NO_SUCH_ACTION
    if not is_action and command.event_type_id not in (ALL_HELD, SOME_FAILED):
        return Status.NO_SUCH_EVENT_TYPE
    return None if command.has_data_set else Status.MISTYPED_ARGUMENT
