"""The queue before a sink: in order, tried again, bounded, and never silent about a loss."""

import pytest
import trio

from port104.service.audit.delivery import MOST_WAITING_BYTES, Delivery


class Sink:
    """Takes lines, or fails as often as it is told to."""

    name = "a sink"
    batch = 10

    def __init__(self, failures=0):
        self.failures = failures
        self.taken = []
        self.times = []

    async def send(self, lines):
        await trio.lowlevel.checkpoint()
        self.times.append(trio.current_time())
        if self.failures:
            self.failures -= 1
            raise OSError(111, "Connection refused")
        self.taken += lines

    async def close(self):
        await trio.lowlevel.checkpoint()


async def test_lines_come_in_order_and_in_batches(nursery):
    sink = Sink()
    delivery = Delivery(sink, pytest.fail)
    lines = [b"%d" % number for number in range(35)]
    for line in lines:
        delivery.put(line)
    nursery.start_soon(delivery.run)
    await delivery.flushed()
    assert sink.taken == lines
    assert len(sink.times) == 4
    delivery.put(b"more")
    await delivery.flushed()
    assert sink.taken == [*lines, b"more"]


async def test_flushed_at_once_where_nothing_waits():
    await Delivery(Sink(), pytest.fail).flushed()


async def test_what_fails_is_tried_again_and_said(nursery, autojump_clock, logged):
    sink = Sink(failures=8)
    delivery = Delivery(sink, pytest.fail)
    nursery.start_soon(delivery.run)
    delivery.put(b"first")
    waiter = trio.Event()

    async def wait():
        await delivery.flushed()
        waiter.set()

    nursery.start_soon(wait)
    await trio.sleep(10)
    delivery.put(b"second")  # while who waits for the end waits
    await waiter.wait()
    assert sink.taken == [b"first", b"second"]
    pauses = [after - before for before, after in zip(sink.times, sink.times[1:], strict=False)]
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    failures = [entry for entry in logged if entry["event"] == "audit messages cannot be delivered"]
    assert len(failures) == 8
    assert failures[0]["sink"] == "a sink"
    assert "Connection refused" in failures[0]["reason"]


async def test_what_waits_is_bounded_and_loss_is_told(nursery, autojump_clock, logged):
    sink, losses = Sink(failures=1), []
    delivery = Delivery(sink, losses.append)
    line = bytes(MOST_WAITING_BYTES // 4)
    for _ in range(7):
        delivery.put(line)
    assert [entry["event"] for entry in logged] == ["audit messages are being lost: too many wait"]
    nursery.start_soon(delivery.run)
    await delivery.flushed()
    assert len(sink.taken) == 4
    assert losses == [3]
    assert logged[-1] == {"event": "audit messages lost", "sink": "a sink", "count": 3, "log_level": "error"}
    delivery.put(b"next")
    await delivery.flushed()
    assert losses == [3]
    delivery.give_up()
    assert len([entry for entry in logged if entry["log_level"] == "error"]) == 3


async def test_what_is_left_at_the_end_is_said(logged):
    delivery = Delivery(Sink(), pytest.fail)
    delivery.put(b"one")
    delivery.put(b"two")
    delivery.give_up()
    assert logged[0]["count"] == 2
