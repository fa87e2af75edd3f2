"""Messages are taken from the ledger in turn and sent, as long as it takes.

Rules that this room keeps:
- a message counts as sent once the broker has answered for it, and that is written down;
- whatever becomes of the broker, no message is lost, and nothing else waits for it;
- one that the broker does not take is sent again after a while, and those behind it before that.
"""

from collections.abc import Callable

import msgspec
import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.desk import Desk
from port104.events.contracts import ConnectToPublish, Publication, RefusedError
from port104.events.line import Line
from port104.events.links import Caller
from port104.events.patience import delay_of
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.messages import Message, Refusal

log = structlog.get_logger("port104.events")

# Messages of engines that are gone, and those that were not taken, are looked for so often; and the broker is
# told that we are there.
LOOK_SECONDS = 5.0
# Taken at a time: the more, the fewer transactions; and the more are sent twice after a kill.
BATCH = 16
# Longer than a connection may be silent before it counts as lost; then others may send what was taken.
LEASE_SECONDS = 300.0
# A message that was sent is remembered, without its body, so that none of the same ID is written again.
_KEEP_SECONDS = 30 * 86_400.0
_MOST_FORGOTTEN = 1_000
CLEAR_SECONDS = 3600.0


class Publisher:
    """Sends messages. Call `look` when there may be some."""

    def __init__(self, desk: Desk, connect: ConnectToPublish, jitter: Callable[[], float]) -> None:
        self._desk = desk
        self._jitter = jitter
        self._line = Line(connect, jitter, "to send messages")
        self._news = trio.Event()

    @property
    def fault(self) -> str | None:
        """Why the broker cannot be used; None: it can."""
        return self._line.fault

    def look(self) -> None:
        """Hear that there may be a message to send. Never waits."""
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled; what is not sent by then is by the next start."""
        await self._desk.insist(lambda ledger: ledger.messages.begin())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._clear)
            await self._line.keep(self._send_all)

    async def _send_all(self, link: Caller[Publication]) -> None:
        """Send what there is, and what comes. Raises BrokerError."""
        while True:
            self._news = trio.Event()
            try:
                wait = await self._send_some(link)
            except DatabaseError:
                wait = LOOK_SECONDS  # the desk has told of it
            with trio.move_on_after(wait):
                await self._news.wait()
            await link.do(lambda publication: publication.rest())

    async def _send_some(self, link: Caller[Publication]) -> float:
        """Send what is due; returns in how many seconds there may be more. Raises as both do."""
        batch = await self._desk.do(lambda ledger: ledger.messages.take(BATCH, LEASE_SECONDS))
        taken = _Taken(left=[message.id for message in batch])
        try:
            for message in batch:
                await self._send(link, message, taken)
        finally:
            await self._write_down(taken)
        if batch:
            return 0.0
        due = await self._desk.do(lambda ledger: ledger.messages.seconds_until_due())
        return LOOK_SECONDS if due is None else min(due, LOOK_SECONDS)

    async def _send(self, link: Caller[Publication], message: Message, taken: "_Taken") -> None:
        try:
            await link.do(lambda publication: publication.publish(message))
        except RefusedError as refused:
            delay = delay_of(message.attempt, self._jitter())
            # The first time, and once it is known to last.
            say = log.warning if message.attempt in (0, 5) else log.debug
            facts = {"message": message.id, "kind": message.kind, "routing_key": message.routing_key}
            say("the broker does not take a message", reason=str(refused), hint=_again(delay), **facts)
            taken.refused.append(Refusal(message.id, str(refused), delay))
        else:
            taken.sent.append(message.id)
        taken.left.remove(message.id)

    async def _write_down(self, taken: "_Taken") -> None:
        """Write down what became of messages: at the end too, if the database can be used then."""
        if not taken:
            return
        try:
            with trio.CancelScope(shield=True):
                await self._desk.do(taken.write)
        except DatabaseError:
            await self._desk.insist(taken.write)

    async def _clear(self) -> None:
        """Forget, now and then, what was sent long ago."""
        while True:
            await trio.sleep(CLEAR_SECONDS)
            while await self._desk.insist(
                lambda ledger: ledger.messages.forget(_KEEP_SECONDS, _MOST_FORGOTTEN)
            ):
                pass


class _Taken(msgspec.Struct):
    """Messages that were taken, by their IDs, and what became of them."""

    left: list[str]
    sent: list[str] = []
    refused: list[Refusal] = []

    def __bool__(self) -> bool:
        return bool(self.left or self.sent or self.refused)

    def write(self, ledger: Ledger) -> None:
        ledger.messages.settle(self.sent, self.refused, self.left)


def _again(seconds: float) -> str:
    return f"sent again in {seconds:.0f} s"
