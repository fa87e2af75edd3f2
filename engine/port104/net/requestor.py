"""An association that we request: the trio shell round wire.Association, as requestor.

Rules that this room keeps:
- there is no task behind it: whoever waits for a response reads for everybody, so errors are raised where
  they are met, and an association costs nothing while nobody uses it;
- a data set goes out in portions as it is read, and is never whole in memory here;
- what cannot be told from success is no success: after an error in mid-message the association is aborted.
"""

import contextlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import trio

from port104 import native
from port104.errors import (
    AbortedError,
    AssociationError,
    LocalProtocolError,
    NotAcceptedError,
    RemoteProtocolError,
    TimedOutError,
)
from port104.net.calling import Address, Timeouts, call
from port104.net.connection import Connection
from port104.net.courier import Errand, errands, run
from port104.net.endings import Endings
from port104.net.hearing import Heard, Hearing
from port104.net.matches import MOST_BYTES, Matches
from port104.net.outgoing import Content, DataSet, InMemory, WholeFile
from port104.wire.association import Association, AssociationLimits, Role
from port104.wire.command import Command, Status, has_response, is_response, response_to
from port104.wire.events import (
    AssociationAccepted,
    CommandReceived,
    DataSetFragment,
    Event,
    ReleaseRequested,
)
from port104.wire.fragmentation import portion
from port104.wire.operations import Operations, Response, echo_request, find_request, store_request
from port104.wire.proposal import VERIFICATION, Proposal, Syntaxes, associate_request
from port104.wire.refusals import context_words

# Of a data set in one send: what the socket does not take must fit into the link's queue, of 256 KiB.
_PORTION = 240 * 1024
# A thread tells what became of files when it has sent for so long.
_TIME_LIMIT_MS = 250
_WIDEST = 0xFFFF


class Sent(NamedTuple):
    """What came of files that were sent, the first of those that were given; the others were not begun.

    `responses`: None of those that were sent, in part at least, and not answered, which `end` ended.
    """

    responses: list[Response | None]
    end: AssociationError | None = None


