"""A connection that blocks, used from the event loop: in a worker thread, by one call at a time.

Rules that this room keeps:
- a call whose task was cancelled goes on in its thread, which nobody waits for; whoever of the two is done
  last lets go of the connection.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Lock
from typing import Generic, Protocol, TypeVar

import trio

_CLOSE_SECONDS = 2.0

ResultT = TypeVar("ResultT")


class Link(Protocol):
    """What is used. `close` raises nothing."""

    def close(self) -> None:
        """Let go of the connection."""
        ...


LinkT = TypeVar("LinkT", bound=Link)


class Caller(Generic[LinkT]):
    """Calls a connection, which `open` makes."""

    def __init__(self) -> None:
        self._links: list[LinkT] = []
        self._lock = Lock()
        self._is_busy = False
        self._is_left = False

    async def open(self, connect: Callable[[], LinkT]) -> None:
        """Connect in a worker thread. Raises what `connect` raises."""
        await self._call(lambda: self._links.append(connect()))

    async def do(self, call: Callable[[LinkT], ResultT]) -> ResultT:
        """Call the connection in a worker thread. Raises what the call raises."""
        return await self._call(lambda: call(self._links[0]))

    async def close(self) -> None:
        """Let go of it; whoever does not let us, or not soon, is left."""
        with self._lock:
            self._is_left = True
            if self._is_busy:
                return
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            await trio.to_thread.run_sync(self._let_go, abandon_on_cancel=True)

    async def _call(self, work: Callable[[], ResultT]) -> ResultT:
        return await trio.to_thread.run_sync(self._work, work, abandon_on_cancel=True)

    def _work(self, work: Callable[[], ResultT]) -> ResultT:
        with self._lock:
            if self._is_left:
                raise RuntimeError("the connection was let go before the call began")
            self._is_busy = True
        try:
            return work()
        finally:
            if self._ended():
                self._let_go()

    def _ended(self) -> bool:
        """A call is over; returns whether nobody waits for it any more."""
        with self._lock:
            self._is_busy = False
            return self._is_left

    def _let_go(self) -> None:
        while self._links:
            self._links.pop().close()


@asynccontextmanager
async def connected(connect: Callable[[], LinkT]) -> AsyncIterator[Caller[LinkT]]:
    """Connect in a worker thread, and let go at the end. Raises what `connect` raises."""
    caller: Caller[LinkT] = Caller()
    try:
        await caller.open(connect)
        yield caller
    finally:
        await caller.close()
