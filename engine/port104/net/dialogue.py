"""An association that we request, as it stands: the trio shell round wire.Association, as requestor.

Rules that this room keeps:
- there is no task behind it: whoever waits for a response reads for everybody, so errors are raised where
  they are met, and an association costs nothing while nobody uses it;
- what ended it first is what everybody hears.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import trio

from port104.errors import (
    AbortedError,
    AssociationError,
    NotAcceptedError,
    RemoteProtocolError,
    TimedOutError,
)
from port104.net.calling import Address, Timeouts
from port104.net.connection import Connection
from port104.net.endings import Endings
from port104.net.hearing import Hearing
from port104.net.matches import MOST_BYTES, Matches
from port104.wire.association import Association, AssociationLimits, Role
from port104.wire.command import Status, has_response, is_response, response_to
from port104.wire.events import (
    AssociationAccepted,
    CommandReceived,
    DataSetFragment,
    Event,
    ReleaseRequested,
)
from port104.wire.operations import Operations, Response
from port104.wire.proposal import Proposal, Syntaxes, associate_request
from port104.wire.refusals import context_words


class Dialogue:
    """What is said on one association, and what became of it; a Requestor says what is to be done.

    `end`: why it is over; `answers`: responses that nobody has taken yet, by message ID.
    """

    def __init__(
        self, connection: Connection, address: Address, proposal: Proposal, timeouts: Timeouts
    ) -> None:
        self.connection = connection
        self.address = address
        self.timeouts = timeouts
        self._link = connection.link
        self._proposal = proposal
        limits = AssociationLimits(artim=timeouts.associate, maximum_length=proposal.maximum_length)
        self.association = Association(Role.REQUESTOR, self._link, limits=limits, now=trio.current_time())
        self.operations = Operations(1)
        self.answers: dict[int, Response] = {}
        self.matches = Matches()
        self.hearing = Hearing()
        self.contexts: dict[Syntaxes, int] = {}
        self._refused: dict[Syntaxes, str] = {}  # -> why
        self.endings = Endings(address, connection)
        self.end: AssociationError | None = None
        self._reading = False
        self._readers = trio.lowlevel.ParkingLot()

    async def establish(self) -> None:
        """Request the association. Once, before anything else."""
        self.association.request(associate_request(self._proposal), trio.current_time())
        await self.send_due()
        await self.until(lambda: bool(self.contexts or self._refused))

    async def release(self) -> None:
        """Release it. As everything that was asked for was done, it does not matter how that goes."""
        if self.end is not None or self.operations.outstanding:
            return
        self.association.release(trio.current_time())
        with contextlib.suppress(AssociationError):
            await self.send_due()
            await self.until(lambda: False)

    def abort(self, end: AssociationError) -> None:
        """Abort, for the reason `end`; does nothing where the association is over already."""
        if self.end is None:
            self.association.abort(trio.current_time())
            with contextlib.suppress(OSError):  # it does not take even that: closing must do
                self._link.send(self.association.data_to_send())
            self.finish(end)

    def finish(self, end: AssociationError) -> None:
        """Nothing more comes of it: whoever waits hears why. What ended it first counts."""
        if self.end is None:
            self.end = end
            self.connection.interrupt()
            self._readers.unpark_all()

    def give_up(self, why: str) -> AssociationError:
        """Abort, as time is up. Returns why the association is over."""
        self.abort(TimedOutError(why))
        return self.end or TimedOutError(why)

    @property
    def usable(self) -> bool:
        """Whether the association stands, as far as is known; what the peer sent is looked at."""
        if self.end is None and not self._reading:
            self.take_events()
        return self.end is None

    # ---- contexts ----

    def context_of(self, syntaxes: Syntaxes) -> int:
        """The presentation context ID for it. Raises NotAcceptedError, which says why there is none."""
        context_id = self.contexts.get(syntaxes)
        if context_id is not None:
            return context_id
        what = f"SOP class {syntaxes.abstract_syntax} in transfer syntax {syntaxes.transfer_syntax}"
        why = self._refused.get(syntaxes)
        if why is None:
            raise NotAcceptedError(f"{what} was not proposed to {self.address}")
        raise NotAcceptedError(f"{self.address} does not accept {what}: {why}")

    def first_of(self, syntaxes: Sequence[Syntaxes]) -> Syntaxes:
        """The first of these that the peer accepted. Raises NotAcceptedError, for the last one."""
        for each in syntaxes[:-1]:
            if each in self.contexts:
                return each
        self.context_of(syntaxes[-1])
        return syntaxes[-1]

    # ---- bytes ----

    async def send_due(self) -> None:
        """Send what is due; a peer that takes no byte of it in time is given up."""
        try:
            if due := self.association.data_to_send():
                self._link.send(due)
            while left := self._link.unsent:
                with trio.move_on_after(self.timeouts.send):
                    await self.connection.flush()
                if self._link.unsent == left:
                    raise self.give_up(f"{self.address} took no byte for {self.timeouts.send:g} s")
        except OSError as failure:
            self.take_events()  # an A-ABORT says more than a broken connection
            self.finish(self.endings.lost(failure.strerror or str(failure)))
            self.look()

    def look(self) -> None:
        """Take what has come, without waiting. Raises why the association is over, where it is."""
        if not self._reading:  # else it is another task's, which would wait on for what was taken here
            self.take_events()
        if self.end is not None:
            raise self.end

    async def until(self, done: Callable[[], bool]) -> None:
        """Read until `done`, or have another task read. Raises why the association is over, where it is."""
        while not done():
            if self.end is not None:
                raise self.end
            if self._reading:
                await self._readers.park()
                continue
            self._reading = True
            try:
                await self._read()
            finally:
                self._reading = False
                self._readers.unpark_all()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Have nobody read meanwhile, as the link is a thread's."""
        self._reading = True
        try:
            yield
        finally:
            self._reading = False
            self._readers.unpark_all()

    async def _read(self) -> None:
        if self.take_events():
            return
        self.connection.acknowledge_at_once()
        with trio.CancelScope(deadline=self.association.next_deadline()) as scope:
            await self.connection.wait_input()
        if scope.cancelled_caught:
            self.association.handle_timer(trio.current_time())
        self.take_events()

    def take_events(self) -> bool:
        """Handle what has come. Returns whether anything had."""
        came = False
        while (event := self.association.next_event(trio.current_time())) is not None:
            came = True
            self._handle(event)
        try:
            self._link.send(self.association.data_to_send())
        except OSError as failure:
            self.finish(self.endings.lost(failure.strerror or str(failure)))
        if self.association.closed:
            self.finish(self.endings.lost("it was closed"))
        return came or self.end is not None

    # ---- responses ----

    async def response(self, message_id: int) -> Response:
        """Wait for the last response to an operation. Raises why there is none."""
        while True:
            seen = self.matches.count(message_id)
            with trio.move_on_after(self.timeouts.response):
                await self.until(partial(self._is_answered, message_id, seen))
            if message_id in self.answers:
                return self.answers.pop(message_id)
            if self.matches.count(message_id) == seen:
                why = f"{self.address} sent no response within {self.timeouts.response:g} s"
                raise self.give_up(why)

    def _is_answered(self, message_id: int, seen: int) -> bool:
        """Whether more has come of it than the matches that were `seen`."""
        return message_id in self.answers or self.matches.count(message_id) > seen

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
                self.association.release_response(trio.current_time())
                self.finish(self.endings.of(event))
            case _:
                self.finish(self.endings.of(event))

    def _accepted(self, event: AssociationAccepted) -> None:
        self.endings.answered = True
        self.operations = Operations(min(self.association.window or 0xFFFF, self._proposal.window or 0xFFFF))
        for answer in event.accept.presentation_contexts:
            syntaxes = self._proposal.syntaxes[answer.id // 2]
            if answer.id in self.association.contexts:
                self.contexts[syntaxes] = answer.id
            else:
                self._refused[syntaxes] = context_words(answer.result)
        for syntaxes in self._proposal.syntaxes:
            if syntaxes not in self.contexts:
                self._refused.setdefault(syntaxes, "it said nothing of that")

    def _command(self, event: CommandReceived) -> None:
        command = event.command
        if not is_response(command):
            self._asked(event)
            return
        try:
            response = self.operations.answer(event.context_id, command)
        except RemoteProtocolError as fault:
            self.abort(self.endings.broke(str(fault)))
        else:
            if response.is_last:
                self.answers[response.message_id] = response
            else:
                self.matches.begin(response.message_id)

    def _asked(self, event: CommandReceived) -> None:
        context = self.association.contexts[event.context_id]
        if self.hearing.begin(event, context.abstract_syntax) or not has_response(event.command):
            return
        refusal = response_to(event.command, Status.UNRECOGNIZED_OPERATION)
        self.association.send_command(event.context_id, refusal, trio.current_time())

    def _match(self, event: DataSetFragment) -> None:
        if self.hearing.take(event.data, last=event.last):
            return
        if not self.matches.take(event.data, last=event.last):
            what = f"it answered a query with more than {MOST_BYTES >> 20} MiB"
            self.abort(AbortedError(f"{self.address} was sent A-ABORT: {what}"))
