"""`port104 jobs`, `instances` and `groups`: asked of an engine, and of the ledger where none runs."""

import json

import pytest
import yaml

from arrivals import arrival, plan_by
from port104.jobs.ledger.opening import open_ledger
from port104.service.commands import completion, following, printing_logs, watching
from port104.service.commands.places import PLACE_OPTIONS
from port104.storage.folder import owned

RUN = {
    "id": "r1",
    "name": "port104-a",
    "pipeline": "a",
    "pipelineId": "A",
    "state": "running",
    "cancelling": False,
    "attempt": 2,
    "due": None,
    "started": "2026-11-29T08:00:00.000Z",
    "ended": None,
    "why": "exit code 1",
    "node": "n1",
}
JOB = {
    "id": "j1",
    "group": "g1",
    "calledAeTitle": "PORT104",
    "priority": "normal",
    "created": "2026-11-29T08:00:00.000Z",
    "state": "running",
    "instances": 2,
    "runs": [RUN],
}
LINE = "j1\trunning\tPORT104\t2\tnormal\t2026-11-29T08:00:00.000Z\ta: running (attempt 2)\n"


def detail(**changes):
    told = {"group": {"value": "1.2"}, "resultCounts": {"waiting": 1}, "exports": [], "results": []}
    return {"job": JOB | changes} | told


# ---- without an engine ----


@pytest.fixture
def ledger(folder):
    """A ledger with a study of two instances, which is a job, and one that is held; nobody keeps it."""
    folder.mkdir()
    (folder / "node").write_text("n1")
    ledger = open_ledger(None, folder, "n1")
    ledger.register(str(folder), "ingress-1")
    ledger.record([arrival(1, written=10**18), arrival(2, written=10**18 + 1), arrival(9, value=None)])
    with ledger._database.changing() as session:
        session.run("UPDATE port104_group SET due = 0 WHERE state = 'open'")
    ((_, job),) = ledger.close_due(
        now=ledger.now(), plan_of=lambda called, now: plan_by(called, {"pipeline-a": "A"}, now)
    )
    ledger.job = job
    yield ledger
    ledger.close()


def test_jobs_of_the_ledger(run, ledger):
    code, out, err = run("jobs", "list")
    (line,) = out.splitlines()
    assert (code, err) == (0, "")
    cells = line.split("\t")
    assert cells[:5] == [ledger.job, "waiting", "PORT104", "2", "normal"]
    assert cells[6] == "a: waiting"
    assert run("jobs", "list", "--state", "failed", "-a", "PORT104", "--group", "none") == (0, "", "")
    code, out, _ = run("jobs", "show", ledger.job, "-o", "yaml")
    assert yaml.safe_load(out)["job"]["runs"][0]["pipelineId"] == "A"
    code, _, err = run("jobs", "show", "none")
    assert (code, err) == (
        1,
        "port104: there is no such job: port104 jobs list shows those that there are\n",
    )


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((), [2, 1, 9]),
        (("-n", "1"), [2]),
        (("--study", "study"), [2, 1]),
        (("--since", "2001-09-09T00:00"), [2, 1]),
        (("--since", "2100-01-01"), []),
        (("-a", "OTHER"), []),
        (("--sop", "1.2.3.9", "-a", "PORT104"), [9]),
    ],
)
def test_instances_of_the_ledger(run, ledger, arguments, numbers):
    code, out, _ = run("instances", *arguments)
    assert (code, [line.split("\t")[0] for line in out.splitlines()]) == (
        0,
        [f"1.2.3.{number}" for number in numbers],
    )


def test_instances_of_a_job(run, ledger):
    assert len(run("instances", "--job", ledger.job)[1].splitlines()) == 2


def test_the_way_of_an_instance(run, ledger):
    code, out, _ = run("instances", "--sop", "1.2.3.1")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert ["calling", "CT1"] in rows
    assert ["group value", "study"] in rows
    assert rows[-1][0] == ledger.job
    (way,) = json.loads(run("instances", "--sop", "1.2.3.1", "-o", "json")[1])
    assert way["jobs"][0]["job"]["id"] == ledger.job
    code, _, err = run("instances", "--sop", "1.2")
    assert (code, err) == (1, "port104: no instance of this SOP Instance UID was received\n")


def test_groups_of_the_ledger(run, ledger):
    assert {line.split("\t")[1] for line in run("groups")[1].splitlines()} == {"holding", "closed"}
    (held,) = json.loads(run("groups", "--holding", "-o", "json")[1])
    assert (held["state"], held["instances"]) == ("holding", 1)
    assert run("groups", "--state", "open") == (0, "", "")
    code, _, err = run("groups", "--holding", "--state", "open")
    assert code == 2
    assert "name different states" in err


