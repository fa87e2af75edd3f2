"""What runs beside a test, until that is done with it."""

import contextlib

import trio


@contextlib.asynccontextmanager
async def running(work, settles=0.001):
    """Run `work` while the block does, which begins `settles` seconds of the test's clock later."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await trio.sleep(settles)
        yield
        nursery.cancel_scope.cancel()
