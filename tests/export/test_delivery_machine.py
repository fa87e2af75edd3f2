"""Two engines over one ledger against a model: nothing is lost, and no success that was seen sent again.

Also: every state and every tally that is shown is true. Kills lose what an engine had not written down.
"""

import itertools
import sqlite3
from collections import Counter
from contextlib import contextmanager

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from outgoing import result
from port104.database.schema import migrate
from port104.database.sqlite import SqliteSession
from port104.export.policy import ExportPolicy
from port104.export.verdicts import Answered, BrokenOff, Unsendable, judge
from port104.jobs.exporting import Tally, state_of
from port104.jobs.ledger.exports import Outcome
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.tables import SCHEMA

POLICY = ExportPolicy(attempts=2, first_delay=10)
LEASE = 60
DESTINATIONS = ("PACS", "RIS")
ANSWERS = st.sampled_from(
    [
        *map(Answered, (0x0000, 0xB000, 0xC000, 0xA700)),
        BrokenOff("aborted"),
        Unsendable("the file is gone", final=True),
        Unsendable("no context", final=False),
    ]
)
ENGINES = st.sampled_from(["n1", "n2"])
COUNTED = ("delivered", "failed", "cancelled")


class MemoryDatabase:
    """A session.Database whose clock the test sets."""

    def __init__(self):
        self.time = 1000.0
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        with self.changing() as session:
            migrate(session, SCHEMA, where="memory")

    @contextmanager
    def changing(self):
        self._connection.execute("BEGIN")
        try:
            yield SqliteSession(self._connection, lambda: self.time)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    reading = changing

    def close(self):
        self._connection.close()


class Engine:
    """What dies with a kill: what it holds, and what it has not written down."""

    def __init__(self, database, node):
        self.outbox = Ledger(database, node).outbox
        self.outbox.begin(POLICY.failure_threshold)
        self.holds = []
        self.held_until = 0.0
        self.noted = []


class DeliveryMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.database = MemoryDatabase()
        for node in ("n1", "n2"):
            Ledger(self.database, node).register(f"/{node}", "host")
        self.engines = {node: Engine(self.database, node) for node in ("n1", "n2")}
        self.runs = map("r{}".format, itertools.count())
        self.there = set()  # keys of results
        self.seen = {}  # key -> the engine that has seen it succeed, while that lives and holds it
        self.succeeded = set()

    def teardown(self):
        """With no more failures, all that waits is delivered."""
        for node, engine in self.engines.items():
            engine.outbox.settle(engine.noted, POLICY.failure_threshold)
            self.engines[node] = Engine(self.database, node)
        self.database.time += 10**6
        for destination in DESTINATIONS:
            self.take("n1", destination, 10**6)
        while self.engines["n1"].holds:
            self.answer("n1", Answered(0))
        self.write("n1")
        states = Counter(self.rows("SELECT state FROM port104_result"))
        assert not states[("waiting",)] + states[("sending",)]
        self.tallies_are_true()
        self.database.close()

    def rows(self, sql, *parameters):
        with self.database.reading() as session:
            return session.run(sql, *parameters)

    # ---- what happens ----

    @rule(
        node=ENGINES, count=st.integers(1, 2), destinations=st.sets(st.sampled_from(DESTINATIONS), min_size=1)
    )
    def register(self, node, count, destinations):
        run = next(self.runs)
        results = [result(number, name, run) for number in range(count) for name in destinations]
        Ledger(self.database, node).register_results(run, results)
        self.there.update((run, each.file, each.destination) for each in results)

    @rule(node=ENGINES, destination=st.sampled_from(DESTINATIONS), most=st.integers(1, 3))
    def take(self, node, destination, most):
        engine = self.engines[node]
        taken = engine.outbox.take(["n1", "n2"], destination, most, LEASE)
        engine.holds += taken
        engine.outbox.renew(LEASE)
        engine.held_until = self.database.time + LEASE
        assert not {each.key for each in taken} & self.seen.keys(), "sent again after success was seen"

    @precondition(lambda self: any(engine.holds for engine in self.engines.values()))
    @rule(node=ENGINES, answer=ANSWERS)
    def answer(self, node, answer):
        engine = self.engines[node]
        if not engine.holds or self.database.time >= engine.held_until:
            return
        delivery = engine.holds.pop(0)
        verdict = judge(answer, delivery.attempt, POLICY, 0, waited=delivery.waited, works=False)
        if verdict.state == "delivered":
            self.seen[delivery.key] = node
            self.succeeded.add(delivery.key)
        engine.noted.append(
            Outcome(
                delivery=delivery,
                state=verdict.state,
                why=verdict.why,
                status=verdict.status,
                delay=verdict.delay,
                tried=verdict.tried,
            )
        )

    @rule(node=ENGINES)
    def put_back(self, node):
        engine = self.engines[node]
        engine.noted += [Outcome(delivery=each, state="waiting", tried=False) for each in engine.holds]
        engine.holds = []

    @rule(node=ENGINES)
    def write(self, node):
        engine = self.engines[node]
        engine.outbox.settle(engine.noted, POLICY.failure_threshold)
        engine.noted = []

    @rule(node=ENGINES)
    def write_again(self, node):
        engine = self.engines[node]
        engine.outbox.settle(engine.noted, POLICY.failure_threshold)

    @rule(node=ENGINES)
    def kill(self, node):
        lost = {outcome.delivery.key for outcome in self.engines[node].noted}
        written = {tuple(key) for key in self.rows(_DELIVERED)}
        self.engines[node] = Engine(self.database, node)
        self.forget(key for key, seen_by in self.seen.items() if seen_by == node and key in lost - written)

    @rule(seconds=st.sampled_from([1, 10, 50, 100]))
    def pass_time(self, seconds):
        self.database.time += seconds

    @rule(node=ENGINES)
    def renew(self, node):
        engine = self.engines[node]
        if self.database.time < engine.held_until:
            engine.outbox.renew(LEASE)
            engine.held_until = self.database.time + LEASE

    @precondition(lambda self: any(engine.holds or engine.noted for engine in self.engines.values()))
    @rule(destination=st.sampled_from(DESTINATIONS), answer=ANSWERS)
    def lapse(self, destination, answer):
        """One that holds something is silent for too long: another sends it, and the first wakes up."""
        slow = next(node for node, engine in self.engines.items() if engine.holds or engine.noted)
        (other,) = self.engines.keys() - {slow}
        self.database.time = max(self.database.time, self.engines[slow].held_until) + 1
        self.engines[other].outbox.free_abandoned(POLICY.failure_threshold)
        # What it has seen to succeed, and could not write in its time, the other may send.
        self.forget(key for key, seen_by in self.seen.items() if seen_by == slow)
        self.take(other, destination, 3)
        self.answer(other, answer)
        self.write(slow)

    @rule(node=ENGINES, which=st.integers(0, 9), act=st.sampled_from(["cancel", "retry"]))
    def steer(self, node, which, act):
        exports = self.rows("SELECT id FROM port104_export ORDER BY run_id, destination")
        if exports:
            getattr(self.engines[node].outbox, act)(
                exports[which % len(exports)][0], POLICY.failure_threshold
            )

    @rule(node=ENGINES, seconds=st.sampled_from([0, 100]))
    def give_up(self, node, seconds):
        self.engines[node].outbox.give_up(seconds, "too long", POLICY.failure_threshold)

    def forget(self, keys):
        for key in [*keys]:
            del self.seen[key]

    # ---- what is true at any time ----

    @invariant()
    def nothing_is_lost(self):
        rows = self.rows("SELECT run_id, file, destination, state, holder FROM port104_result")
        assert {tuple(row[:3]) for row in rows} == self.there
        delivered = {tuple(row[:3]) for row in rows if row[3] == "delivered"}
        assert delivered <= self.succeeded
        assert not any(tuple(row[:3]) in self.seen for row in rows if row[3] not in ("sending", "delivered"))
        assert all(bool(row[4]) == (row[3] == "sending") for row in rows)

    @invariant()
    def tallies_are_true(self):
        counts = Counter(
            tuple(row) for row in self.rows("SELECT run_id, destination, state FROM port104_result")
        )
        for run, destination, state, ended, *tally in self.rows(
            "SELECT run_id, destination, state, ended, total, delivered, failed, cancelled"
            " FROM port104_export"
        ):
            assert tally[1:] == [counts[run, destination, each] for each in COUNTED]
            assert tally[0] == sum(n for key, n in counts.items() if key[:2] == (run, destination))
            assert state == state_of(Tally(*tally), POLICY.failure_threshold)
            assert (ended is None) == (state == "waiting")


_DELIVERED = "SELECT run_id, file, destination FROM port104_result WHERE state = 'delivered'"

TestDelivery = DeliveryMachine.TestCase
TestDelivery.settings = settings(max_examples=100, stateful_step_count=40)
