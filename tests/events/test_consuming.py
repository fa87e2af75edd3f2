"""Export requests are in the ledger before the broker forgets them, once each."""

import json

import pytest
import structlog
import trio

from beside import running
from port104.database.faults import DatabaseError
from port104.events import consuming
from port104.events.consuming import Consumer
from scripted_broker import ScriptedQueue

RUN = "587ff194427e857f"


def body(**changes):
    return json.dumps(
        {
            "workflow_instance_id": "w",
            "export_task_id": "t",
            "correlation_id": "c",
            "files": [f"runs/{RUN}/1/output/a.dcm"],
            "destinations": ["PACS"],
        }
        | changes
    ).encode()


class Works:
    def __init__(self, desk):
        self.requests = desk._ledger.requests
        self.queue = ScriptedQueue()
        self.told = 0
        self.consumer = Consumer(desk, self.queue.connect, lambda: 0.0, "md.export.request.x", self.tell)

    def tell(self):
        self.told += 1

    @property
    def taken(self):
        return [request.message_id for request in self.requests.waiting(999)]


@pytest.fixture
def works(desk, monkeypatch):
    async def run_sync(work, *arguments, **_):
        result = work(*arguments)
        await trio.sleep(0.5 if result is None else 0)  # as a call that waits for a message
        return result

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)
    return Works(desk)


def consuming_from(works):
    return running(works.consumer.run, settles=0)


async def test_requests_are_taken_in_and_told_of(autojump_clock, works):
    works.queue.waiting = [("m1", body()), ("m2", body())]
    async with consuming_from(works):
        await trio.sleep(10)
        assert works.consumer.fault is None
    assert (works.taken, works.queue.kept, works.told) == (["m1", "m2"], ["m1", "m2"], 2)


async def test_one_that_comes_again_is_no_other(autojump_clock, works):
    works.queue.waiting = [("m1", body()), ("m1", body())]
    async with consuming_from(works):
        await trio.sleep(10)
    assert (works.taken, works.queue.kept, works.told) == (["m1"], ["m1", "m1"], 1)


async def test_an_answer_that_is_lost_makes_no_second_request(autojump_clock, works):
    works.queue.waiting = [("m1", body())]
    works.queue.loses_answers = 2
    async with consuming_from(works):
        await trio.sleep(60)
    assert (works.taken, works.queue.kept, works.told) == (["m1"], ["m1"], 1)
    assert works.queue.connections == 3


async def test_what_is_no_request_goes_to_the_dead_letters_and_is_told_of_unquoted(autojump_clock, works):
    secret = "Doe^John"
    works.queue.waiting = [
        ("bad1", b"{"),
        (None, body()),
        ("bad2", body(files=[f"../{secret}"])),
        (f"{secret}\n" * 99, body()),
        ("good", body()),
    ]
    with structlog.testing.capture_logs() as logs:
        async with consuming_from(works):
            await trio.sleep(10)
    assert (works.taken, works.queue.kept) == (["good"], ["good"])
    assert works.queue.dead == ["bad1", None, "bad2", f"{secret}\n" * 99]
    told = [each for each in logs if each["event"] == "a message is no export request"]
    assert [each["message"] for each in told[:3]] == ["'bad1'", "without an ID", "'bad2'"]
    assert all("md.export.request.x-dead-letter" in each["hint"] for each in told)
    assert secret not in told[2]["reason"]
    assert len(told[3]["message"]) < 100


async def test_while_the_database_is_away_the_broker_keeps_them(autojump_clock, works, desk):
    real, failures = works.requests.take_in, iter(range(1))

    def take_in(request):
        if next(failures, None) is not None:
            works.requests.count_waiting = away
            raise DatabaseError("gone")
        return real(request)

    def away():
        raise DatabaseError("gone")

    works.requests.take_in = take_in
    works.queue.waiting = [("m1", body()), ("m2", body())]
    async with consuming_from(works):
        await trio.sleep(3600)
        assert (len(works.queue.waiting), works.queue.kept, works.queue.connections) == (2, [], 1)
        assert desk.fault == "gone"
        del works.requests.count_waiting
        await trio.sleep(30)
    assert (works.taken, works.queue.kept) == (["m1", "m2"], ["m1", "m2"])


async def test_no_more_are_taken_than_some_that_wait(autojump_clock, works, monkeypatch):
    monkeypatch.setattr(consuming, "MOST_WAITING", 3)
    works.queue.waiting = [(f"m{number}", body()) for number in range(9)]
    async with consuming_from(works):
        await trio.sleep(60)
        assert (len(works.taken), len(works.queue.waiting)) == (3, 6)
        for request in works.requests.waiting(2):
            works.requests.begin(request, [], 0.5)
        await trio.sleep(60)
        assert (len(works.taken), len(works.queue.waiting)) == (3, 4)


async def test_a_broker_that_is_away_for_a_week_loses_nothing(autojump_clock, works):
    works.queue.is_there = False
    works.queue.waiting = [("m1", body())]
    async with consuming_from(works):
        await trio.sleep(7 * 86_400)
        assert works.consumer.fault == "the broker at x cannot be used: Connection refused"
        works.queue.is_there = True
        await trio.sleep(120)
    assert works.taken == ["m1"]
