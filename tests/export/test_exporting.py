"""Results are delivered, whatever destinations do, and what is shown of it is true."""

import contextlib

import pytest
import trio

from beside import running
from outgoing import World, destination, result
from port104.database.faults import DatabaseError
from port104.database.sqlite import SqliteDatabase
from port104.dispatch.desk import Desk
from port104.dispatch.node import is_folder_of
from port104.export.exporting import CLEAR_SECONDS, Exporter
from port104.export.policy import ExportPolicy
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.tables import SCHEMA

pytestmark = pytest.mark.usefixtures("no_threads")

POLICY = ExportPolicy(attempts=3, batch=10)


class Works:
    """A ledger, destinations, and an exporter; `restart` makes another one, as after a kill."""

    def __init__(self, root, policy=POLICY, node="n1"):
        self.root = root
        self.database = SqliteDatabase(root / "ledger.sqlite3", SCHEMA, clock=trio.current_time)
        self.world = World()
        self.entries = {name: destination(name) for name in ("PACS", "RIS", "WEB")}
        self.policy = policy
        self.node = node
        self.restart()

    def restart(self):
        self.ledger = Ledger(self.database, self.node)
        self.ledger.register(str(self.root), "host")
        self.exporter = Exporter(
            Desk(self.ledger),
            self.node,
            is_folder_of,
            lambda: self.entries,
            self.world.open,
            self.policy,
            lambda: 0.0,
        )

    def put(self, *numbers, destination="PACS", run="r"):
        self.ledger.register_results(run, [result(number, destination, run) for number in numbers])
        self.exporter.look()

    def ask(self, sql):
        with self.database.reading() as session:
            return [tuple(row) for row in session.run(sql)]

    def states(self, name="PACS"):
        sql = "SELECT state, destination FROM port104_result ORDER BY file, destination"
        return [state for state, destination in self.ask(sql) if destination == name]

    @property
    def exports(self):
        return self.ask("SELECT destination, state FROM port104_export ORDER BY destination")

    @property
    def pacs(self):
        return self.world.destinations["PACS"]


@pytest.fixture
async def works(tmp_path):
    made = Works(tmp_path)
    yield made
    made.database.close()


@contextlib.asynccontextmanager
async def exporting(works):
    async with running(works.exporter.run):
        yield
    await works.exporter.finish()


async def test_results_are_delivered_over_one_association_that_is_kept_for_a_while(autojump_clock, works):
    works.put(1, 2)
    async with exporting(works):
        await trio.sleep(1)
        assert works.states() == ["delivered"] * 2
        works.put(3, run="s")
        await trio.sleep(1)
        assert (works.states(), works.pacs.opened) == (["delivered"] * 3, 1)
        await trio.sleep(10)
        assert works.pacs.open_now == 0
        works.put(4, run="t")
        await trio.sleep(1)
        assert works.pacs.opened == 2
    assert works.exports == [("PACS", "delivered")] * 3
    assert dict(works.pacs.stored) == {1: 1, 2: 1, 3: 1, 4: 1}


async def test_many_results_have_many_associations_to_the_limit(autojump_clock, works):
    works.entries["PACS"] = destination("PACS", associations=3)
    works.put(*range(200))
    async with exporting(works):
        await trio.sleep(5)
    assert set(works.pacs.stored.values()) == {1}
    assert (len(works.pacs.stored), works.pacs.most_open) == (200, 3)


async def test_warnings_are_successes_with_a_note(autojump_clock, works):
    works.pacs.script = [0xB000, 0xB006, 0xB007]
    works.put(1, 2, 3)
    async with exporting(works):
        await trio.sleep(1)
    assert works.exports == [("PACS", "delivered")]
    assert works.ask("SELECT status, why FROM port104_result ORDER BY file") == [
        (0xB000, "status B000: coercion of data elements"),
        (0xB006, "status B006: elements discarded"),
        (0xB007, "status B007: data set does not match SOP class"),
    ]


