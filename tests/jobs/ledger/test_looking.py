"""What the ledger tells: in pages, the newest first, and never by going through all instances."""

import contextlib
import re

import msgspec
import pytest

from arrivals import RULE, arrival, plan_by
from port104.database.sqlite import SqliteSession
from port104.jobs.ledger.arrivals import record
from port104.jobs.ledger.closing import close_due
from port104.jobs.ledger.exports import pause, resume
from port104.jobs.ledger.looking.exports import WantedExports, exports
from port104.jobs.ledger.looking.groups import WantedGroups, groups
from port104.jobs.ledger.looking.instances import WantedInstances, instances
from port104.jobs.ledger.looking.jobs import WantedJobs, job, jobs
from port104.jobs.ledger.looking.pages import FaultyPageError, Page
from port104.jobs.ledger.looking.ways import ways
from port104.jobs.ledger.nodes import register_node
from port104.jobs.ledger.results import Result, register
from port104.jobs.ledger.runs import begin, cancel, end, make_job, postpone
from transaction import work

SETTINGS = {"pipeline-a": "A", "pipeline-b": "B"}
ALL = Page()
LATE_WITH_ALL = msgspec.structs.replace(RULE, late="all")
NOWHERE = ["x", "WzFd", "WyJ4IiwieCJd", "\u00fc", "A\0", "e30", "WzFlOTk5LCJ4Il0"]


def come(database, *arrivals, now=100.0, node="n1"):
    work(database, register_node, node, "/payloads", f"ingress-{node[1:]}", now)
    work(database, record, node, arrivals, now)


def close(database, now, settings=SETTINGS):
    """Close what is due; returns the IDs of the jobs."""
    made = []
    planned = plan_by("PORT104", settings, now)
    list(close_due(database, now, lambda session, group: made.append(make_job(session, group, planned, now))))
    return made


def study(database, number, now, settings=SETTINGS):
    """A study of one instance comes and is closed; returns the ID of its job."""
    come(database, arrival(number, value=f"study {number}"), now=now)
    (made,) = close(database, now + 5, settings)
    return made


def look(database, question, *arguments):
    with database.reading() as session:
        return question(session, *arguments)


def every(database, question, wanted, limit):
    """All items, page by page; and how long each page was."""
    items, lengths, after = [], [], ""
    while after is not None:
        found = look(database, question, wanted, Page(limit, after))
        items += found.items
        lengths.append(len(found.items))
        after = found.following
    return items, lengths


def numbers(found):
    return [int(each.file[3:7]) for each in found]


# ---- instances ----


@pytest.fixture
def two_studies(database):
    """Ten instances of one study, one of them replaced, and some of others, one of which is held."""
    come(database, *(arrival(number, written=number) for number in range(10)), now=100)
    come(database, arrival(3, written=10, replaced=True), now=101)
    come(
        database,
        arrival(20, value="other", called_ae_title="OTHER", written=20),
        arrival(21, value=None, written=10**18),
        now=102,
    )


@pytest.mark.usefixtures("two_studies")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [21, 20, 3, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"study_instance_uid": "other"}, [20]),
        ({"called_ae_title": "OTHER"}, [20]),
        ({"called_ae_title": "PORT104", "study_instance_uid": ""}, [21]),
        ({"sop_instance_uid": "1.2.3.3"}, [3, 3]),
        ({"since": 19e-9}, [21, 20]),
        ({"since": 1e9, "called_ae_title": "PORT104"}, [21]),
        ({"since": 1e9 + 1}, []),
        ({"since": 1e11}, []),
        ({"since": -1e11, "called_ae_title": "OTHER"}, [20]),
        ({"sop_instance_uid": "1.2.3.4\0"}, []),
        ({"study_instance_uid": "\udcff"}, []),
        ({"group": "none"}, []),
        ({"job": "none\0"}, []),
    ],
    ids=str,
)
def test_instances_that_are_asked_for(database, wanted, found):
    assert numbers(look(database, instances, WantedInstances(**wanted), ALL).items) == found


