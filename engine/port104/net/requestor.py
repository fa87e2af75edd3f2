"""What we ask for on an association that we request: operations, and files that a thread sends.

Rules that this room keeps:
- a data set goes out in portions as it is read, and is never whole in memory here;
- what cannot be told from success is no success: after an error in mid-message the association is aborted.
"""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import trio

from port104 import native
from port104.errors import AbortedError, AssociationError, LocalProtocolError
from port104.net.calling import Address, Timeouts, call
from port104.net.courier import Errand, Errands, errands, run
from port104.net.dialogue import Dialogue
from port104.net.hearing import Heard
from port104.net.outgoing import Content, DataSet, InMemory, WholeFile
from port104.wire.command import Command, response_to
from port104.wire.fragmentation import portion
from port104.wire.operations import Response, echo_request, find_request, store_request
from port104.wire.proposal import VERIFICATION, Proposal, Syntaxes

# Of a data set in one send: what the socket does not take must fit into the link's queue, of 256 KiB.
_PORTION = 240 * 1024
# A thread tells what became of files when it has sent for so long.
_TIME_LIMIT_MS = 250
_WIDEST = 0xFFFF
# So many are made ready in a thread: the loop has others to see to.
_MANY = 64


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

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._sending = trio.Lock()  # messages are not mixed

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
        found = self._dialogue.matches.pop(response.message_id)
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
            await self._dialogue.until(lambda: self._dialogue.hearing.heard is not None)
        heard, self._dialogue.hearing.heard = self._dialogue.hearing.heard, None
        return heard

    async def answer(self, heard: Heard, status: int) -> None:
        """Answer what was heard."""
        async with self._sending:
            self._dialogue.look()
            response = response_to(heard.command, status)
            self._dialogue.association.send_command(heard.context_id, response, trio.current_time())
            await self._dialogue.send_due()

    async def prepare(self, files: Sequence[WholeFile]) -> Errands:
        """Make as many of the first files ready for `store_prepared` as have a context.

        That takes a third as long as to send a small one: it is done while those before are sent.
        """
        dialogue = self._dialogue
        numbers = [dialogue.operations.number() for _ in files]
        make = partial(errands, files, numbers, dialogue.contexts, dialogue.association)
        return make() if len(files) < _MANY else await trio.to_thread.run_sync(make)

    async def store_prepared(self, tasks: Errands, first: int = 0, window: int = _WIDEST) -> Sent:
        """C-STORE of files, as long as that goes plainly and does not take long: several times faster.

        `first`: of them, where those before were sent. `window`: operations outstanding, as far as the peer
        agreed. Of files that are not among those sent `store` tells what is wrong, where something is.
        Cancelled while some are under way, it breaks the association off and tells what was answered. Raises
        AssociationError where none was sent.
        """
        async with self._sending:
            dialogue = self._dialogue
            dialogue.look()
            if dialogue.operations.outstanding or first >= len(tasks):
                return Sent([])
            return await self._run(tasks, first, min(window, dialogue.operations.room))

    async def store_files(self, files: Sequence[WholeFile], window: int = _WIDEST) -> Sent:
        """`store_prepared` of files that were not."""
        return await self.store_prepared(await self.prepare(files), window=window)

    def context_of(self, syntaxes: Syntaxes) -> int:
        """The presentation context ID for it. Raises NotAcceptedError, which says why there is none."""
        return self._dialogue.context_of(syntaxes)

    def first_of(self, syntaxes: Sequence[Syntaxes]) -> Syntaxes:
        """The first of these that the peer accepted. Raises NotAcceptedError, for the last one."""
        return self._dialogue.first_of(syntaxes)

    @property
    def usable(self) -> bool:
        """Whether the association stands, as far as is known; what the peer sent is looked at."""
        return self._dialogue.usable

    # ---- operations ----

    async def _invoke(self, context_id: int, request: Command, data_set: Content | None) -> Response:
        async with self._sending:
            self._dialogue.look()
            await self._dialogue.until(lambda: self._dialogue.operations.room > 0)
            request = self._dialogue.operations.invoke(context_id, request)
            await self._send_message(context_id, request, data_set)
        return await self._dialogue.response(request.message_id or 0)

    async def _send_message(self, context_id: int, request: Command, data_set: Content | None) -> None:
        try:
            self._dialogue.association.send_command(context_id, request, trio.current_time())
            if data_set is not None:
                await self._send_data_set(context_id, data_set)
            await self._dialogue.send_due()
        except BaseException:
            address = self._dialogue.address
            self._dialogue.abort(AbortedError(f"we aborted the association with {address} in mid-message"))
            raise

    async def _send_data_set(self, context_id: int, data_set: Content) -> None:
        left = data_set.length
        size = portion(self._dialogue.association.peer_maximum_length, _PORTION)
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
                self._dialogue.association.send_data_set(context_id, part, trio.current_time(), last=last)
                await self._dialogue.send_due()
                self._dialogue.look()
            if not left:
                return

    # ---- files that a thread sends ----

    async def _run(self, tasks: Errands, first: int, window: int) -> Sent:
        terms = native.Terms(
            peer_maximum_length=self._dialogue.association.peer_maximum_length,
            window=window,
            send_timeout=math.ceil(self._dialogue.timeouts.send * 1000),
            time_limit=_TIME_LIMIT_MS,
        )
        with self._dialogue.lent():
            statuses, end = await run(self._dialogue.connection, tasks, first, terms)
        begun = tasks.each[first : first + len(statuses)]
        responses = [
            None if status is None else Response(errand.message_id, status)
            for errand, status in zip(begun, statuses, strict=True)
        ]
        left = [errand for errand, status in zip(begun, statuses, strict=True) if status is None]
        for errand in left:
            self._dialogue.operations.adopt(errand.context_id, errand.request)
        late: dict[int, Response] = {}
        why = self._why_broken(end)
        if why is None:
            late, why = await self._late(left)
        late |= self._dialogue.answers
        self._dialogue.answers.clear()
        if late:
            responses = [
                response or late.get(errand.message_id)
                for errand, response in zip(begun, responses, strict=True)
            ]
        return Sent(responses, why)

    async def _late(self, left: list[Errand]) -> tuple[dict[int, Response], AssociationError | None]:
        """The responses to what was sent, by message ID, and why there are no more, cancelled too."""
        late: dict[int, Response] = {}
        try:
            for errand in left:
                late[errand.message_id] = await self._dialogue.response(errand.message_id)
        except AssociationError as end:
            return late, end
        except trio.Cancelled:
            self._dialogue.abort(AbortedError(f"we aborted the association with {self._dialogue.address}"))
            return late, self._dialogue.end
        return late, None

    def _why_broken(self, end: int) -> AssociationError | None:
        """Say why a message was not sent whole, where one was not, and let nobody use the association."""
        if end not in (native.COURIER_BROKEN, native.COURIER_STUCK, native.COURIER_CUT):
            return None
        dialogue = self._dialogue
        dialogue.take_events()
        if dialogue.end is not None:
            return dialogue.end
        if end == native.COURIER_STUCK:
            return dialogue.give_up(f"{dialogue.address} took no byte for {dialogue.timeouts.send:g} s")
        why = dialogue.endings.lost("the peer takes no more")
        if end == native.COURIER_CUT:
            why = AbortedError("a file became shorter while it was sent, and the association was aborted")
        dialogue.abort(why)
        return why


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
    dialogue = Dialogue(connection, address, proposal, timeouts)
    try:
        await dialogue.establish()
        yield Requestor(dialogue)
        await dialogue.release()
    finally:
        dialogue.abort(AbortedError(f"we aborted the association with {address}"))
        connection.close()
