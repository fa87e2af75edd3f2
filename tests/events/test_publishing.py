"""Messages are sent until the broker has them: whatever becomes of it, of the database and of us."""

from collections import Counter

import pytest
import structlog
import trio

from beside import running
from port104.database.faults import DatabaseError
from port104.events import publishing as publishing_room
from port104.events.publishing import CLEAR_SECONDS, LOOK_SECONDS, Publisher
from port104.jobs.ledger.messages import Message, put
from scripted_broker import ScriptedBroker

pytestmark = pytest.mark.usefixtures("no_threads")
DAY = 86_400


class Works:
    def __init__(self, desk):
        self.desk = desk
        self.ledger = desk._ledger
        self.broker = ScriptedBroker()
        self.broker.now = trio.current_time
        self.publisher = Publisher(desk, self.broker.connect, lambda: 0.0)

    def write(self, *names):
        with self.ledger._database.changing() as session:
            for name in names:
                put(
                    session,
                    Message(id=name, routing_key="md.x", kind="X", correlation_id="c", body=f'"{name}"'),
                    session.now(),
                )
        self.publisher.look()

    @property
    def taken(self):
        return [message.id for message in self.broker.taken]

    @property
    def unsent(self):
        return self._ids("WHERE sent IS NULL")

    @property
    def known(self):
        return self._ids("")

    def _ids(self, which):
        with self.ledger._database.reading() as session:
            return [row[0] for row in session.run(f"SELECT id FROM port104_message {which} ORDER BY id")]


@pytest.fixture
def works(desk):
    return Works(desk)


def publishing(works):
    return running(works.publisher.run)


async def test_what_is_written_is_sent_at_once_and_in_its_order(autojump_clock, works):
    works.write(*(f"m{number:02}" for number in range(40)))
    async with publishing(works):
        assert works.publisher.fault is None
        assert works.taken == [f"m{number:02}" for number in range(40)]
        works.write("n")
        await trio.sleep(0.001)
        assert works.taken[-1] == "n"
    assert (works.unsent, works.broker.closed) == ([], 1)


async def test_what_another_engine_wrote_and_left_is_found(autojump_clock, works):
    async with publishing(works):
        works.publisher.look = lambda: None
        works.write("m1")
        await trio.sleep(LOOK_SECONDS + 0.1)
        assert works.taken == ["m1"]


async def test_an_outage_of_a_month_loses_nothing_and_sends_nothing_twice(autojump_clock, works):
    works.broker.is_there = False
    with structlog.testing.capture_logs() as logs:
        async with publishing(works):
            for day in range(30):
                works.write(f"m{day:02}")
                await trio.sleep(DAY)
            assert works.publisher.fault == "the broker at x cannot be used: Connection refused"
            assert len(works.broker.calls) < 30 * DAY / 60 + 20  # once a minute in the end
            works.broker.is_there = True
            await trio.sleep(61)
            assert works.publisher.fault is None
            assert Counter(works.taken) == Counter(f"m{day:02}" for day in range(30))
    told = [each["event"] for each in logs]
    assert told == ["the broker cannot be used", "connected with the broker"]  # once, and not each minute


async def test_a_broker_that_comes_and_goes_gets_everything(autojump_clock, works):
    async with publishing(works):
        for number in range(50):
            works.broker.is_there = number % 3 == 0
            works.write(f"m{number:02}")
            await trio.sleep(7)
        works.broker.is_there = True
        await trio.sleep(120)
    assert Counter(works.taken) == Counter(f"m{number:02}" for number in range(50))


async def test_an_answer_that_is_lost_has_the_same_message_sent_again(autojump_clock, works):
    works.broker.loses_answers = 1
    works.write("m1", "m2")
    async with publishing(works):
        await trio.sleep(5)
    assert works.taken == ["m1", "m1", "m2"]
    assert works.broker.taken[0] == works.broker.taken[1]


async def test_what_the_broker_does_not_take_waits_alone_and_is_told_of(autojump_clock, works):
    works.broker.refused = {"m1"}
    works.write("m1", "m2")
    with structlog.testing.capture_logs() as logs:
        async with publishing(works):
            await trio.sleep(600)
            assert works.taken == ["m2"]
            assert works.unsent == ["m1"]
            works.broker.refused = set()
            await trio.sleep(300)
            assert works.taken == ["m2", "m1"]
    told = [each for each in logs if "take" in each["event"] and each["log_level"] == "warning"]
    assert [(each["message"], each["reason"]) for each in told] == [("m1", "no queue is bound")] * 2


async def test_a_message_is_sent_again_after_a_kill_between_the_brokers_word_and_ours(autojump_clock, works):
    """The same, byte for byte: consumers know it by its ID."""
    works.write("m1")
    real = works.desk._ledger.messages.settle

    def killed(*_):
        raise KeyboardInterrupt  # nothing of us does anything after it

    works.desk._ledger.messages.settle = killed
    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with publishing(works):
            await trio.sleep(1)
    works.desk._ledger.messages.settle = real
    works.publisher = Publisher(works.desk, works.broker.connect, lambda: 0.0)
    async with publishing(works):
        await trio.sleep(1)
    assert works.taken == ["m1", "m1"]
    assert works.broker.taken[0] == works.broker.taken[1]
    assert works.unsent == []


async def test_a_database_that_is_away_meanwhile_has_nothing_sent_twice(autojump_clock, works):
    works.write("m1")
    real, failures = works.desk._ledger.messages.settle, iter(range(5))

    def settle(*arguments):
        if next(failures, None) is not None:
            raise DatabaseError("gone")
        real(*arguments)

    works.desk._ledger.messages.settle = settle
    async with publishing(works):
        await trio.sleep(60)
        assert works.taken == ["m1"]
        assert works.unsent == []


async def test_a_database_that_is_away_is_no_fault_of_the_broker(autojump_clock, works):
    real, failures = works.desk._ledger.messages.take, iter(range(3))

    def take(*arguments):
        if next(failures, None) is not None:
            raise DatabaseError("gone")
        return real(*arguments)

    works.desk._ledger.messages.take = take
    async with publishing(works):
        works.write("m1")
        await trio.sleep(4 * LOOK_SECONDS)
        assert works.taken == ["m1"]
        assert len(works.broker.calls) == 1


async def test_at_the_end_what_was_sent_is_written_down(autojump_clock, works):
    works.write("m1", "m2")
    async with trio.open_nursery() as nursery:

        def stop(message):
            works.broker.taken.append(message)
            nursery.cancel_scope.cancel()

        link = works.broker.connect()
        link.publish = stop
        works.publisher._line._connect = lambda: link
        nursery.start_soon(works.publisher.run)
    assert (works.taken, works.unsent) == (["m1"], ["m2"])
    assert works.ledger.messages.seconds_until_due() == 0


async def test_what_was_sent_long_ago_is_forgotten(autojump_clock, works, monkeypatch):
    monkeypatch.setattr(publishing_room, "_KEEP_SECONDS", 1.5 * CLEAR_SECONDS)
    works.write("m1")
    async with publishing(works):
        await trio.sleep(1.1 * CLEAR_SECONDS)
        assert works.known == ["m1"]
        await trio.sleep(CLEAR_SECONDS)
        assert works.known == []
