"""kill -9 of one of two engines that deliver from one PostgreSQL: the other takes over what it held.

PORT104_CRASH_EXPORTS_ROUNDS sets the rounds (`make crash-exports`: 100); PORT104_CRASH_SEED repeats a run.
"""

import contextlib
import os
import random
import time

import psycopg
import pytest

from engine_nest import Nest
from left_results import leave
from port104.dispatch.node import node_of
from receiving import Receiver

ROUNDS = int(os.environ.get("PORT104_CRASH_EXPORTS_ROUNDS", "5"))
SEED = int(os.environ.get("PORT104_CRASH_SEED", "104"))
RESULTS = 100  # of each round, in each folder
LONGEST_ROUND_SECONDS = 0.4
# Answered and not written down at a kill: what may be noted, and what each of two associations was given.
MOST_AGAIN = 16 + 2 * 16

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(3600)]

FALSE_TALLIES = """
    SELECT e.id FROM port104_export e LEFT JOIN port104_result r
    ON r.run_id = e.run_id AND r.destination = e.destination
    GROUP BY e.id, e.state, e.total, e.delivered, e.failed, e.cancelled
    HAVING COUNT(*) <> e.total OR COUNT(*) FILTER (WHERE r.state = 'delivered') <> e.delivered
    OR e.failed + e.cancelled > 0 OR (e.delivered = e.total) <> (e.state = 'delivered')
"""


class Site:
    """Two storage folders, their engines, and one ledger. Use it in a with statement."""

    def __init__(self, place, url, receiver):
        self.url = url
        self.receiver = receiver
        self.wanted = set()
        self.known = {}  # instance -> how often it had come when the ledger was first seen to say so
        self.folders = [place / "a", place / "b"]
        self._stack = contextlib.ExitStack()
        for folder in self.folders:
            folder.mkdir()
        self.nodes = {folder: node_of(folder) for folder in self.folders}

    def __enter__(self):
        self._nest = self._stack.enter_context(Nest())
        self._connection = self._stack.enter_context(psycopg.connect(self.url, autocommit=True))
        return self

    def __exit__(self, *_):
        self._stack.close()

    def rows(self, sql, *parameters):
        return self._connection.execute(sql, parameters).fetchall()

    def start(self, folder):
        pacs = {"name": "PACS", "aeTitle": "PACS", "hostIp": "127.0.0.1", "port": self.receiver.port}
        scu = {"destinations": [pacs], "export": {"retryDelay": 0.1}}
        facts = {"scu": scu, "registry": {"url": self.url}, "log": {"format": "json"}}
        return self._stack.enter_context(self._nest.engine(folder, **facts))

    def leave(self, number):
        """Leave results in both folders."""
        for index, (folder, node) in enumerate(self.nodes.items()):
            run = 2 * number + index
            self.wanted.update(leave(folder, node, run, ["PACS"], RESULTS, url=self.url))

    def delivered(self, folder=None):
        """What the ledger says that the destination has, of one folder or of both."""
        rows = self.rows("SELECT sop_instance, node FROM port104_result WHERE state = 'delivered'")
        return {instance for instance, node in rows if folder is None or node == self.nodes[folder]}

    def look(self):
        """See that the ledger tells the truth, and note what it knows to have arrived."""
        for instance in self.delivered() - self.known.keys():
            self.known[instance] = self.receiver.stored[instance]
            assert self.known[instance]
        assert self.rows(FALSE_TALLIES) == []

    def outlive(self, folder):
        """Let so much time go by that what its engine held is nobody's; returns how much that was."""
        sql = (
            "UPDATE port104_result SET held_until = 0 WHERE state = 'sending' AND holder = %s RETURNING file"
        )
        return len(self.rows(sql, self.nodes[folder]))

    def hide(self):
        """Let neither engine see the other's folder, as on machines of their own."""
        for folder in self.folders:
            (folder / "node").rename(folder / "node.hidden")

    def show(self):
        for folder in self.folders:
            (folder / "node.hidden").rename(folder / "node")

    @property
    def again(self):
        """How often something came that had come before."""
        return self.receiver.stored.total() - len(self.receiver.stored)

    def judge(self):
        """All came, nothing came that was known to have arrived, and every state is true."""
        self.look()
        assert self.receiver.stored.keys() == self.known.keys() == self.wanted
        sent_again = {each for each, count in self.known.items() if self.receiver.stored[each] != count}
        assert sent_again == set()


def errors_of(engine):
    return [entry for entry in engine.log_entries() if entry["level"] == "error"]


@pytest.fixture
def site(tmp_path, postgres):
    with Receiver() as receiver, Site(tmp_path, postgres.new_url(), receiver) as made:
        yield made


def test_the_other_one_delivers_what_an_engine_held_that_was_killed(site):
    moments = random.Random(SEED)
    kills, held, longest = 0, 0, 0.0
    for number in range(1, ROUNDS + 1):
        site.leave(number)
        before = site.receiver.calls
        engines = {folder: site.start(folder) for folder in site.folders}
        gone = moments.choice(site.folders)
        (stays,) = (engine for folder, engine in engines.items() if folder != gone)
        stays.wait_for(lambda before=before: site.receiver.calls > before, 60)
        time.sleep(moments.uniform(0, LONGEST_ROUND_SECONDS))
        engines[gone].kill()
        kills += site.delivered() != site.wanted
        site.look()
        back = None
        if number % 2:
            held += site.outlive(gone)
        else:
            back = site.start(gone)
        began = time.monotonic()
        stays.wait_for(lambda: site.delivered() == site.wanted, 60)
        longest = max(longest, time.monotonic() - began)
        site.look()
        assert site.again <= MOST_AGAIN * number
        for engine in filter(None, (stays, back)):
            assert engine.terminate() == -1
            assert errors_of(engine) == []
    site.judge()
    print(
        f"{ROUNDS} kills, {kills} under way, {held} results held then; {len(site.wanted)} results,"
        f" {site.again} sent again, the others' after {longest:.1f} s at the most"
    )


def test_what_only_its_folder_has_waits_for_the_engine_that_was_killed(site):
    for number, gone in enumerate(site.folders, 1):
        kill_one_whose_folder_nobody_sees(site, number, gone)
    site.judge()


def kill_one_whose_folder_nobody_sees(site, number, gone):
    engines = {folder: site.start(folder) for folder in site.folders}
    (stays,) = (engine for folder, engine in engines.items() if folder != gone)
    for engine in engines.values():
        engine.wait_until_listening()
    site.hide()
    site.leave(number)
    stays.wait_for(lambda: len(site.delivered(gone)) > (number - 1) * RESULTS, 60)
    engines[gone].kill()
    site.outlive(gone)
    stays.wait_for(lambda: len(site.delivered(stays.folder)) == number * RESULTS, 60)
    unsent = "SELECT DISTINCT node, state FROM port104_result WHERE state <> 'delivered'"
    stays.wait_for(lambda: site.rows(unsent) == [(site.nodes[gone], "waiting")], 60)
    site.look()
    site.show()
    back = site.start(gone)
    back.wait_for(lambda: site.delivered() == site.wanted, 60)
    for engine in (stays, back):
        assert engine.terminate() == -1
        assert errors_of(engine) == []
