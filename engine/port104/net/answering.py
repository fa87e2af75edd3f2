"""What a peer asks on an accepted association besides storing: it is answered once its data set has passed.

Rules that this room keeps:
- a data set that nobody reads is passed over, and one that is read is bounded;
- a C-STORE-RQ comes here only where the intake did not take it.
"""

from collections.abc import Mapping
from typing import Generic

import structlog
import trio

from port104.net.committing import Committing
from port104.net.contracts import IntakeT
from port104.net.storing import Storing
from port104.net.streaming import Streaming
from port104.net.tally import Tally
from port104.uids import STORAGE_COMMITMENT
from port104.wire.association import Association
from port104.wire.command import Command, CommandField, Status, has_response, is_response, response_to
from port104.wire.commitment import MOST_BYTES
from port104.wire.events import CommandReceived, DataSetFragment

log = structlog.get_logger("port104.association")

_OF_COMMITMENT = frozenset({CommandField.N_ACTION_RQ, CommandField.N_EVENT_REPORT_RQ})


class Answering(Generic[IntakeT]):
    """Answers the commands of one association that keep nothing.

    `ignored`: SOP classes whose instances are acknowledged and not stored. `peer`: who called, for the log.
    `committing`: None: storage commitment was not accepted. `streaming`: None: instances are stored. Call
    `end` when the association is over.
    """

    def __init__(
        self,
        association: Association,
        storing: Storing[IntakeT],
        tally: Tally,
        *,
        ignored: frozenset[str],
        peer: Mapping[str, str],
        committing: Committing | None,
        streaming: Streaming | None,
    ) -> None:
        self._association = association
        self._storing = storing
        self._tally = tally
        self._ignored = ignored
        self._peer = peer
        self._committing = committing
        self._streaming = streaming
        self._draining: tuple[int, Command, Status] | None = None  # to answer after its data set
        self._reading: tuple[int, Command] | None = None  # to perform after its data set
        self._data: bytearray | None = bytearray()

    async def command(self, event: CommandReceived) -> None:
        """Take a command, and answer it unless a data set follows."""
        command = event.command
        if command.field == CommandField.C_STORE_RQ:
            await self._not_stored(event)
        elif command.field == CommandField.C_ECHO_RQ:
            self._tally.echoes += 1
            self._answer(event, Status.SUCCESS)
        elif self._committing is not None and is_response(command):
            self._committing.answered(event)
        elif self._committing is not None and self._is_of_commitment(event):
            await self._commit(self._committing, event)
        else:
            self._answer(event, Status.UNRECOGNIZED_OPERATION)

    async def data_set(self, event: DataSetFragment) -> None:
        """Take the next bytes of a data set; at its end its command is answered."""
        if self._reading is not None and self._committing is not None:
            self._collect(event.data)
            if event.last:
                (context_id, command), self._reading = self._reading, None
                data, self._data = self._data, bytearray()
                read = None if data is None else bytes(data)
                await self._perform(self._committing, context_id, command, read)
        elif event.last and self._draining is not None:
            drained, self._draining = self._draining, None
            self._respond(*drained)

    def end(self) -> None:
        """The association is over."""
        if self._committing is not None:
            self._committing.end()

    async def _not_stored(self, event: CommandReceived) -> None:
        """A C-STORE-RQ that was left to us: nothing is kept here, or not of its class, or it is wrong."""
        refusal = self._storing.refusal_of(event)
        if refusal is None and event.command.affected_sop_class_uid in self._ignored:
            self._tally.ignored += 1
            self._answer(event, Status.SUCCESS)
            return
        if refusal is None and self._streaming is not None:
            status = await self._streaming.store(event)
            if status is not None:
                self._respond(event.context_id, event.command, status)
            return
        refusal = refusal or Status.OUT_OF_RESOURCES  # no space is left, or no memory to take it
        # A sender may go through a whole study against a full disk: said once, and counted.
        if refusal != Status.OUT_OF_RESOURCES or not self._tally.refused:
            log.warning("instance refused", **self._peer, status=f"{refusal:04X}", reason=refusal.name)
        self._tally.refused += 1
        self._answer(event, refusal)

    def _is_of_commitment(self, event: CommandReceived) -> bool:
        context = self._association.contexts[event.context_id]
        return context.abstract_syntax == STORAGE_COMMITMENT and event.command.field in _OF_COMMITMENT

    async def _commit(self, committing: Committing, event: CommandReceived) -> None:
        if event.command.has_data_set:
            self._reading = event.context_id, event.command
        else:
            await self._perform(committing, event.context_id, event.command, b"")

    def _collect(self, data: bytes) -> None:
        if self._data is not None:
            self._data += data
            if len(self._data) > MOST_BYTES:
                self._data = None

    async def _perform(
        self, committing: Committing, context_id: int, command: Command, data: bytes | None
    ) -> None:
        status = await committing.perform(context_id, command, data)
        self._respond(context_id, command, status)
        committing.performed()

    def _answer(self, event: CommandReceived, status: Status) -> None:
        """Answer a command that keeps nothing, once its data set, if any, has passed."""
        if event.command.has_data_set:
            self._draining = event.context_id, event.command, status
        else:
            self._respond(event.context_id, event.command, status)

    def _respond(self, context_id: int, command: Command, status: int) -> None:
        if has_response(command):
            response = response_to(command, status)
            self._association.send_command(context_id, response, trio.current_time())