def test_the_log_of_a_run_of_the_ledger(run, ledger, folder):
    begun = ledger.begin({"A": 1})
    code, _, err = run("jobs", "logs", ledger.job)
    assert code == 1
    assert f"attempt 1 of run {begun.id} has no log" in err
    place = folder / "runs" / begun.id / "1"
    place.mkdir(parents=True)
    (place / "log").write_bytes(b"one\ntwo\n")
    assert run("jobs", "logs", ledger.job) == (0, "one\ntwo\n", "")
    assert run("jobs", "logs", ledger.job, "--attempt", "2")[0] == 1
    assert run("jobs", "logs", ledger.job, "--run", "none")[0] == 1


@pytest.mark.parametrize("act", ["cancel", "rerun"])
def test_nobody_is_there_to_act(run, ledger, act):
    code, _, err = run("jobs", act, ledger.job)
    assert code == 3
    assert f"no port104 runs here that could {act} {ledger.job}: start it" in err


def test_nothing_is_made_or_changed_by_looking(run, folder):
    code, _, err = run("jobs", "list")
    assert code == 3
    assert "there is no ledger" in err
    assert not folder.exists()
    folder.mkdir()
    assert run("groups")[0] == 3
    assert [*folder.iterdir()] == []


def test_a_ledger_that_an_engine_has_is_not_looked_into(run, ledger, folder, monkeypatch):
    monkeypatch.setattr("port104.service.commands.reaching._PATIENCE_SECONDS", 0)
    with owned(folder):
        code, _, err = run("jobs", "list", "--storage", folder)
    assert code == 3
    assert f"port104 runs on {folder}" in err


@pytest.mark.peer
def test_a_shared_ledger_is_looked_into(run, folder, postgres, monkeypatch):
    url = postgres.new_url()
    ledger = open_ledger(url, folder, "n1")
    ledger.register(str(folder), "ingress-1")
    ledger.record([arrival(1)])
    ledger.close()
    monkeypatch.setenv("PORT104_REGISTRY__URL", url)
    code, out, _ = run("instances", "--study", "study")
    assert (code, out.split("\t")[0]) == (0, "1.2.3.1")


# ---- of an engine ----


def test_jobs_of_an_engine_come_in_pages(run, control):
    more = {"Link": '</api/jobs?state=failed&limit=3&after=W_-x>; rel="next"'}
    control.will_answer(200, [JOB, JOB], **more)
    control.will_answer(200, [JOB])
    code, out, _ = run("jobs", "list", "--state", "failed", "-n", "3")
    assert (code, out) == (0, LINE * 3)
    assert [path for _, path, _, _ in control.requests] == [
        "/api/jobs?state=failed&limit=3",
        "/api/jobs?state=failed&limit=1&after=W_-x",
    ]


def test_a_job_of_an_engine(run, control):
    control.will_answer(200, detail())
    code, out, _ = run("jobs", "show", "j/1")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert ["value", "1.2"] in rows
    assert ["results", "waiting=1"] in rows
    assert rows[-1][:4] == ["r1", "a", "running", "2"]
    assert control.requests[0][1] == "/api/jobs/j%2F1"


@pytest.mark.parametrize(("act", "done"), [("cancel", "cancelled"), ("rerun", "rerun")])
def test_to_act_on_a_job_of_an_engine(run, control, act, done):
    control.will_answer(200, detail(runs=[RUN | {"cancelling": True}]))
    assert run("jobs", act, "j1", "--run", "r1") == (0, f"{done} job j1: a: cancelling\n", "")
    [(method, path, _, _)] = control.requests
    assert (method, path) == ("POST", f"/api/jobs/j1/{act}?run=r1")
    problem = {"status": 409, "detail": "it has ended: there is nothing to cancel"}
    control.will_answer(409, problem)
    assert run("jobs", act, "j1") == (1, "", f"port104: {problem['detail']}\n")


def test_the_logs_of_an_engine_come_in_parts(run, control):
    control.will_answer(200, detail())
    control.will_answer(200, b"one\ntw", **{"X-Total-Count": 8})
    control.will_answer(200, b"o\n", **{"X-Total-Count": 8})
    assert run("jobs", "logs", "j1", "--attempt", "1") == (0, "one\ntwo\n", "")
    assert [path for _, path, _, _ in control.requests[1:]] == [
        "/api/jobs/j1/runs/r1/log?offset=0&attempt=1",
        "/api/jobs/j1/runs/r1/log?offset=6&attempt=1",
    ]


def test_of_several_runs_each_log_has_a_title(run, control):
    control.will_answer(200, detail(runs=[RUN, RUN | {"id": "r2", "pipeline": "b"}]))
    control.will_answer(404, {"detail": "there is no log yet"})
    control.will_answer(200, b"two\n", **{"X-Total-Count": 4})
    code, out, err = run("jobs", "logs", "j1")
    assert (code, out, err) == (0, "==> a: r1 <==\n==> b: r2 <==\ntwo\n", "there is no log yet\n")


def test_a_log_drives_no_terminal(capsys):
    printing_logs.print_log([b"a\tb\x1b[2", b"J\n\xffrest"], safely=True, alone=True)
    assert capsys.readouterr().out == "a       b\\x1b[2J\n\ufffdrest\n"


