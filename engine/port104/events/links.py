"""A connection that blocks, used from the event loop: in a worker thread, by one call at a time.

Rules that this room keeps:
- a call that was left, for its task was cancelled, may still be under way: such a connection is not used any
  more, nor closed. The end of the process closes it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
    """Calls a connection."""

    def __init__(self, link: LinkT) -> None:
        self._link = link
        self._is_busy = False

    async def do(self, call: Callable[[LinkT], ResultT]) -> ResultT:
        """Call it in a worker thread. Raises what the call raises."""
        self._is_busy = True
        try:
            result = await trio.to_thread.run_sync(call, self._link, abandon_on_cancel=True)
        except Exception:
            self._is_busy = False
            raise
        self._is_busy = False
        return result

    async def close(self) -> None:
        """Let go of it; whoever does not let us, or not soon, is left."""
        if self._is_busy:
            return
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            await self.do(lambda link: link.close())


@asynccontextmanager
async def connected(connect: Callable[[], LinkT]) -> AsyncIterator[Caller[LinkT]]:
    """Connect in a worker thread, and let go at the end. Raises what `connect` raises."""
    caller = Caller(await trio.to_thread.run_sync(connect, abandon_on_cancel=True))
    try:
        yield caller
    finally:
        await caller.close()
