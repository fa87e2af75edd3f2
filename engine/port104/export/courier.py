"""One association with a destination: what is taken is sent, and what came of each is noted.

Rules that this room keeps:
- between an answer and its note there is no await: a success that was seen is not sent again;
- of several that were under way when an association ended each is sent again alone, in this turn: which one
  ended it is then known, and only that one has lost an attempt;
- what was taken and not sent is put back, however the association ends; after a kill the next start does it.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from port104.export.contracts import (
    BrokenOffError,
    NotProposedError,
    OpenPeer,
    Peer,
    UnsendableError,
)
from port104.export.holding import Batch, Holder
from port104.export.queue import ExportQueue, Turn
from port104.export.recording import Recorder
from port104.export.verdicts import Answer, BrokenOff, Unsendable, judge
from port104.jobs.ledger.exports import Delivery, Outcome
from port104.registry.entries import Destination

log = structlog.get_logger("port104.export")


class Courier:
    """Sends to one destination, in its turn. `works`: is told when that has shown that it works."""

    def __init__(
        self,
        destination: Destination,
        turn: Turn,
        queue: ExportQueue,
        holder: Holder,
        recorder: Recorder,
        jitter: Callable[[], float],
        works: Callable[[], None],
    ) -> None:
        self._destination = destination
        self._turn = turn
        self._queue = queue
        self._holder = holder
        self._recorder = recorder
        self._jitter = jitter
        self._works = works
        self._outcomes: Counter[str] = Counter()

    async def ask(self, open_peer: OpenPeer) -> None:
        """Ask by C-ECHO whether somebody is there. Raises UnreachableError, BrokenOffError."""
        async with open_peer(self._destination, ()) as peer:
            await peer.echo()
        self._queue.probed(self._destination.name)

    async def deliver(self, open_peer: OpenPeer, batch: Batch, more: Callable[[], Awaitable[Batch]]) -> None:
        """Send a batch, and what `more` gives while it gives any. Raises UnreachableError, DatabaseError."""
        began = trio.current_time()
        try:
            goes_on = True
            while goes_on:
                async with open_peer(self._destination, batch.paths) as peer:
                    has_room = self._queue.established(self._turn)
                    while has_room and batch.deliveries and await self._send(peer, batch):
                        batch = await more()
                is_ours = self._holder.is_held(batch) and not self._is_left_alone()
                goes_on = has_room and batch.alone > 0 and is_ours
        finally:
            for each in batch.deliveries:
                self._recorder.note(Outcome(delivery=each, state="waiting", tried=False))
            if self._outcomes:
                seconds = round(trio.current_time() - began, 1)
                facts = {"destination": self._destination.name, "seconds": seconds}
                level = log.warning if self._outcomes.keys() - {"delivered"} else log.info
                level("results sent", outcomes=dict(self._outcomes), **facts)

    async def _send(self, peer: Peer, batch: Batch) -> bool:
        """Send each, and leave in the batch what is to be put back; returns whether all is well."""
        misfits: deque[Delivery] = deque()
        try:
            while batch.deliveries:
                await self._recorder.room()
                if not self._holder.is_held(batch):
                    return False
                answers = await _answers_of(peer, batch)
                self._take(batch, answers)
                if not answers:
                    misfits.append(batch.pop())
                ended = any(answer is None or isinstance(answer, BrokenOff) for answer in answers)
                if ended or self._is_left_alone():
                    return False
            return not misfits
        finally:
            batch.deliveries.extend(misfits)

    def _take(self, batch: Batch, answers: Sequence[Answer | None]) -> None:
        unanswered: list[Delivery] = []
        for answer in answers:
            delivery = batch.pop()
            if answer is None:
                unanswered.append(delivery)
            else:
                self._note(delivery, answer)
        batch.suspect(unanswered)

    def _note(self, delivery: Delivery, answer: Answer) -> None:
        verdict = judge(
            answer,
            delivery.attempt,
            self._queue.policy,
            self._jitter(),
            waited=delivery.waited,
            works=self._queue.works(self._destination.name),
        )
        is_stored = verdict.state == "delivered"
        is_asked = is_stored and self._destination.storage_commitment
        self._recorder.note(
            Outcome(
                delivery=delivery,
                state="committing" if is_asked else verdict.state,
                why=verdict.why,
                status=verdict.status,
                delay=verdict.delay,
                tried=verdict.tried,
            )
        )
        words = "delivered" if is_stored else "not delivered"
        self._outcomes[f"{words}: {verdict.why}" if verdict.why else words] += 1
        now = trio.current_time()
        if self._queue.judged(self._destination.name, now, strike=verdict.strike, why=verdict.why):
            self._works()

    def _is_left_alone(self) -> bool:
        return self._queue.pause_of(self._destination.name, trio.current_time()) is not None


async def _answers_of(peer: Peer, batch: Batch) -> Sequence[Answer | None]:
    """Send the first, and what goes together with it; none: it does not fit the connection."""
    try:
        return await peer.store(batch.next_paths)
    except BrokenOffError as fault:
        return [BrokenOff(str(fault))]
    except UnsendableError as fault:
        return [Unsendable(str(fault), fault.final)]
    except NotProposedError:
        return []
