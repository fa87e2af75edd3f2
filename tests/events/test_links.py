"""A connection that blocks is let go once, by whoever is done with it last."""

import threading

import pytest
import trio

from port104.events.links import connected


class Link:
    def __init__(self):
        self.closed = threading.Semaphore(0)
        self.closes = 0
        self.begun = threading.Event()
        self.goes_on = threading.Event()

    def wait(self):
        self.begun.set()
        assert self.goes_on.wait(10)
        assert self.closes == 0

    def close(self):
        self.closes += 1
        self.closed.release()


async def test_it_is_called_and_let_go():
    link = Link()
    async with connected(lambda: link) as caller:
        assert await caller.do(lambda it: it is link)
        assert link.closes == 0
    assert link.closes == 1


async def test_what_a_call_raises_is_raised_and_it_is_let_go():
    link = Link()
    with pytest.raises(ZeroDivisionError):
        async with connected(lambda: link) as caller:
            await caller.do(lambda _: 1 // 0)
    assert link.closes == 1


async def test_a_call_that_goes_on_after_its_task_lets_go_at_its_end():
    link = Link()
    async with trio.open_nursery() as nursery:

        async def use():
            async with connected(lambda: link) as caller:
                await caller.do(Link.wait)

        nursery.start_soon(use)
        await trio.to_thread.run_sync(link.begun.wait)
        nursery.cancel_scope.cancel()
    assert link.closes == 0
    link.goes_on.set()
    assert await trio.to_thread.run_sync(lambda: link.closed.acquire(timeout=10))


async def test_a_connection_that_is_made_after_its_task_is_let_go():
    link = Link()

    def connect():
        link.wait()
        return link

    async with trio.open_nursery() as nursery:

        async def use():
            async with connected(connect):
                pytest.fail("it was cancelled before")

        nursery.start_soon(use)
        await trio.to_thread.run_sync(link.begun.wait)
        nursery.cancel_scope.cancel()
    link.goes_on.set()
    assert await trio.to_thread.run_sync(lambda: link.closed.acquire(timeout=10))
