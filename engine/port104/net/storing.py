"""C-STORE as SCP on one association (PS3.7 9.1.1, PS3.4 annex B): from the command to the sink and back.

Rules that this room keeps:
- an instance's success response is sent by the sink once it is safe, never from here;
- while the sink carries a data set the link is its own: nothing here reads until it comes back;
- no more data sets are under way than the operations window allows, so memory is bounded.
"""

import errno
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic

import structlog
import trio

from port104 import native
from port104.net.connection import Connection
from port104.net.contracts import Route, Sink
from port104.net.tally import Tally
from port104.wire.association import Association
from port104.wire.command import Command, Status, response_to
from port104.wire.events import CommandReceived
from port104.wire.identifiers import valid_uid
from port104.wire.pdu import AssociateRQ
from port104.wire.states import State

log = structlog.get_logger("port104.store")

_OUT_OF_RESOURCES = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EFBIG}
)


class Storing(Generic[Route]):
    """Stores what one established association sends.

    `wait_input` waits until the peer's next bytes are there, or the association has given it up.
    `flush`: called when response bytes are queued that the socket did not take.
    """

    def __init__(
        self,
        connection: Connection,
        association: Association,
        request: AssociateRQ,
        sink: Sink[Route],
        tally: Tally,
        *,
        overwrite: bool,
        wait_input: Callable[[], Awaitable[None]],
        flush: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._link = connection.link
        self._association = association
        self._request = request
        self._sink = sink
        self._tally = tally
        self._overwrite = overwrite
        self._wait_input = wait_input
        self._flush = flush
        self._routes: dict[int, Route] = {}
        self._under_way: set[int | None] = set()  # message IDs
        self._answered = 0  # completions of answered stores that were seen
        self._carried: int | None = None  # the store that has the link, or had it and paused
        self._paused = False
        self._news = trio.Event()  # set by completions, renewed by who waited

    async def refusal_of(self, event: CommandReceived) -> Status | None:
        """Judge a C-STORE-RQ: None when its data set may be stored (PS3.7 9.1.1.1.9)."""
        command = event.command
        context = self._association.contexts[event.context_id]
        if command.message_id in self._under_way:
            await self._see_answers()
            if command.message_id in self._under_way:
                return Status.DUPLICATE_INVOCATION
        if not (command.affected_sop_class_uid and command.affected_sop_instance_uid):
            return Status.MISTYPED_ARGUMENT
        if command.affected_sop_class_uid != context.abstract_syntax:
            return Status.SOP_CLASS_NOT_SUPPORTED
        if not valid_uid(command.affected_sop_instance_uid):
            return Status.INVALID_SOP_INSTANCE
        if not command.has_data_set:
            return Status.MISTYPED_ARGUMENT
        return None

    async def store(self, event: CommandReceived) -> None:
        """Hand the data set that follows an approved C-STORE-RQ to the sink.

        Returns when the link may be read again: at once where the data set was at hand, else when the
        sink has read it to its end, or found something else in its place.
        """
        if len(self._under_way) >= self._association.window:
            # Mostly the peer has its response already, and only the completion is still to be seen.
            self._sink.catch_up()
        while len(self._under_way) >= self._association.window:
            await self._wait_news()
        command, context_id = event.command, event.context_id
        success = response_to(command, Status.SUCCESS)
        store_id, result = self._sink.begin(
            self._link,
            self._route(context_id),
            command.affected_sop_instance_uid or "",
            self._association.encode_command(context_id, success),
            partial(self._completed, context_id, command),
        )
        if result == native.NOT_BEGUN:
            return
        self._under_way.add(command.message_id)
        if result == native.CARRIED:
            self._carried = store_id
            await self._carry()
        else:
            self._tell_what_is_owed()

    async def finish(self) -> None:
        """Wait until no data set is under way any more."""
        while self._under_way:
            await self._wait_news()

    async def give_up(self) -> None:
        """Break off what is still being received, and wait for what is being committed."""
        self._connection.interrupt()
        while self._under_way:
            if self._paused and self._carried is not None:
                self._paused = False
                self._sink.abandon(self._carried)
            await self._wait_news()

    def _route(self, context_id: int) -> Route:
        route = self._routes.get(context_id)
        if route is None:
            context = self._association.contexts[context_id]
            route = self._routes[context_id] = self._sink.route(
                sop_class_uid=context.abstract_syntax,
                transfer_syntax_uid=context.transfer_syntax,
                calling_ae_title=self._request.calling_ae_title,
                called_ae_title=self._request.called_ae_title,
                overwrite=self._overwrite,
                pipelined=self._association.window > 1,
            )
        return route

    async def _carry(self) -> None:
        """Wait for the link to come back; when the peer falls silent, wait for its next bytes."""
        while self._carried is not None:
            if self._paused:
                await self._wait_input()
                self._paused = False
                if self._association.state is State.STA6:
                    self._association.note_input(trio.current_time())
                    self._sink.resume(self._carried)
                else:  # the association has given the peer up
                    self._sink.abandon(self._carried)
            await self._wait_news()

    def _tell_what_is_owed(self) -> None:
        """Instances that are received and not answered; the one that is being received is not."""
        owed = len(self._under_way) - (self._carried is not None)
        self._association.owe(owed, trio.current_time())

    async def _see_answers(self) -> None:
        """Wait for the completions of all responses that were sent.

        A peer may use a message ID again as soon as it has the response, and be faster than the
        completion.
        """
        while self._answered < self._link.answers:
            await self._wait_news()

    async def _wait_news(self) -> None:
        await self._news.wait()
        self._news = trio.Event()

    def _completed(self, context_id: int, command: Command, completion: native.Completion) -> None:
        """Take what became of a store. Called from the sink's task: must not wait."""
        if completion.kind == native.PAUSED:
            self._paused = True
        elif completion.link_returned:
            self._carried = None
        if completion.kind >= native.STORED:
            self._under_way.discard(command.message_id)
            self._account(context_id, command, completion)
        self._tell_what_is_owed()
        if completion.unsent:
            self._flush()
        self._news.set()

    def _account(self, context_id: int, command: Command, completion: native.Completion) -> None:
        tally = self._tally
        if completion.kind == native.STORED:
            self._answered += 1
            tally.stored += 1
            tally.duplicates += completion.duplicate
            tally.bytes += completion.received
        elif completion.kind == native.FAILED:
            tally.failed += 1
            self._answer_failure(context_id, command, completion.error)

    def _answer_failure(self, context_id: int, command: Command, error: int) -> None:
        """The data set was read to its end but is not kept: say so, to the peer and in the log."""
        resources = error in _OUT_OF_RESOURCES
        status = Status.OUT_OF_RESOURCES if resources else Status.PROCESSING_FAILURE
        log.error(
            "instance not stored",
            calling=self._request.calling_ae_title,
            called=self._request.called_ae_title,
            status=f"{status:04X}",
            reason=os.strerror(error),
            hint="free space or raise the limit on open files" if resources else "check the disk",
        )
        response = self._association.encode_command(context_id, response_to(command, status))
        try:
            self._link.send(response)
        except OSError:
            return  # the peer is gone: the session meets the broken connection by itself
        if self._link.unsent:
            self._flush()
