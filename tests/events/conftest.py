"""A ledger beside the event loop, on trio's clock."""

import pytest
import trio

from port104.database.sqlite import SqliteDatabase
from port104.dispatch.desk import Desk
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.tables import SCHEMA


@pytest.fixture
def clock():
    """What the ledger's time is; a test with real threads has the machine's."""
    return trio.current_time


@pytest.fixture
async def desk(tmp_path, clock):
    database = SqliteDatabase(tmp_path / "ledger.sqlite3", SCHEMA, clock=clock)
    ledger = Ledger(database, "n1")
    ledger.register(str(tmp_path), "host")
    yield Desk(ledger)
    database.close()
