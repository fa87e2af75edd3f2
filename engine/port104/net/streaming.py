"""C-STORE as SCP for who takes data sets as they come, and not as files (PS3.7 9.1.1, PS3.4 annex B).

Rules that this room keeps:
- a fragment is received when it is asked for: who is slow has the peer wait, by TCP, and nothing piles up;
- a data set is passed to its end before its command is answered, however much of it was wanted;
- what who takes it does wrong is answered, and ends no association.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import structlog
import trio

from port104 import native
from port104.completions import Completion
from port104.errors import AbortedError
from port104.native import IntakeCounts, Link
from port104.net.contracts import Streams
from port104.net.tally import Tally
from port104.wire.association import Association
from port104.wire.command import Status
from port104.wire.events import CommandReceived, DataSetFragment, Event
from port104.wire.status import StatusClass, class_of

log = structlog.get_logger("port104.store")

_NOTHING_KEPT = IntakeCounts(stored=0, duplicates=0, failed=0, bytes=0, under_way=0)


class DataSet(AsyncIterator[bytes]):
    """The bytes of one data set, as they come; each piece as long as what was received at once.

    `handle` is given what happens instead of the next fragment: the end of the association.
    """

    def __init__(
        self,
        association: Association,
        *,
        wait_input: Callable[[], Awaitable[None]],
        handle: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._association = association
        self._wait_input = wait_input
        self._handle = handle
        self._lock = trio.Lock()
        self._closed = False
        self.whole = False
        """Whether its last byte was received."""
        self.broken: AbortedError | None = None
        """Why the rest of it will never come."""

    async def __anext__(self) -> bytes:
        """Receive the next bytes.

        Raises AbortedError where the association is over, and trio.ClosedResourceError once the instance
        was answered for.
        """
        async with self._lock:
            if self._closed:
                raise trio.ClosedResourceError
            return await self._receive()

    async def pass_over(self) -> None:
        """Receive the rest, for nobody."""
        self._closed = True
        async with self._lock:
            while not self.whole and self.broken is None:
                await trio.lowlevel.checkpoint()
                await self._fragment()

    async def _receive(self) -> bytes:
        while not self.whole and self.broken is None:
            data = await self._fragment()
            if data:
                return data
        if self.broken is not None:
            raise self.broken
        raise StopAsyncIteration

    async def _fragment(self) -> bytes:
        """Receive what comes next, and note the end of the data set, or of the association."""
        # Since the last fragment the peer has waited for us.
        self._association.look(trio.current_time(), waits_for_us=True)
        while (event := self._association.next_event(trio.current_time())) is None:
            if self._association.closed:
                break
            await self._wait_input()
        if isinstance(event, DataSetFragment):
            self.whole = event.last
            return event.data
        self.broken = AbortedError("the association ended inside the data set")
        if event is not None:
            await self._end(event)
        return b""

    async def _end(self, event: Event) -> None:
        try:
            await self._handle(event)
        except OSError as failure:  # A-ABORT could not be sent
            self.broken = AbortedError(f"the connection broke inside the data set: {failure.strerror}")


class Streaming:
    """Has `streams` take what one association sends. `wait_input` and `handle`: the session's."""

    def __init__(
        self,
        association: Association,
        streams: Streams,
        tally: Tally,
        *,
        wait_input: Callable[[], Awaitable[None]],
        handle: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._association = association
        self._streams = streams
        self._tally = tally
        self._wait_input = wait_input
        self._handle = handle

    async def store(self, event: CommandReceived) -> int | None:
        """Have an instance taken; returns the status to answer, None: the association is over."""
        data_set = DataSet(self._association, wait_input=self._wait_input, handle=self._handle)
        context = self._association.contexts[event.context_id]
        try:
            status = await self._streams.store(event.command, context.transfer_syntax, data_set)
        except Exception:
            status = Status.PROCESSING_FAILURE
            if data_set.broken is None:  # else it could do nothing but fail
                log.exception("the program failed with an instance", status=f"{status:04X}")
        await data_set.pass_over()
        if data_set.broken is not None:
            return None
        self._count(status)
        return status

    def _count(self, status: int) -> None:
        if class_of(status) is StatusClass.FAILURE:
            self._tally.refused += 1
        else:
            self._tally.streamed += 1


class PassingIntake:
    """A contracts.Intake that takes nothing: the link is given back at once."""

    def __init__(self, number: int, callback: Callable[[Completion], None]) -> None:
        self.id = number
        self._returned = Completion(
            intake=number,
            received=0,
            kind=native.RETURNED,
            error=0,
            reason=native.RETURN_OTHER,
            status=0,
            duplicate=False,
            replaced=False,
            unsent=False,
            copy=0,
            elements_complete=False,
            called_ae_title="",
            sop_instance_uid="",
            name="",
            picked=b"",
        )
        self._callback = callback

    def lend(self, *, give_up: bool = False) -> None:
        """As the protocol says."""
        del give_up
        self._callback(self._returned)

    def counts(self) -> IntakeCounts:
        """As the protocol says."""
        return _NOTHING_KEPT


class PassingSink:
    """A contracts.Sink that keeps nothing: everything is left to Admitted.streams."""

    def __init__(self) -> None:
        self._intakes = 0

    def intake(
        self,
        link: Link,
        contexts: Iterable[tuple[int, str, str]],
        *,
        calling_ae_title: str,
        called_ae_title: str,
        window: int,
        peer_maximum_length: int,
        maximum_size: int,
        overwrite: bool,
        callback: Callable[[Completion], None],
    ) -> PassingIntake:
        """As the protocol says."""
        del link, contexts, calling_ae_title, called_ae_title, window
        del peer_maximum_length, maximum_size, overwrite
        self._intakes += 1
        return PassingIntake(self._intakes, callback)

    def release(self, intake: PassingIntake) -> None:
        """As the protocol says."""
