"""What came of results is written down beside the sending: what comes while one batch is written is the next.

Rules that this room keeps:
- nothing that was noted is forgotten while the engine lives, and no more than some are noted at a time:
  whoever sends waits where the database does not keep up, for what is not written is sent again after a kill.
"""

import contextlib
from collections.abc import Callable
from functools import partial

import trio

from port104.database.faults import DatabaseError
from port104.export.contracts import Desk
from port104.export.figures import Figures
from port104.jobs.ledger.exports import Outcome
from port104.jobs.ledger.ledger import Ledger

# A transaction of so many costs hardly more than of one, and after a kill no more are sent again.
MOST_NOTED = 16

_Pause = tuple[str, float | None]
"""Why a destination is left alone, and until when on trio's clock."""


class Recorder:
    """Notes outcomes and pauses, and writes them down. `waits_again`: is told when some may be taken anew."""

    def __init__(self, desk: Desk, failure_threshold: float, waits_again: Callable[[], None]) -> None:
        self._desk = desk
        self._failure_threshold = failure_threshold
        self._waits_again = waits_again
        self._outcomes: list[Outcome] = []
        self.figures = Figures()
        self._pauses: dict[str, _Pause | None] = {}
        self._known: dict[str, _Pause] = {}
        self._news = trio.Event()
        self._written = trio.Event()

    def note(self, outcome: Outcome) -> None:
        """Write this down soon. Never waits."""
        self._outcomes.append(outcome)
        self.figures.count(outcome, trio.current_time())
        self._news.set()

    def pause(self, destination: str, why: str, until: float | None) -> bool:
        """Write down that a destination is left alone until then, on trio's clock. Never waits.

        `until`: None: until somebody does something. Returns whether that is new.
        """
        if self._known.get(destination) == (why, until):
            return False
        self._known[destination] = self._pauses[destination] = why, until
        self._news.set()
        return True

    def resume(self, destination: str) -> None:
        """Write down that it is not any more, where it was. Never waits."""
        if self._known.pop(destination, None) is not None:
            self._pauses[destination] = None
            self._news.set()

    async def room(self) -> None:
        """Wait until more may be noted."""
        while len(self._outcomes) >= MOST_NOTED:
            await self._written.wait()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while self._outcomes or self._pauses:
                await self._write(self._desk.insist)

    async def finish(self) -> None:
        """Write what is noted, for a stop; what cannot be written now is sent again after the next start."""
        with contextlib.suppress(DatabaseError):
            while self._outcomes or self._pauses:
                await self._write(self._desk.do)

    async def _write(self, do: Callable[[Callable[[Ledger], None]], object]) -> None:
        outcomes, pauses, now = [*self._outcomes], dict(self._pauses), trio.current_time()
        work = partial(_write_down, outcomes, self._failure_threshold, pauses, now)
        await do(work)  # type: ignore[misc]
        del self._outcomes[: len(outcomes)]
        for destination, written in pauses.items():
            if self._pauses[destination] == written:
                del self._pauses[destination]
        self._written.set()
        self._written = trio.Event()
        if any(each.state == "waiting" for each in outcomes):
            self._waits_again()


def _write_down(
    outcomes: list[Outcome],
    failure_threshold: float,
    pauses: dict[str, _Pause | None],
    now: float,
    ledger: Ledger,
) -> None:
    if outcomes:
        ledger.outbox.settle(outcomes, failure_threshold)
    for destination, pause in pauses.items():
        if pause is None:
            ledger.outbox.resume(destination)
        else:
            why, until = pause
            ledger.outbox.pause(destination, why, None if until is None else max(0.0, until - now))
