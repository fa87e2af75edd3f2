"""Export requests are carried out: files become results, which delivery sends, and the end is answered.

Rules that this room keeps:
- a file is taken where no link leads out of the folder of its attempt, and looked at before it is sent;
- a request for a destination that is not there sends nothing at all, to the others neither;
- a disk or a database that fails ends no request: it is tried again;
- one whose engine is gone waits for that as long as a result waits for a destination, and fails then.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.desk import Desk
from port104.errors import StorageError
from port104.events.asking import answer
from port104.events.forms import FileExportStatus
from port104.events.gathering import gather
from port104.jobs.ledger.gone import GoneEngine
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.messages import Message
from port104.jobs.ledger.requests import Request, Requested

log = structlog.get_logger("port104.events")

# The ends of deliveries are looked for so often, and requests that another engine took in.
LOOK_SECONDS = 2.0
_AT_ONCE = 16
# As long as messages: whoever sends one again after that is not waiting for it.
_KEEP_SECONDS = 30 * 86_400.0
_MOST_FORGOTTEN = 1_000
CLEAR_SECONDS = 3600.0
STRANDED_SECONDS = 60.0


class Fulfiller:
    """Carries requests out. Call `look` when there may be one. `root`: the storage folder.

    `destinations`: the names of those that there are. `patience`: seconds that a request waits for an engine
    that is gone. `registered`: is told that there are results to deliver; `answered`: that there is a message
    to send.
    """

    def __init__(
        self,
        desk: Desk,
        root: Path,
        destinations: Callable[[], Collection[str]],
        failure_threshold: float,
        patience: float,
        *,
        registered: Callable[[], None],
        answered: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._root = root
        self._destinations = destinations
        self._failure_threshold = failure_threshold
        self._patience = patience
        self._registered = registered
        self._answered = answered
        self._news = trio.Event()
        self._has_failed = False

    def look(self) -> None:
        """Hear that there may be a request. Never waits."""
        self._news.set()

    async def run(self) -> None:
        """Carry requests out until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._clear)
            nursery.start_soon(self._see_to_stranded)
            while True:
                self._news = trio.Event()
                try:
                    more = await self._look_once()
                except DatabaseError:
                    more = False  # the desk has told of it
                with trio.move_on_after(0 if more else LOOK_SECONDS):
                    await self._news.wait()

    async def _look_once(self) -> bool:
        """Begin and end what can be; returns whether there may be more at once. Raises DatabaseError."""
        waiting = await self._desk.do(lambda ledger: ledger.requests.waiting(_AT_ONCE))
        begun = [await self._begin(request) for request in waiting]
        done = await self._desk.do(lambda ledger: ledger.requests.done(_AT_ONCE))
        for request, became in done:
            told = await trio.to_thread.run_sync(answer, request, became)
            if await self._desk.do(partial(_end, request=request, told=told)):
                log.info("export request answered", message=request.message_id, run=request.run_id)
                self._answered()
        return all(begun) and max(len(waiting), len(done)) == _AT_ONCE

    async def _begin(self, request: Request) -> bool:
        """Have its files delivered; False: the disk failed. Raises DatabaseError."""
        unknown = sorted({*request.destinations} - {*self._destinations()})
        with trio.CancelScope(shield=True):
            async with self._desk.folders:
                try:
                    requested = await trio.to_thread.run_sync(gather, self._root, request, unknown)
                except StorageError as fault:
                    self._tell(request, fault)
                    return False
                begun = await self._desk.do(partial(self._write_down, request, requested))
        self._has_failed = False
        if not begun:
            return True
        faults = sum(each.result is None for each in requested)
        log.info("export request begun", message=request.message_id, run=request.run_id, not_sent=faults)
        self._registered()
        return True

    def _write_down(self, request: Request, requested: Sequence[Requested], ledger: Ledger) -> bool:
        return ledger.requests.begin(request, requested, self._failure_threshold)

    def _tell(self, request: Request, fault: StorageError) -> None:
        """Tell of the first failure of several."""
        if not self._has_failed:
            log.error("export requests wait", message=request.message_id, reason=str(fault))
        self._has_failed = True

    async def _see_to_stranded(self) -> None:
        """Tell of requests whose engine is gone, once, and let those fail that have waited for too long."""
        known: set[str] = set()
        while True:
            found = await self._desk.insist(lambda ledger: ledger.requests.stranded())
            for each in found:
                if each.engine.node not in known:
                    log.warning("export requests wait for an engine that is gone", reason=each.words)
            known = {each.engine.node for each in found}
            overdue = await self._desk.insist(
                lambda ledger: ledger.requests.overdue(self._patience, _AT_ONCE)
            )
            for request, engine in overdue:
                await self._desk.insist(partial(self._write_down, request, _lost(request, engine)))
                log.warning("export request given up", message=request.message_id, reason=engine.words)
            if not overdue:
                await trio.sleep(STRANDED_SECONDS)

    async def _clear(self) -> None:
        """Forget, now and then, what ended long ago."""
        while True:
            await trio.sleep(CLEAR_SECONDS)
            while await self._desk.insist(
                lambda ledger: ledger.requests.forget(_KEEP_SECONDS, _MOST_FORGOTTEN)
            ):
                pass


def _lost(request: Request, engine: GoneEngine) -> list[Requested]:
    """Of a request whose files nobody else has: none can be sent."""
    return [
        Requested(path, destination, None, FileExportStatus.DOWNLOAD_ERROR, engine.words)
        for path in request.files
        for destination in request.destinations
    ]


def _end(ledger: Ledger, request: Request, told: Message) -> bool:
    return ledger.requests.end(request, told)