async def test_what_its_destination_is_to_commit_to_is_not_delivered_yet(autojump_clock, works):
    works.entries["PACS"] = destination("PACS", storage_commitment=True)
    works.pacs.script = [0, 0xB000, 0xC000]
    works.put(1, 2, 3)
    async with exporting(works):
        await trio.sleep(1)
        assert works.states() == ["committing", "committing", "waiting"]
        await trio.sleep(60)
    assert works.states() == ["committing"] * 3
    assert works.exports == [("PACS", "waiting")]
    assert dict(works.pacs.stored) == {1: 1, 2: 1, 3: 1}


async def test_a_failure_is_tried_again_and_ends_as_a_dead_letter_that_can_be_retried(autojump_clock, works):
    works.pacs.script = [0, 0xC000, 0xC000, 0xC001]
    works.put(1, 2)
    async with exporting(works):
        await trio.sleep(5)
        assert works.exports == [("PACS", "waiting")]
        assert works.states() == ["delivered", "waiting"]
        await trio.sleep(60)
        assert works.exports == [("PACS", "partial")]
        assert works.ask("SELECT attempt, status, why FROM port104_result WHERE state = 'failed'") == [
            (3, 0xC001, "status C001: error: cannot understand")
        ]
        ((export,),) = works.ask("SELECT id FROM port104_export")
        assert await works.exporter.retry(export) == 1
        assert await works.exporter.retry("nothing") is None
        await trio.sleep(1)
    assert works.exports == [("PACS", "delivered")]
    assert works.pacs.calls == [1, 2, 2, 2, 2]


async def test_the_rest_goes_on_after_an_association_that_broke_off(autojump_clock, works):
    works.pacs.script = [0, "abort", "abort"]
    works.put(1, 2, 3)
    async with exporting(works):
        await trio.sleep(1)
        assert works.states() == ["delivered", "waiting", "waiting"]
        await trio.sleep(60)
    assert dict(works.pacs.stored) == {1: 1, 2: 1, 3: 1}
    assert works.pacs.calls == [1, 2, 3, 2, 3]


async def test_of_several_under_way_only_the_one_that_ends_associations_loses_attempts(autojump_clock, works):
    works.pacs.together = 4
    works.pacs.always = {2: "abort"}
    works.put(*range(8))
    async with exporting(works):
        await trio.sleep(5)
        assert works.states() == ["delivered"] * 2 + ["waiting"] + ["delivered"] * 5
        assert set(works.ask("SELECT attempt FROM port104_result")) == {(1,)}
        # Those that were answered come no second time; the one behind it was not looked at.
        assert works.pacs.calls == [0, 1, 2, 2, 3, 4, 5, 6, 7]
        await trio.sleep(60)
    assert works.states() == ["delivered"] * 2 + ["failed"] + ["delivered"] * 5
    assert set(works.pacs.stored.values()) == {1}


async def test_one_that_ends_every_association_is_left_alone_whatever_was_under_way(autojump_clock, works):
    works.pacs.together = 4
    works.pacs.always = dict.fromkeys(range(8), "abort")
    works.put(*range(8))
    async with exporting(works):
        await trio.sleep(4)
        assert works.pacs.calls == [0, 0, 1, 2]
        assert sorted(works.ask("SELECT attempt FROM port104_result"))[-4:] == [(0,), (1,), (1,), (1,)]
        works.pacs.always = {}
        await trio.sleep(600)
    assert works.states() == ["delivered"] * 8


async def test_one_whose_file_is_gone_is_a_dead_letter_at_once(autojump_clock, works):
    works.pacs.script = ["gone"]
    works.put(1, 2)
    async with exporting(works):
        await trio.sleep(1)
    assert works.states() == ["failed", "delivered"]
    assert works.exports == [("PACS", "partial")]


