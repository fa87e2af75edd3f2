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
from port104.dispatch.node import node_of
from port104.jobs.ledger.opening import FILE_NAME, open_ledger
from port104.jobs.ledger.results import Result
from raw_peer import SECONDARY_CAPTURE
from receiving import Receiver
from stored_file import put

ROUNDS = int(os.environ.get("PORT104_CRASH_EXPORTS_ROUNDS", "4"))
SEED = int(os.environ.get("PORT104_CRASH_SEED", "104"))
RESULTS = 60  # of each round
LONGEST_ROUND_SECONDS = 0.6
# Answered and not written down at a kill: what may be noted, and what each of four associations was given.
MOST_AGAIN = 16 + 4 * 16

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def register(root, round_number, destinations):
    """Leave results as a run does."""
    run = f"{round_number:016x}"
    output = root / "runs" / run / "1" / "output"
    output.mkdir(parents=True)
    results = []
    for number in range(RESULTS):
        instance = f"1.2.3.{round_number}.{number}"
        file = output / f"{number}.dcm"
        put(root / "made", instance).rename(file)
        facts = {"sop_class_uid": SECONDARY_CAPTURE, "sop_instance_uid": instance, "state": "waiting"}
        results += [
            Result(file=str(file.relative_to(root)), destination=name, **facts) for name in destinations
        ]
    ledger = open_ledger(None, root, node_of(root))
    ledger.register_results(run, results)
    ledger.close()
    return [f"1.2.3.{round_number}.{number}" for number in range(RESULTS)]


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
            wanted.update(register(root, number, receivers))
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
