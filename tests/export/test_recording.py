"""What came of results is written down beside the sending, and nothing waits for ever."""

import pytest
import trio

from port104.database.faults import DatabaseError
from port104.export.recording import MOST_NOTED, Recorder
from port104.jobs.ledger.exports import Delivery, Outcome


class SlowDesk:
    """Keeps what is written; takes a second each time, and fails where it is told to."""

    def __init__(self):
        self.written = []
        self.fault = None
        self.outbox = self

    async def do(self, work):
        await trio.sleep(1)
        if self.fault is not None:
            raise self.fault
        work(self)

    insist = do

    def settle(self, outcomes, failure_threshold):
        self.written.append(len(outcomes))


def outcome(number, state="delivered"):
    delivery = Delivery("r", f"{number}", "PACS", "n1", "/", "1.2", "1.2.3", 0, 0.0)
    return Outcome(delivery=delivery, state=state)


async def test_all_who_wait_for_room_go_on(autojump_clock):
    desk, went_on = SlowDesk(), []
    recorder = Recorder(desk, 0.5, lambda: None)

    async def send(name):
        for number in range(50):
            await recorder.room()
            recorder.note(outcome(number))
        went_on.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        with trio.fail_after(60):
            async with trio.open_nursery() as senders:
                for name in "abc":
                    senders.start_soon(send, name)
        await recorder.finish()
        nursery.cancel_scope.cancel()
    assert sorted(went_on) == ["a", "b", "c"]
    assert sum(desk.written) >= 150
    assert max(desk.written) <= MOST_NOTED + 2  # each of the others may have been told of the same room


async def test_what_cannot_be_written_at_a_stop_is_left(autojump_clock):
    desk = SlowDesk()
    desk.fault = DatabaseError("away")
    recorder = Recorder(desk, 0.5, lambda: None)
    recorder.note(outcome(1))
    await recorder.finish()
    assert desk.written == []


@pytest.mark.parametrize(("state", "times"), [("delivered", 0), ("waiting", 1)])
async def test_it_is_told_when_something_waits_again(autojump_clock, state, times):
    told = []
    recorder = Recorder(SlowDesk(), 0.5, lambda: told.append(1))
    recorder.note(outcome(1, state))
    await recorder.finish()
    assert len(told) == times
