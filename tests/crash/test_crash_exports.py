"""kill -9 while results are delivered: every one arrives, and none again that was known to have arrived.

PORT104_CRASH_EXPORTS_ROUNDS sets the rounds (`make crash-exports`: 100); PORT104_CRASH_SEED repeats a run.
"""

import os
import random
import sqlite3
import time
from contextlib import closing, contextmanager

import pytest

from engine_nest import Nest
from left_results import leave
from port104.dispatch.node import node_of
from port104.jobs.ledger.opening import FILE_NAME
from receiving import Receiver

ROUNDS = int(os.environ.get("PORT104_CRASH_EXPORTS_ROUNDS", "4"))
SEED = int(os.environ.get("PORT104_CRASH_SEED", "104"))
RESULTS = 60  # of each round
LONGEST_ROUND_SECONDS = 0.6
# Answered and not written down at a kill: what may be noted, and what each of four associations was given.
MOST_AGAIN = 16 + 4 * 16

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def delivered(root, name):
    """What the ledger says that a destination has."""
    with closing(sqlite3.connect(f"file:{root}/{FILE_NAME}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT sop_instance FROM port104_result WHERE state = 'delivered' AND destination = ?", (name,)
        )
        return {instance for (instance,) in rows}


@contextmanager
def exporting(nest, root, receivers):
    destinations = [
        {"name": name, "aeTitle": name, "hostIp": "127.0.0.1", "port": receiver.port, "window": window}
        for (name, receiver), window in zip(receivers.items(), (1, 16), strict=True)
    ]
    settings = {"destinations": destinations, "export": {"retryDelay": 0.1}}
    with nest.engine(root, scu=settings, log={"format": "json"}) as server:
        yield server


def repeated(*receivers):
    """How often something came that had come before."""
    return sum(each.stored.total() - len(each.stored) for each in receivers)


def test_every_result_arrives(tmp_path):
    root, moments = tmp_path / "storage", random.Random(SEED)
    root.mkdir()
    wanted, kills = set(), 0
    with Nest() as nest, Receiver() as one, Receiver() as other:
        receivers = {"ONE": one, "OTHER": other}
        for number in range(1, ROUNDS + 1):
            wanted.update(leave(root, node_of(root), number, receivers, RESULTS))
            before = one.calls + other.calls
            with exporting(nest, root, receivers) as server:
                server.wait_for(lambda before=before: one.calls + other.calls > before, 60)
                time.sleep(moments.uniform(0, LONGEST_ROUND_SECONDS))
                kills += set(delivered(root, "ONE")) != wanted
                server.kill()
            for name, receiver in receivers.items():
                assert delivered(root, name) <= receiver.stored.keys()
            assert repeated(one, other) <= MOST_AGAIN * number
        with exporting(nest, root, receivers) as server:
            server.wait_for(lambda: all(delivered(root, name) == wanted for name in receivers), 120)
            assert server.terminate() == -1
    assert all(receiver.stored.keys() == wanted for receiver in receivers.values())
    print(f"{ROUNDS} kills, {kills} under way; {2 * len(wanted)} results, {repeated(one, other)} sent again")
