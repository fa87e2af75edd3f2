"""An engine lets itself be heard of, also after its database was away, and tells of what it took."""

import pytest
import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.desk import Desk
from port104.dispatch.pulse import beat
from port104.jobs.ledger.nodes import TakenRun

pytestmark = pytest.mark.usefixtures("no_threads")


class Ledger:
    """Notes when it was told that the engine lives; has runs to take as the test says."""

    def __init__(self):
        self.heard = []
        self.taken = []
        self.away = False

    def hear(self):
        if self.away:
            raise DatabaseError("away")
        self.heard.append(trio.current_time())

    def take_over(self):
        taken, self.taken = self.taken, []
        return taken


@pytest.mark.parametrize(("patience", "pause"), [(60.0, 10), (600.0, 30), (None, 30)])
async def test_it_is_heard_of_often_enough(autojump_clock, patience, pause):
    ledger, told = Ledger(), []
    with trio.move_on_after(pause * 3.5):
        await beat(Desk(ledger), patience, lambda: told.append(True))
    began = ledger.heard[0]
    assert [round(moment - began, 3) for moment in ledger.heard] == [0, pause, 2 * pause, 3 * pause]
    assert told == []


async def test_it_goes_on_when_the_database_is_there_again(autojump_clock):
    ledger = Ledger()
    ledger.away = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat, Desk(ledger), 60.0, lambda: None)
        await trio.sleep(15)
        ledger.away = False
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert len(ledger.heard) == 1


async def test_what_it_took_is_told(autojump_clock):
    ledger, told = Ledger(), []
    ledger.taken = [
        TakenRun("r1", "a-1", "waiting", "n2", "ingress-2"),
        TakenRun("r2", "a-2", "cancelled", "n2", "ingress-2"),
    ]
    with structlog.testing.capture_logs() as entries, trio.move_on_after(25):
        await beat(Desk(ledger), 60.0, lambda: told.append(True))
    assert told == [True]
    assert [(entry["event"], entry["run"], entry["node"]) for entry in entries] == [
        ("run taken over", "r1", "n2"),
        ("run of a lost engine cancelled", "r2", "n2"),
    ]
