"""The loop that asks archives about open groups: archives answer by script, and the clock jumps."""

import contextlib

import pytest
import trio
from structlog.testing import capture_logs

from arrivals import arrival
from port104.database.faults import DatabaseError
from port104.database.sqlite import SqliteDatabase
from port104.dispatch.counting import Count, UnaskedError
from port104.dispatch.desk import Desk
from port104.dispatch.inquiring import PATIENCE_SECONDS, Asking, Inquirer
from port104.jobs.grouping import GroupingRule
from port104.jobs.inquiring import Question
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.tables import SCHEMA
from port104.registry.entries import Destination

RULE = GroupingRule(timeout=600)
PACS = Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=104)
pytestmark = pytest.mark.usefixtures("no_threads")


class Asked:
    """An inquirer, its ledger, and an archive that answers each question with what `answer` says."""

    def __init__(self, folder, answer):
        self.database = SqliteDatabase(folder / "ledger.sqlite3", SCHEMA, clock=trio.current_time)
        self.ledger = Ledger(self.database, "node")
        self.answer = answer
        self.asking = {"PORT104": Asking("PACS", RULE)}
        self.destinations = {"PACS": PACS}
        self.questions = []
        self.complete = 0
        self.inquirer = Inquirer(
            Desk(self.ledger), lambda: self.asking, lambda: self.destinations, self.count, self.completed
        )

    async def count(self, archive, questions):
        assert archive == PACS
        self.questions += [(round(trio.current_time()), question) for question in questions]
        answer = self.answer() if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await trio.sleep_forever()
        return [answer for _ in questions]

    def completed(self):
        self.complete += 1

    def come(self, number, value="1.2", **facts):
        self.ledger.record([arrival(number, value=value, rule=RULE, **facts)])

    @property
    def times(self):
        return [time for time, _ in self.questions]

    @property
    def announced(self):
        with self.database.reading() as session:
            return [announced for (announced,) in session.run("SELECT announced FROM port104_group")]


@pytest.fixture
def ask(tmp_path):
    """Runs an inquirer for a while, with one instance of study 1.2 in the ledger."""

    @contextlib.asynccontextmanager
    async def ask(answer, **changes):
        asked = Asked(tmp_path, answer)
        for name, value in changes.items():
            setattr(asked, name, value)
        asked.come(1)
        with contextlib.closing(asked.database), capture_logs() as asked.logs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asked.inquirer.run)
                yield asked
                nursery.cancel_scope.cancel()

    return ask


async def test_a_number_that_stays_the_same_is_announced(autojump_clock, ask):
    async with ask(Count(3)) as asked:
        await trio.sleep(3.5)
        assert (asked.times, asked.announced) == ([2], [None])
        await trio.sleep(2)
        assert (asked.times, asked.announced, asked.complete) == ([2, 4], [3], 0)
        asked.come(2)
        asked.come(3)
        assert len(asked.ledger.close_due(plan_of=lambda called, now: None, now=0)) == 0
        assert asked.ledger.seconds_until_due() == 0
    assert asked.questions[0] == (2, Question("1.2"))
    assert asked.logs == []


async def test_where_all_are_there_the_group_is_due_at_once(autojump_clock, ask):
    async with ask(Count(1)) as asked:
        await trio.sleep(5)
        assert (asked.complete, asked.ledger.seconds_until_due()) == (1, 0)


async def test_a_number_that_grows_is_waited_for(autojump_clock, ask):
    numbers = iter(range(10, 100))
    async with ask(lambda: Count(next(numbers))) as asked:
        await trio.sleep(100)
        assert (asked.times, asked.announced) == ([2, 4, 8, 16, 32, 64], [None])


async def test_only_groups_of_ae_titles_that_say_so_and_of_uids_are_asked_about(autojump_clock, ask):
    async with ask(Count(3)) as asked:
        asked.come(2, called_ae_title="OTHER")
        asked.come(3, value="*")
        await trio.sleep(3)
    assert asked.questions == [(2, Question("1.2"))]


async def test_where_looking_takes_long_it_is_done_less_often(autojump_clock, ask, monkeypatch):
    looks = []
    async with ask(Count(None)) as asked:
        do = asked.inquirer._desk.do

        async def slow(work):
            looks.append(round(trio.current_time()))
            await trio.sleep(1)
            return await do(work)

        monkeypatch.setattr(asked.inquirer._desk, "do", slow)
        await trio.sleep(70)
    assert looks == [1, 32, 63]


async def test_where_nobody_is_to_be_asked_the_ledger_is_let_be(autojump_clock, ask):
    async with ask(Count(3), asking={}) as asked:
        asked.database.close()
        await trio.sleep(10)
    assert asked.logs == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"answer": UnaskedError("it is away")}, "it is away"),
        ({"answer": ValueError()}, "a fault in port104: see its log"),
        ({"answer": Count(5), "destinations": {}}, "there is no destination of this name: port104 create"),
    ],
)
async def test_an_archive_that_fails_is_left_alone_and_told_of_once(autojump_clock, ask, changes, reason):
    async with ask(**changes) as asked:
        await trio.sleep(50)
        warnings = [each for each in asked.logs if each["log_level"] == "warning"]
        assert len(warnings) == 1
        assert warnings[0]["destination"] == "PACS"
        assert warnings[0]["reason"].startswith(reason)
        assert warnings[0]["hint"].startswith(
            "it is asked again in 15 s; groups are closed by their timeouts"
        )
        asked.answer, asked.destinations = Count(3), {"PACS": PACS}
        await trio.sleep(60)
        assert asked.announced == [3]
    assert [each["event"] for each in asked.logs][-1] == "destination says again how many instances there are"


async def test_an_archive_that_does_not_end_is_given_up(autojump_clock, ask):
    async with ask(None) as asked:
        await trio.sleep(PATIENCE_SECONDS)
        assert asked.logs == []
        await trio.sleep(5)
    assert asked.logs[0]["reason"] == "it took more than 120 s to answer"
    assert asked.times == [2]


async def test_a_status_that_fails_is_told_of_once_and_leaves_nobody_alone(autojump_clock, ask):
    async with ask(Count(None, "the peer answered status A700")) as asked:
        await trio.sleep(20)
    assert asked.times == [2, 4, 8, 16]
    assert [(each["reason"], each["hint"]) for each in asked.logs] == [
        ("the peer answered status A700", "groups are closed by their timeouts meanwhile")
    ]


async def test_a_ledger_that_is_away_hinders_nothing(autojump_clock, ask, monkeypatch):
    async with ask(Count(3)) as asked:
        for name in ("announce", "open_groups"):
            there = getattr(Ledger, name)

            def away(*_, **__):
                raise DatabaseError("it is away")

            monkeypatch.setattr(Ledger, name, away)
            await trio.sleep(10)
            assert asked.announced == [None]
            monkeypatch.setattr(Ledger, name, there)
        await trio.sleep(100)
        assert asked.announced == [3]
