"""Hands the lines of the audit trail to one sink, in order, without ever holding up who writes them.

Rules kept here:
- a line is forgotten once the sink has taken it, and tried again until then: longer and longer apart;
- what waits is bounded; beyond that new lines are dropped and counted. Loss is never silent: it is logged
  when it begins, and told to `on_loss` with its number when it ends.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

import structlog
import trio

log = structlog.get_logger("port104.audit")

MOST_WAITING_BYTES = 32 * 1024 * 1024
"""Some 15,000 messages: an hour without a collector at four associations a second."""
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


class Sink(Protocol):
    """Takes lines of the trail. `name` is for the log, `batch` how many lines it is given at once."""

    name: str
    batch: int

    async def send(self, lines: Sequence[bytes]) -> None:
        """Take the lines, all or none as far as can be told. Raises OSError where that fails."""
        ...

    async def close(self) -> None:
        """Let go of file or connection."""
        ...


class Delivery:
    """The queue before one sink. Run `run` beside; `flushed` waits until nothing waits."""

    def __init__(self, sink: Sink, on_loss: Callable[[int], None]) -> None:
        self._sink = sink
        self._on_loss = on_loss
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0
        self._news = trio.Event()
        self._empty = trio.Event()
        self._empty.set()

    def put(self, line: bytes) -> None:
        """Queue a line. Never waits."""
        if self._bytes + len(line) > MOST_WAITING_BYTES:
            if not self._lost:
                log.error("audit messages are being lost: too many wait", sink=self._sink.name)
            self._lost += 1
            return
        self._lines.append(line)
        self._bytes += len(line)
        self._news.set()
        if self._empty.is_set():
            self._empty = trio.Event()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while self._lines:
                batch = tuple(islice(self._lines, self._sink.batch))
                await self._deliver(batch)
                for line in batch:
                    self._lines.popleft()
                    self._bytes -= len(line)
                self._tell_loss()
            self._empty.set()

    async def flushed(self) -> None:
        """Wait until every line has been taken."""
        await self._empty.wait()

    def give_up(self) -> None:
        """Log how many lines will never be delivered, if any."""
        lost = self._lost + len(self._lines)
        if lost:
            log.error("audit messages lost: port104 stopped first", sink=self._sink.name, count=lost)

    async def _deliver(self, batch: Sequence[bytes]) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._sink.send(batch)
            except OSError as failure:
                log.error(  # noqa: TRY400 - the collector's failure, not the code's
                    "audit messages cannot be delivered",
                    sink=self._sink.name,
                    reason=str(failure),
                    waiting=len(self._lines),
                    hint="they are kept in memory and tried again; check the sink",
                )
            else:
                return
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _tell_loss(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            log.error("audit messages lost", sink=self._sink.name, count=lost)
            self._on_loss(lost)