async def test_a_destination_that_is_down_is_left_alone_and_costs_no_attempts(autojump_clock, works):
    works.pacs.refuses = True
    works.put(*range(20))
    works.put(1, destination="RIS")
    async with exporting(works):
        await trio.sleep(1)
        assert works.exports == [("PACS", "waiting"), ("RIS", "delivered")]
        assert works.ask("SELECT destination, why FROM port104_pause") == [("PACS", "connection refused")]
        await trio.sleep(3600)
        assert works.states() == ["waiting"] * 20
        assert works.ask("SELECT MAX(attempt) FROM port104_result WHERE destination = 'PACS'") == [(0,)]
        works.pacs.refuses = False
        await trio.sleep(310)
        assert works.exports == [("PACS", "delivered"), ("RIS", "delivered")]
        assert works.ask("SELECT * FROM port104_pause") == []
    assert works.pacs.echoes == 1
    assert set(works.pacs.stored.values()) == {1}


async def test_one_that_answers_no_echo_gets_no_results(autojump_clock, works):
    works.pacs.refuses = works.pacs.mute = True
    works.put(1)
    async with exporting(works):
        await trio.sleep(1)
        works.pacs.refuses = False
        await trio.sleep(60)
        assert (works.pacs.calls, works.pacs.echoes > 1) == ([], True)
        works.pacs.mute = False
        await trio.sleep(310)
    assert works.states() == ["delivered"]


async def test_one_without_room_is_left_alone_until_it_has_some(autojump_clock, works):
    works.pacs.script = [0xA700] * 30
    works.put(*range(100))
    async with exporting(works):
        await trio.sleep(2)
        assert len(works.pacs.calls) == 3
        await trio.sleep(3 * 3600)
    assert works.states() == ["delivered"] * 100
    assert set(works.pacs.stored.values()) == {1}


async def test_what_a_destination_always_refuses_keeps_no_other_back(autojump_clock, works):
    bad = {0, 1, 2, 7}
    works.put(*range(10))
    works.pacs.always = dict.fromkeys(bad, 0xA700)
    async with exporting(works):
        await trio.sleep(300)
        assert set(works.pacs.stored) == set(range(10)) - bad
        works.put(*range(20, 30), run="s")
        await trio.sleep(1200)  # while it takes nothing, it is left alone as one without room
        assert len(works.pacs.stored) == 16
    assert works.states().count("delivered") == 16


async def test_those_that_hang_slow_no_other(autojump_clock, works):
    for number in range(10):
        works.entries[f"D{number}"] = destination(f"D{number}")
        works.world.destinations[f"D{number}"].hangs = True
        works.put(*range(50), destination=f"D{number}")
    works.put(*range(200), destination="PACS")
    works.put(*range(200), destination="RIS")
    async with exporting(works):
        await trio.sleep(5)
    assert works.states("PACS") == works.states("RIS") == ["delivered"] * 200
    assert works.exports[0] == ("D0", "waiting")


async def test_what_has_no_destination_waits_for_it(autojump_clock, works):
    works.put(1, destination="NOWHERE")
    async with exporting(works):
        await trio.sleep(20)
        ((name, why, due),) = works.ask("SELECT destination, why, due FROM port104_pause")
        assert (name, due) == ("NOWHERE", None)
        assert "create dest" in why
        works.entries["NOWHERE"] = destination("NOWHERE")
        await trio.sleep(6)
        assert works.ask("SELECT * FROM port104_pause") == []
    assert works.exports == [("NOWHERE", "delivered")]


async def test_what_waited_too_long_is_given_up(autojump_clock, tmp_path):
    works = Works(tmp_path, ExportPolicy(patience=864))
    works.pacs.refuses = True
    works.put(1)
    async with exporting(works):
        await trio.sleep(864 - CLEAR_SECONDS)
        assert works.exports == [("PACS", "waiting")]
        await trio.sleep(3 * CLEAR_SECONDS)
        assert works.exports == [("PACS", "failed")]
    assert works.ask("SELECT why FROM port104_result") == [("not delivered in 0.01 days",)]