# ---- follow ----


def log_of(control, text, total=None):
    control.will_answer(200, text, **{"X-Total-Count": total or len(text)})


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
def test_a_log_is_followed_until_the_run_ends(run, control, monkeypatch, state, code):
    monkeypatch.setattr(following, "time", Time(9))
    control.will_answer(200, detail())
    log_of(control, b"one\ntw", 6)
    control.will_answer(200, detail())
    log_of(control, b"", 6)
    control.will_answer(200, detail(runs=[RUN | {"state": state}]))
    log_of(control, b"o\n", 8)
    assert run("jobs", "logs", "j1", "--follow") == (code, "one\ntwo\n", "")
    assert [path.partition("?")[2] for _, path, _, _ in control.requests[1::2]] == [
        "offset=0&attempt=2",
        "offset=6&attempt=2",
        "offset=6&attempt=2",
    ]


def test_further_attempts_are_followed(run, control, monkeypatch):
    monkeypatch.setattr(following, "time", Time(9))
    control.will_answer(200, detail(runs=[RUN | {"state": "waiting", "attempt": 0}]))
    control.will_answer(200, detail(runs=[RUN | {"attempt": 1}]))
    control.will_answer(404, {"detail": "attempt 1 has no log"})
    control.will_answer(200, detail(runs=[RUN | {"state": "succeeded", "attempt": 2}]))
    log_of(control, b"one\n")
    log_of(control, b"two\n")
    assert run("jobs", "logs", "j1", "--follow") == (0, "one\n==> attempt 2 <==\ntwo\n", "")
    assert control.answers == []


def test_one_attempt_is_followed_until_the_next_begins(run, control, monkeypatch):
    monkeypatch.setattr(following, "time", Time(9))
    for attempt, text, total in ((2, b"one", 3), (3, b"\n", 4)):
        control.will_answer(200, detail(runs=[RUN | {"attempt": attempt}]))
        log_of(control, text, total)
    assert run("jobs", "logs", "j1", "--follow", "--attempt", "2") == (1, "one\n", "")


def test_a_run_that_writes_no_log_is_followed_to_its_end(run, control, monkeypatch):
    monkeypatch.setattr(following, "time", Time(9))
    for state in ("running", "succeeded"):
        control.will_answer(200, detail(runs=[RUN | {"state": state}]))
        control.will_answer(404, {"detail": "its pipeline writes none"})
    assert run("jobs", "logs", "j1", "--follow") == (0, "", "its pipeline writes none\n")


def test_to_follow_can_be_interrupted_and_is_of_one_run(run, control, monkeypatch, capsys):
    monkeypatch.setattr(following, "time", Time(1))
    control.will_answer(200, detail())
    log_of(control, b"one\n")
    assert run("jobs", "logs", "j1", "--follow") == (0, "one\n", "")
    control.will_answer(200, detail(runs=[RUN, RUN | {"id": "r2", "pipeline": "b"}]))
    code, _, err = run("jobs", "logs", "j1", "--follow")
    assert (code, err) == (
        2,
        "port104: one log is followed at a time: name the run by --run (a: r1, b: r2)\n",
    )


# ---- watch ----


class Time:
    """Nobody waits; after so many looks somebody interrupts."""

    def __init__(self, looks):
        self.looks = looks

    def sleep(self, _):
        self.looks -= 1
        if self.looks == 0:
            raise KeyboardInterrupt


def test_watch_prints_a_line_for_each_change(run, control, monkeypatch):
    monkeypatch.setattr(watching, "time", Time(3))
    other = JOB | {"id": "j2"}
    for found in ([JOB], [other, JOB], [other, JOB | {"state": "failed"}]):
        control.will_answer(200, found)
    code, out, _ = run("jobs", "watch")
    assert (code, out) == (0, LINE + LINE.replace("j1", "j2") + LINE.replace("running\tP", "failed\tP"))


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
@pytest.mark.parametrize("terminal", [True, False])
def test_watch_of_a_job_ends_with_it(run, control, monkeypatch, state, code, terminal):
    monkeypatch.setattr(watching, "time", Time(9))
    monkeypatch.setattr(watching, "is_terminal", lambda: terminal)
    for each in ("running", "running", state):
        control.will_answer(200, detail(state=each))
    left, out, _ = run("jobs", "watch", "j1")
    assert left == code
    assert out.count(state) >= 1
    assert control.answers == []


def test_watch_needs_an_engine(run, ledger):
    code, _, err = run("jobs", "watch")
    assert code == 3
    assert "no port104 runs on" in err


# ---- completion ----


def test_completion_offers_jobs(control, folder):
    context = type("Context", (), {"params": dict.fromkeys(PLACE_OPTIONS) | {"storage": str(folder)}})
    control.will_answer(200, [JOB, JOB | {"id": "k2"}])
    assert completion.job_ids(context, None, "j") == ["j1"]
    control.will_answer(500, {"detail": "no"})
    assert completion.job_ids(context, None, "") == []