class Requestor:
    """An association that stands. Its methods may be called by several tasks at a time.

    Every method raises AssociationError, by kind, when the association ends before what was asked is done;
    after that nothing can be done on it.
    """

    def __init__(
        self, connection: Connection, address: Address, proposal: Proposal, timeouts: Timeouts
    ) -> None:
        self._connection = connection
        self._link = connection.link
        self._address = address
        self._proposal = proposal
        self._timeouts = timeouts
        limits = AssociationLimits(artim=timeouts.associate, maximum_length=proposal.maximum_length)
        self._association = Association(Role.REQUESTOR, self._link, limits=limits, now=trio.current_time())
        self._operations = Operations(1)
        self._answers: dict[int, Response] = {}
        self._matches = Matches()
        self._hearing = Hearing()
        self._contexts: dict[Syntaxes, int] = {}
        self._refused: dict[Syntaxes, str] = {}  # -> why
        self._endings = Endings(address, connection)
        self._end: AssociationError | None = None  # why the association is over
        self._sending = trio.Lock()  # messages are not mixed
        self._reading = False
        self._readers = trio.lowlevel.ParkingLot()

    # ---- what can be done ----

    async def echo(self) -> Response:
        """C-ECHO (PS3.7 9.1.5). Raises NotAcceptedError where Verification was not proposed and accepted."""
        return await self._invoke(self.context_of(VERIFICATION), echo_request(), None)

    async def store(self, data_set: DataSet) -> Response:
        """C-STORE (PS3.7 9.1.1). Whether it was a success stands in the response.

        Raises NotAcceptedError where the peer takes no such data set, and then nothing was sent of it. What
        `data_set.read` raises comes out here; as the message cannot be ended, the association is aborted.
        """
        context_id = self.context_of(data_set.syntaxes)
        request = store_request(data_set.syntaxes.abstract_syntax, data_set.sop_instance_uid)
        return await self._invoke(context_id, request, data_set)

    async def find(self, syntaxes: Syntaxes, identifier: bytes) -> list[bytes]:
        """C-FIND (PS3.7 9.1.2): the identifiers of all that matches, encoded as `identifier` is.

        `syntaxes`: SOP class and transfer syntax of the query. Raises NotAcceptedError where the peer takes
        no such query, StatusError where it could not answer it; it is aborted where it answers with too much.
        """
        request = find_request(syntaxes.abstract_syntax)
        response = await self._invoke(self.context_of(syntaxes), request, InMemory(identifier))
        found = self._matches.pop(response.message_id)
        response.check()
        return found

    async def invoke(self, syntaxes: Syntaxes, request: Command, data: bytes) -> Response:
        """Any other operation whose response has no data set: N-ACTION, N-EVENT-REPORT (PS3.7 10.1).

        `request`: without a message ID. Raises NotAcceptedError where the peer takes no such thing.
        """
        return await self._invoke(self.context_of(syntaxes), request, InMemory(data))

    async def hear(self, seconds: float) -> Heard | None:
        """Wait for what the peer reports, to be answered; None: nothing came in so many seconds."""
        with trio.move_on_after(seconds):
            await self._until(lambda: self._hearing.heard is not None)
        heard, self._hearing.heard = self._hearing.heard, None
        return heard

    async def answer(self, heard: Heard, status: int) -> None:
        """Answer what was heard."""
        async with self._sending:
            self._look()
            response = response_to(heard.command, status)
            self._association.send_command(heard.context_id, response, trio.current_time())
            await self._send_due()

    async def store_files(self, files: Sequence[WholeFile], window: int = _WIDEST) -> Sent:
        """C-STORE of files, as long as that goes plainly and does not take long: several times faster.

        `window`: operations outstanding, as far as the peer agreed. Of files that are not among those sent
        `store` tells what is wrong, where something is. Cancelled while some are under way, it breaks the
        association off and tells what was answered. Raises AssociationError where none was sent.
        """
        async with self._sending:
            self._look()
            if self._operations.outstanding:
                return Sent([])
            tasks = list(errands(files, self._contexts, self._operations, self._association))
            return await self._run(tasks, min(window, self._operations.room)) if tasks else Sent([])

    def context_of(self, syntaxes: Syntaxes) -> int:
        """The presentation context ID for it. Raises NotAcceptedError, which says why there is none."""
        context_id = self._contexts.get(syntaxes)
        if context_id is not None:
            return context_id
        what = f"SOP class {syntaxes.abstract_syntax} in transfer syntax {syntaxes.transfer_syntax}"
        why = self._refused.get(syntaxes)
        if why is None:
            raise NotAcceptedError(f"{what} was not proposed to {self._address}")
        raise NotAcceptedError(f"{self._address} does not accept {what}: {why}")

    def first_of(self, syntaxes: Sequence[Syntaxes]) -> Syntaxes:
        """The first of these that the peer accepted. Raises NotAcceptedError, for the last one."""
        for each in syntaxes[:-1]:
            if each in self._contexts:
                return each
        self.context_of(syntaxes[-1])
        return syntaxes[-1]

    @property
    def usable(self) -> bool:
        """Whether the association stands, as far as is known; what the peer sent is looked at."""
        if self._end is None and not self._reading:
            self._take_events()
        return self._end is None

    # ---- the association ----

    async def establish(self) -> None:
        """Request the association. Once, before anything else."""
        self._association.request(associate_request(self._proposal), trio.current_time())
        await self._send_due()
        await self._until(lambda: bool(self._contexts or self._refused))

    async def release(self) -> None:
        """Release it. As everything that was asked for was done, it does not matter how that goes."""
        if self._end is not None or self._operations.outstanding:
            return
        self._association.release(trio.current_time())
        with contextlib.suppress(AssociationError):
            await self._send_due()
            await self._until(lambda: False)

    def abort(self, end: AssociationError) -> None:
        """Abort, for the reason `end`; does nothing where the association is over already."""
        if self._end is None:
            self._association.abort(trio.current_time())
            with contextlib.suppress(OSError):  # it does not take even that: closing must do
                self._link.send(self._association.data_to_send())
            self._finish(end)

    def _finish(self, end: AssociationError) -> None:
        """Nothing more comes of it: whoever waits hears why. What ended it first counts."""
        if self._end is None:
            self._end = end
            self._connection.interrupt()
            self._readers.unpark_all()

    # ---- operations ----

    async def _invoke(self, context_id: int, request: Command, data_set: Content | None) -> Response:
        async with self._sending:
            self._look()
            await self._until(lambda: self._operations.room > 0)
            request = self._operations.invoke(context_id, request)
            await self._send_message(context_id, request, data_set)
        return await self._response(request.message_id or 0)

    async def _send_message(self, context_id: int, request: Command, data_set: Content | None) -> None:
        try:
            self._association.send_command(context_id, request, trio.current_time())
            if data_set is not None:
                await self._send_data_set(context_id, data_set)
            await self._send_due()
        except BaseException:
            self.abort(AbortedError(f"we aborted the association with {self._address} in mid-message"))
            raise

    async def _send_data_set(self, context_id: int, data_set: Content) -> None:
        left = data_set.length
        size = portion(self._association.peer_maximum_length, _PORTION)
        while True:
            data = await data_set.read()
            left -= len(data)
            if left < 0 or (left and not data):
                raise LocalProtocolError("the data set is not as long as it was said to be")
            for at in range(0, max(len(data), 1), size):
                part = data[at : at + size]
                last = not left and at + size >= len(data)
                if last and len(part) % 2:
                    part += b"\0"  # PS3.8 E.1; a deflated data set may need it (PS3.5 A.5)
                self._association.send_data_set(context_id, part, trio.current_time(), last=last)
                await self._send_due()
                self._look()
            if not left:
                return

    async def _response(self, message_id: int) -> Response:
        while True:
            seen = self._matches.count(message_id)
            with trio.move_on_after(self._timeouts.response):
                await self._until(partial(self._is_answered, message_id, seen))
            if message_id in self._answers:
                return self._answers.pop(message_id)
            if self._matches.count(message_id) == seen:
                why = f"{self._address} sent no response within {self._timeouts.response:g} s"
                raise self._give_up(why)

    def _is_answered(self, message_id: int, seen: int) -> bool:
        """Whether more has come of it than the matches that were `seen`."""
        return message_id in self._answers or self._matches.count(message_id) > seen

    def _give_up(self, why: str) -> AssociationError:
        self.abort(TimedOutError(why))
        return self._end or TimedOutError(why)

    # ---- files that a thread sends ----

    async def _run(self, tasks: list[Errand], window: int) -> Sent:
        terms = native.Terms(
            peer_maximum_length=self._association.peer_maximum_length,
            window=window,
            send_timeout=math.ceil(self._timeouts.send * 1000),
            time_limit=_TIME_LIMIT_MS,
        )
        self._reading = True
        try:
            statuses, end = await run(self._connection, tasks, terms)
        finally:
            self._reading = False
            self._readers.unpark_all()
        begun = tasks[: len(statuses)]
        answered = {
            errand.parcel.message_id: Response(errand.parcel.message_id, status)
            for errand, status in zip(begun, statuses, strict=True)
            if status is not None
        }
        left = [errand for errand in begun if errand.parcel.message_id not in answered]
        for errand in left:
            self._operations.adopt(errand.parcel.context_id, errand.request)
        why = self._why_broken(end) or await self._await_all(left, answered)
        answered |= self._answers
        self._answers.clear()
        return Sent([answered.get(errand.parcel.message_id) for errand in begun], why)

    async def _await_all(self, left: list[Errand], answered: dict[int, Response]) -> AssociationError | None:
        """Wait for the responses to what was sent; returns why there are no more, cancelled too."""
        try:
            for errand in left:
                answered[errand.parcel.message_id] = await self._response(errand.parcel.message_id)
        except AssociationError as end:
            return end
        except trio.Cancelled:
            self.abort(AbortedError(f"we aborted the association with {self._address}"))
            return self._end
        return None

    def _why_broken(self, end: int) -> AssociationError | None:
        """Say why a message was not sent whole, where one was not, and let nobody use the association."""
        if end not in (native.COURIER_BROKEN, native.COURIER_STUCK, native.COURIER_CUT):
            return None
        self._take_events()
        if self._end is not None:
            return self._end
        if end == native.COURIER_STUCK:
            return self._give_up(f"{self._address} took no byte for {self._timeouts.send:g} s")
        why = self._endings.lost("the peer takes no more")
        if end == native.COURIER_CUT:
            why = AbortedError("a file became shorter while it was sent, and the association was aborted")
        self.abort(why)
        return why

    # ---- bytes ----

    async def _send_due(self) -> None:
        """Send what is due; a peer that takes no byte of it in time is given up."""
        try:
            if due := self._association.data_to_send():
                self._link.send(due)
            while left := self._link.unsent:
                with trio.move_on_after(self._timeouts.send):
                    await self._connection.flush()
                if self._link.unsent == left:
                    raise self._give_up(f"{self._address} took no byte for {self._timeouts.send:g} s")
        except OSError as failure:
            self._take_events()  # an A-ABORT says more than a broken connection
            self._finish(self._endings.lost(failure.strerror or str(failure)))
            self._look()

    def _look(self) -> None:
        """Take what has come, without waiting. Raises why the association is over, where it is."""
        if not self._reading:  # else it is another task's, which would wait on for what was taken here
            self._take_events()
        if self._end is not None:
            raise self._end

    async def _until(self, done: Callable[[], bool]) -> None:
        """Read until `done`, or have another task read. Raises why the association is over, where it is."""
        while not done():
            if self._end is not None:
                raise self._end
            if self._reading:
                await self._readers.park()
                continue
            self._reading = True
            try:
                await self._read()
            finally:
                self._reading = False
                self._readers.unpark_all()

    async def _read(self) -> None:
        if self._take_events():
            return
        self._connection.acknowledge_at_once()
        with trio.CancelScope(deadline=self._association.next_deadline()) as scope:
            await self._connection.wait_input()
        if scope.cancelled_caught:
            self._association.handle_timer(trio.current_time())
        self._take_events()

    def _take_events(self) -> bool:
        """Handle what has come. Returns whether anything had."""
        came = False
        while (event := self._association.next_event(trio.current_time())) is not None:
            came = True
            self._handle(event)
        try:
            self._link.send(self._association.data_to_send())
        except OSError as failure:
            self._finish(self._endings.lost(failure.strerror or str(failure)))
        if self._association.closed:
            self._finish(self._endings.lost("it was closed"))
        return came or self._end is not None

    # ---- events ----

    def _handle(self, event: Event) -> None:
        match event:
            case CommandReceived():
                self._command(event)
            case DataSetFragment():
                self._match(event)
            case AssociationAccepted():
                self._accepted(event)
            case ReleaseRequested():
                self._association.release_response(trio.current_time())
                self._finish(self._endings.of(event))
            case _:
                self._finish(self._endings.of(event))

    def _accepted(self, event: AssociationAccepted) -> None:
        self._endings.answered = True
        self._operations = Operations(
            min(self._association.window or 0xFFFF, self._proposal.window or 0xFFFF)
        )
        for answer in event.accept.presentation_contexts:
            syntaxes = self._proposal.syntaxes[answer.id // 2]
            if answer.id in self._association.contexts:
                self._contexts[syntaxes] = answer.id
            else:
                self._refused[syntaxes] = context_words(answer.result)
        for syntaxes in self._proposal.syntaxes:
            if syntaxes not in self._contexts:
                self._refused.setdefault(syntaxes, "it said nothing of that")

    def _command(self, event: CommandReceived) -> None:
        command = event.command
        if not is_response(command):
            self._asked(event)
            return
        try:
            response = self._operations.answer(event.context_id, command)
        except RemoteProtocolError as fault:
            self.abort(self._endings.broke(str(fault)))
        else:
            if response.is_last:
                self._answers[response.message_id] = response
            else:
                self._matches.begin(response.message_id)

    def _asked(self, event: CommandReceived) -> None:
        context = self._association.contexts[event.context_id]
        if self._hearing.begin(event, context.abstract_syntax) or not has_response(event.command):
            return
        refusal = response_to(event.command, Status.UNRECOGNIZED_OPERATION)
        self._association.send_command(event.context_id, refusal, trio.current_time())

    def _match(self, event: DataSetFragment) -> None:
        if self._hearing.take(event.data, last=event.last):
            return
        if not self._matches.take(event.data, last=event.last):
            what = f"it answered a query with more than {MOST_BYTES >> 20} MiB"
            self.abort(AbortedError(f"{self._address} was sent A-ABORT: {what}"))


@asynccontextmanager
async def associate(
    address: Address,
    proposal: Proposal,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
) -> AsyncIterator[Requestor]:
    """Request an association; it is released at the end of the block, and aborted where that raises.

    Raises ConnectError, RejectedError, AbortedError, TimedOutError; LocalProtocolError where the standard
    has no such request.
    """
    connection = await call(address, timeouts.connect)
    requestor = Requestor(connection, address, proposal, timeouts)
    try:
        await requestor.establish()
        yield requestor
        await requestor.release()
    finally:
        requestor.abort(AbortedError(f"we aborted the association with {address}"))
        connection.close()