async def test_what_is_cancelled_is_not_sent(autojump_clock, works):
    works.pacs.refuses = True
    works.put(1, 2)
    async with exporting(works):
        await trio.sleep(1)
        ((export,),) = works.ask("SELECT id FROM port104_export")
        assert await works.exporter.cancel(export) == 2
        works.pacs.refuses = False
        await trio.sleep(600)
    assert (works.exports, works.pacs.calls) == ([("PACS", "cancelled")], [])


@pytest.mark.parametrize("moment", range(0, 60, 7))
async def test_after_a_kill_it_goes_on_where_it_was(autojump_clock, works, moment):
    works.put(*range(5))
    with trio.move_on_after(moment / 1000):  # the exporter is gone, and has written nothing more
        await works.exporter.run()
    known = works.states().count("delivered")
    works.restart()
    async with exporting(works):
        await trio.sleep(5)
    assert works.states() == ["delivered"] * 5
    # Once more is sent only what was under way, or answered and not written down yet.
    assert len(works.pacs.calls) <= 5 + (5 - known)


@pytest.mark.parametrize("moment", range(0, 60, 7))
async def test_after_a_stop_nothing_is_sent_again_that_was_answered(autojump_clock, works, moment):
    works.put(*range(5))
    async with exporting(works):
        await trio.sleep(moment / 1000)
    works.restart()
    async with exporting(works):
        await trio.sleep(5)
    assert dict(works.pacs.stored) == dict.fromkeys(range(5), 1)


async def test_while_the_ledger_cannot_be_used_nothing_is_forgotten_or_sent_twice(
    autojump_clock, works, monkeypatch
):
    works.put(*range(30))
    async with exporting(works):
        await trio.sleep(0.05)
        real = SqliteDatabase.changing
        fault = DatabaseError("away")
        with monkeypatch.context() as patched:
            patched.setattr(SqliteDatabase, "changing", _raising(fault))
            await trio.sleep(200)
        assert SqliteDatabase.changing is real
        sent = len(works.pacs.calls)
        assert 4 <= sent < 30  # what was taken is sent, and no more
        await trio.sleep(60)
    assert works.states() == ["delivered"] * 30
    assert set(works.pacs.stored.values()) == {1}


def _raising(fault):
    @contextlib.contextmanager
    def changing(_):
        raise fault
        yield

    return changing


async def test_results_of_a_folder_that_is_seen_are_sent_too(autojump_clock, works, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "node").write_text("n2\n")
    for node, root in (("n2", tmp_path / "there"), ("n3", tmp_path / "elsewhere")):
        other = Ledger(works.database, node)
        other.register(str(root), "other")
        other.register_results(node, [result(1, run=node)])
    async with exporting(works):
        await trio.sleep(10)
    assert works.ask("SELECT node, state FROM port104_result ORDER BY node") == [
        ("n2", "delivered"),
        ("n3", "waiting"),
    ]


async def test_what_an_engine_took_that_is_gone_is_sent_by_another(autojump_clock, works, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "node").write_text("n2\n")
    other = Ledger(works.database, "n2")
    other.register(str(tmp_path / "there"), "other")
    other.register_results("s", [result(1, run="s"), result(2, run="s")])
    assert len(other.outbox.take(["n2"], "PACS", 1, 30)) == 1
    async with exporting(works):
        await trio.sleep(10)
        assert sorted(works.states()) == ["delivered", "sending"]
        await trio.sleep(2 * CLEAR_SECONDS)
    assert works.states() == ["delivered"] * 2


async def test_a_fault_of_ours_ends_nothing_else(autojump_clock, works, monkeypatch):
    works.put(1)
    works.put(1, destination="RIS")
    works.pacs.script = [None]  # a Peer that returns nonsense
    async with exporting(works):
        await trio.sleep(400)
    assert works.exports == [("PACS", "delivered"), ("RIS", "delivered")]