@pytest.mark.usefixtures("two_studies")
def test_what_is_told_of_an_instance(database):
    told = look(database, instances, WantedInstances(sop_instance_uid="1.2.3.3"), ALL).items
    assert {each.state for each in told} == {"kept", "replaced"}
    (one,) = [msgspec.to_builtins(each) for each in told if each.state == "kept"]
    assert one.pop("group")
    assert one == {
        "sopInstanceUid": "1.2.3.3",
        "sopClassUid": "1.2.840.10008.5.1.4.1.1.2",
        "studyInstanceUid": "study",
        "seriesInstanceUid": "study.1",
        "calledAeTitle": "PORT104",
        "callingAeTitle": "CT1",
        "address": "10.0.0.1",
        "received": "1970-01-01T00:16:43.000Z",
        "state": "kept",
        "node": "n1",
        "host": "ingress-1",
        "file": "00/0003.dcm",
    }


@pytest.mark.parametrize("limit", [1, 3, 4, 12, 13, 14])
@pytest.mark.usefixtures("two_studies")
def test_pages_of_instances(database, limit):
    whole = look(database, instances, WantedInstances(), ALL).items
    items, lengths = every(database, instances, WantedInstances(), limit)
    assert items == whole
    assert lengths == [limit] * (13 // limit) + [13 % limit] * (13 % limit > 0)


@pytest.mark.parametrize("wanted", [{}, {"study_instance_uid": "study"}])
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_what_came_to_several_folders_at_one_moment_is_told_once(database, wanted, limit):
    for node in ("n1", "n2", "n3"):
        come(database, *(arrival(number, written=1 + number // 3) for number in range(7)), node=node)
    items, _ = every(database, instances, WantedInstances(**wanted), limit)
    assert [(each.node, int(each.file[3:7])) for each in items] == [
        (node, number)
        for some in ((6,), (5, 4, 3), (2, 1, 0))
        for node in ("n3", "n2", "n1")
        for number in some
    ]


@pytest.mark.parametrize("rare", [1, 3])
def test_an_ae_title_is_looked_for_in_its_groups_where_they_are_few(database, rare, monkeypatch):
    monkeypatch.setattr("port104.jobs.ledger.looking.instances._RARE", rare)
    come(database, *(arrival(number, value=f"{number}", written=number) for number in range(1, 8)))
    come(database, arrival(9, called_ae_title="OTHER", written=9))
    for called, found in (("PORT104", [7, 6, 5, 4, 3, 2, 1]), ("OTHER", [9]), ("NOBODY", [])):
        items, _ = every(database, instances, WantedInstances(called_ae_title=called), 2)
        assert numbers(items) == found


@pytest.mark.parametrize("after", NOWHERE)
def test_there_is_no_such_place(database, after):
    come(database, arrival(1))
    for question, wanted in ((instances, WantedInstances()), (groups, WantedGroups()), (jobs, WantedJobs())):
        with pytest.raises(FaultyPageError, match="there is no such place in the list"):
            look(database, question, wanted, Page(10, after))


# ---- groups ----


def test_groups(database):
    first = study(database, 1, 100)
    study(database, 2, 200)
    come(database, arrival(3, value="late", announced=4), arrival(4, value=None), now=300)
    told = look(database, groups, WantedGroups(), ALL).items
    assert [each.opened[11:19] for each in told] == ["00:05:00", "00:05:00", "00:03:20", "00:01:40"]
    assert [each.value for each in told[2:]] == ["study 2", "study 1"]
    for state, count in (("open", 1), ("holding", 1), ("closed", 2)):
        items, _ = every(database, groups, WantedGroups(state=state), 1)
        assert [each.state for each in items] == [state] * count
    (late,) = look(database, groups, WantedGroups(state="open"), ALL).items
    assert (late.tag, late.announced, late.instances) == ("0020,000D", 4, 1)
    assert (late.due, late.closed) == ("1970-01-01T00:05:05.000Z", None)
    (held,) = look(database, groups, WantedGroups(state="holding"), ALL).items
    assert (held.value, held.due, held.reason) == ("", None, None)
    closed = look(database, job, first).group
    assert (closed.due, closed.closed, closed.reason) == (None, "1970-01-01T00:01:45.000Z", "idle")
    assert look(database, groups, WantedGroups(called_ae_title="OTHER"), ALL).items == []


# ---- jobs ----


def begin_all(database, now=500.0):
    runs = []
    while (begun := work(database, begin, "n1", {"A": 9, "B": 9}, now)) is not None:
        runs.append(begun)
    return sorted(runs, key=lambda run: (run.job_id, run.pipeline))


def in_state(database, state):
    return [each.id for each in every(database, jobs, WantedJobs(state=state), 1)[0]]


def test_a_job_is_in_the_state_of_its_most_urgent_run(database):
    made = [study(database, number, 100 + 10 * number) for number in range(5)]
    runs = begin_all(database)
    of = {each: [run for run in runs if run.job_id == each] for each in made}
    for each in (made[0], made[1]):
        for run in of[each]:
            work(database, end, run, "succeeded", "", 600)
    work(database, end, of[made[2]][0], "failed", "exit code 1", 600)
    work(database, end, of[made[2]][1], "cancelled", "", 600)
    work(database, end, of[made[3]][0], "failed", "exit code 1", 600)
    work(database, postpone, of[made[3]][1], "exit code 2", 700, 600)
    assert in_state(database, "succeeded") == [made[1], made[0]]
    assert in_state(database, "failed") == [made[2]]
    assert in_state(database, "cancelled") == []
    assert in_state(database, "waiting") == [made[3]]
    assert in_state(database, "running") == [made[4]]
    assert in_state(database, None) == made[::-1]
    told = {each.id: each.state for each in look(database, jobs, WantedJobs(), ALL).items}
    assert [told[each] for each in made] == ["succeeded", "succeeded", "failed", "waiting", "running"]


def test_a_run_as_it_is(database):
    made = study(database, 1, 100, SETTINGS | {"priority": "higher"})
    told = look(database, job, made).job
    assert (told.priority, told.instances, told.created) == ("higher", 1, "1970-01-01T00:01:45.000Z")
    (a, _) = told.runs
    assert (a.pipeline, a.pipeline_id, a.state, a.attempt) == ("a", "A", "waiting", 0)
    assert (a.due, a.started, a.node) == ("1970-01-01T00:01:45.000Z", None, None)
    runs = begin_all(database)
    work(database, cancel, runs[0].id, 550)
    (a, b) = look(database, job, made).job.runs
    assert (a.state, a.cancelling, b.cancelling) == ("running", True, False)
    assert (a.due, a.started, a.ended, a.node) == (None, "1970-01-01T00:08:20.000Z", None, "n1")
    work(database, end, runs[0], "cancelled", "somebody asked for it", 600)
    (a, _) = look(database, job, made).job.runs
    assert (a.state, a.cancelling, a.why) == ("cancelled", False, "somebody asked for it")


def test_jobs_of_an_ae_title_and_of_a_group(database):
    made = study(database, 1, 100)
    study(database, 2, 110)
    of = look(database, job, made).group
    assert [each.id for each in look(database, jobs, WantedJobs(group=of.id), ALL).items] == [made]
    assert look(database, jobs, WantedJobs(called_ae_title="OTHER"), ALL).items == []
    assert look(database, job, "none\0") is None


def test_results_are_told_with_their_job(database):
    made = study(database, 1, 100)
    run = begin_all(database)[0]
    left = [
        Result(file="a", destination="PACS", state="waiting"),
        Result(file="b", destination="PACS", state="waiting"),
        Result(file="c", state="unreadable", why="no DICOM"),
    ]
    work(database, register, "n1", run.id, left, 600)
    detail = look(database, job, made)
    assert detail.result_counts == {"unreadable": 1, "waiting": 2}
    assert [(each.file, each.destination, each.state) for each in detail.results] == [
        ("a", "PACS", "waiting"),
        ("b", "PACS", "waiting"),
        ("c", "", "unreadable"),
    ]


def hold_ups(database):
    found = look(database, exports, WantedExports(), ALL).items
    return {each.run: each.pause and each.pause.why for each in found}


def test_an_export_whose_engine_is_gone_says_so(database):
    for node, heard in (("n1", 100), ("n2", 1000)):
        work(database, register_node, node, f"/{node}", f"pod-{node}", heard, 300)
        waiting = Result(file="a", destination="PACS", state="waiting")
        work(database, register, node, f"of {node}", [waiting], heard)
    held_up = hold_ups(database)
    assert held_up == {"of n2": None, "of n1": held_up["of n1"]}
    assert (
        "the engine on pod-n1 (node n1), which was not heard of since 1970-01-01T00:01:40" in held_up["of n1"]
    )
    work(database, pause, "n1", "PACS", "as it was then", 1e9, 200)
    assert hold_ups(database) == held_up
    work(database, pause, "n2", "PACS", "refused", 1e9, 900)
    assert hold_ups(database) == dict.fromkeys(held_up, "refused")
    work(database, register_node, "n1", "/n1", "pod-n1", 1100, 300)
    work(database, resume, "n1", None)
    work(database, resume, "n2", "PACS")
    assert hold_ups(database) == dict.fromkeys(held_up)


def test_runs_of_very_many_jobs(database):
    for number in range(620):
        come(database, arrival(number, value=f"study {number}"))
    for _ in range(7):
        close(database, 200)
    found = look(database, jobs, WantedJobs(), Page(1000)).items
    assert [len(each.runs) for each in found] == [2] * 620


# ---- the way of an instance ----


def test_the_way_of_an_instance_leads_to_jobs_of_what_came_later(database):
    come(database, arrival(1, rule=LATE_WITH_ALL), now=100)
    (first,) = close(database, 200)
    come(database, arrival(2, rule=LATE_WITH_ALL), now=300)
    (second,) = close(database, 400)
    come(database, arrival(3, value="another"), now=500)
    close(database, 600)
    (way,) = look(database, ways, "1.2.3.1")
    assert (way.instance.sop_instance_uid, way.group.id) == ("1.2.3.1", way.instance.group)
    assert [each.job.id for each in way.jobs] == [first, second]
    (way,) = look(database, ways, "1.2.3.2")
    assert [each.job.id for each in way.jobs] == [second]
    assert numbers(look(database, instances, WantedInstances(job=first), ALL).items) == [1]
    assert numbers(look(database, instances, WantedInstances(job=second), ALL).items) == [2, 1]
    assert look(database, ways, "1.2") == []


def test_the_way_of_what_is_held_ends_in_its_group(database):
    come(database, arrival(1, value=None))
    (way,) = look(database, ways, "1.2.3.1")
    assert (way.group.state, way.jobs) == ("holding", [])


# ---- how ----


class Explaining(SqliteSession):
    """Keeps how each question would be answered."""

    def __init__(self, session):
        super().__init__(session._connection)
        self.plans = []

    def run(self, sql, *parameters):
        self.plans.append([row[3] for row in super().run(f"EXPLAIN QUERY PLAN {sql}", *parameters)])
        return super().run(sql, *parameters)


INSTANCES = [
    ({}, "SEARCH i USING PRIMARY KEY (node=?"),
    ({"since": 100.0}, "SEARCH i USING PRIMARY KEY (node=? AND written>?"),
    ({"called_ae_title": "PORT104"}, "SEARCH i USING INDEX port104_instance_of_group"),
    ({"called_ae_title": "PORT104", "since": 1.0}, "SEARCH i USING INDEX port104_instance_of_group"),
    (
        {"sop_instance_uid": "1.2"},
        "SEARCH i USING INDEX port104_instance_of_group (group_id=? AND sop_instance=?)",
    ),
    ({"study_instance_uid": "1.2"}, "SEARCH port104_study USING PRIMARY KEY (study=?)"),
    ({"group": "1"}, "SEARCH i USING INDEX port104_instance_of_group"),
    ({"job": "1"}, "SEARCH i USING INDEX port104_instance_of_group"),
]
JOBS = [
    ({}, "j USING INDEX port104_job_of_time"),
    ({"state": "succeeded"}, "j USING INDEX port104_job_of_time"),
    ({"state": "running"}, "SEARCH r USING"),
    ({"state": "failed"}, "SEARCH r USING"),
    ({"group": "1"}, "SEARCH j USING INDEX port104_job_of_group"),
]
GROUPS = [
    ({}, "g USING INDEX port104_group_of_time"),
    ({"state": "open"}, "g USING INDEX port104_group_not_closed_of_time"),
    ({"state": "holding"}, "g USING INDEX port104_group_not_closed_of_time"),
]
EXPORTS = [
    ({}, "e USING INDEX port104_export_of_time"),
    ({"state": "waiting"}, "e USING INDEX port104_export_not_delivered"),
    ({"state": "failed"}, "e USING INDEX port104_export_not_delivered"),
    ({"destination": "PACS"}, "e USING INDEX port104_export_of_destination"),
    ({"job": "1"}, "e USING INDEX port104_export_of_run"),
]
QUESTIONS = [
    pytest.param(question, kind(**wanted), index, first, id=f"{question.__name__} {wanted} {first}")
    for question, kind, several in (
        (instances, WantedInstances, INSTANCES),
        (jobs, WantedJobs, JOBS),
        (groups, WantedGroups, GROUPS),
        (exports, WantedExports, EXPORTS),
    )
    for wanted, index in several
    for first in (True, False)
]


@pytest.mark.parametrize("open_database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("question", "wanted", "index", "first"), QUESTIONS)
def test_a_question_is_answered_by_an_index(database, question, wanted, index, first):
    for number in range(3):
        study(database, number, 100 + 10 * number)
        with database.changing() as session:
            register(
                session, "n1", f"r{number}", [Result(file="a", destination="PACS", state="waiting")], 100
            )
    come(database, arrival(90, value="open"), arrival(91, value=None), now=900)
    after = "" if first else (look(database, question, type(wanted)(), Page(1)).following)
    with database.reading() as session:
        explaining = Explaining(session)
        question(explaining, wanted, Page(10, after))
    lines = [line for each in explaining.plans for line in each]
    assert any(index in line for line in lines), lines
    assert not [line for line in lines if re.match(r"SCAN i|SCAN (g|j|r|o|e)$", line)], lines


@pytest.mark.parametrize("open_database", ["sqlite"], indirect=True)
def test_the_way_of_an_instance_is_found_by_indexes(database):
    made = study(database, 1, 100)
    with database.reading() as session:
        explaining = Explaining(session)
        assert ways(explaining, "1.2.3.1")
        assert job(explaining, made)
    for line in [line for each in explaining.plans for line in each]:
        # Of engines there are few, and of pauses one for each destination that is left alone.
        assert not re.match(r"SCAN (?!c$|chain$|port104_pause$|port104_node$)", line), explaining.plans


def test_who_looks_sees_one_moment_and_is_in_nobodys_way(open_database):
    """On SQLite too: what is read here is read beside a change."""
    writing = open_database()
    come(writing, arrival(1))
    looking = open_database()
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(looking.reading())
        assert len(instances(session, WantedInstances(), ALL).items) == 1
        come(writing, arrival(2))
        assert len(instances(session, WantedInstances(), ALL).items) == 1
    assert len(look(looking, instances, WantedInstances(), ALL).items) == 2
