"""Work that ends early when its attempt is cancelled."""

from collections.abc import Awaitable, Callable

import trio

from port104.dispatch.backends.backend import Ending


async def unless_cancelled(cancel: trio.Event, work: Callable[[], Awaitable[Ending]]) -> Ending:
    """Do `work`; once `cancel` is set it is given up, and the ending says so."""
    ending = Ending("cancelled", "was cancelled")

    async def watch() -> None:
        await cancel.wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        ending = await work()
        nursery.cancel_scope.cancel()
    return ending
