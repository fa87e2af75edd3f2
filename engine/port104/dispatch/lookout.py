"""What people and programs ask of the ledger, answered beside the bookkeeping.

Rules that this room keeps:
- questions have a connection of their own, and a thread: whoever asks much makes others who ask wait, and
  nobody else;
- a connection that failed is made anew for the next question;
- the database is opened by the first question: an engine that nobody asks anything has no second connection.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from port104.database.faults import DatabaseError
from port104.database.session import Database, Session
from port104.dispatch.run_log import LogPart, read_log
from port104.jobs.ledger.looking.places import RunPlace

AnswerT = TypeVar("AnswerT")


class Runs(Protocol):
    """Cancels runs, and lets them run again; dispatching.Dispatcher does. All raise DatabaseError."""

    async def cancel(self, run_id: str) -> str | None:
        """Cancel a run that has not ended; returns its state before, None where there is no such run."""
        ...

    async def rerun(self, run_id: str) -> str | None:
        """Let a run that has ended run again; returns as `cancel` does."""
        ...


class Exports(Protocol):
    """Lets results be sent again, and not be; export.Exporter does. All raise DatabaseError."""

    async def retry(self, export_id: str) -> int | None:
        """Send what failed or was cancelled of an export; returns how much, None: there is no such export."""
        ...

    async def cancel(self, export_id: str) -> int | None:
        """Send nothing more of an export; returns as `retry` does."""
        ...


class Lookout:
    """Answers questions about the ledger. `root`, `node`: the storage folder and its name."""

    def __init__(self, open_database: Callable[[], Database], root: Path, node: str) -> None:
        self._open = open_database
        self._root = root
        self._node = node
        self._database: Database | None = None
        self._limiter = trio.CapacityLimiter(1)

    async def ask(self, question: Callable[[Session], AnswerT]) -> AnswerT:
        """Answer a question (jobs/ledger/looking/). Raises DatabaseError, and what the question raises."""
        return await trio.to_thread.run_sync(self._ask, question, limiter=self._limiter)

    async def log_of(self, place: RunPlace, attempt: int | None, offset: int, most: int) -> LogPart:
        """Read of the log of a run (run_log.py). Raises NoLogError."""
        reading = partial(read_log, self._root, self._node, place, attempt, offset, most)
        return await trio.to_thread.run_sync(reading)

    async def close(self) -> None:
        """Let go of the database."""
        await trio.to_thread.run_sync(self._close, limiter=self._limiter)

    def _ask(self, question: Callable[[Session], AnswerT]) -> AnswerT:
        try:
            if self._database is None:
                self._database = self._open()
            with self._database.reading() as session:
                return question(session)
        except DatabaseError:
            self._close()
            raise

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
