"""What was received and what became of it, by the API; and to cancel and repeat runs."""

import json

import pytest
import structlog

from api_client import ELSEWHERE, serving_api
from arrivals import arrival, plan_by
from port104.jobs.ledger.nodes import register_node

SETTINGS = {"pipeline-a": "A", "pipeline-b": "B"}
NO_LIMIT = {"A": 9, "B": 9}
INSTANCE = "/api/instances/1.2.3.1"


@pytest.fixture
async def api(tmp_path):
    """Two studies, of two instances and of one, which are two jobs; and one that is held."""
    async with serving_api(tmp_path) as opened:
        opened.folder = tmp_path
        for numbers, value in (((1, 2), "study"), ((3,), "other")):
            opened.ledger.record(
                [arrival(each, value=value, received=1e3 * each, written=each * 10**12) for each in numbers]
            )
        opened.ledger.record([arrival(9, value=None)])
        with opened.ledger._database.changing() as session:
            session.run("UPDATE port104_group SET due = 0, opened = instances WHERE state = 'open'")
        closed = opened.ledger.close_due(
            now=opened.ledger.now(), plan_of=lambda called, now: plan_by(called, SETTINGS, now)
        )
        opened.jobs = {group.instances: job for group, job in closed}
        yield opened


@pytest.fixture
def job(api):
    """The ID of the job of the study of two."""
    return api.jobs[2]


async def get(api, target):
    answer = await api.ask("GET", target)
    assert answer.status == 200, answer.body
    return answer.json


def path_of_log(api, run, attempt=1):
    folder = api.folder / "runs" / run.id / str(attempt)
    folder.mkdir(parents=True)
    return folder / "log"


def log_target(run, query=""):
    return f"/api/jobs/{run.job_id}/runs/{run.id}/log{query}"


# ---- to look ----


async def test_instances(api):
    found = await get(api, "/api/instances?studyInstanceUid=study")
    assert [each["sopInstanceUid"] for each in found] == ["1.2.3.2", "1.2.3.1"]
    assert found[0]["received"] == "1970-01-01T00:33:20.000Z"
    assert found[0]["host"] == "ingress-1"
    for query, count in (
        ("", 4),
        (f"?job={api.jobs[2]}", 2),
        (f"?group={found[0]['group']}", 2),
        ("?calledAeTitle=NOBODY", 0),
        ("?since=1970-01-01T00:33:20Z", 2),
        ("?since=1970-01-01T02:33:20%2B02:00", 2),
        ("?since=1970-01-02", 0),
        ("?sopInstanceUid=1.2.3.9", 1),
    ):
        assert len(await get(api, f"/api/instances{query}")) == count, query


@pytest.mark.parametrize("path", ["/api/instances?calledAeTitle=PORT104", "/api/jobs", "/api/groups"])
async def test_a_page_leads_to_the_next(api, path):
    whole = await get(api, path)
    target, found = f"{path}{'&' if '?' in path else '?'}limit=1", []
    while target:
        answer = await api.ask("GET", target)
        found += answer.json
        target = answer.headers.get("link", "")[1:].partition(">")[0]
    assert found == whole
    assert len(whole) > 1


async def test_the_way_of_an_instance(api, job):
    (way,) = await get(api, INSTANCE)
    assert way["instance"]["callingAeTitle"] == "CT1"
    assert way["group"]["value"] == "study"
    assert [each["job"]["id"] for each in way["jobs"]] == [job]
    answer = await api.ask("GET", "/api/instances/1.2")
    assert (answer.status, answer.problem) == (404, "unknown-instance")


async def test_groups(api):
    assert (await get(api, "/api/groups"))[0]["state"] == "holding"
    (held,) = await get(api, "/api/groups?state=holding")
    assert (held["value"], held["instances"], held["tag"]) == ("", 1, "0020,000D")


async def test_jobs(api, job):
    assert len(await get(api, "/api/jobs?state=waiting")) == 2
    assert await get(api, "/api/jobs?state=running") == []
    detail = await get(api, f"/api/jobs/{job}")
    assert [each["pipeline"] for each in detail["job"]["runs"]] == ["a", "b"]
    assert (detail["group"]["value"], detail["results"], detail["resultCounts"]) == ("study", [], {})
    answer = await api.ask("GET", "/api/jobs/none")
    assert (answer.status, answer.problem) == (404, "unknown-job")


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("/api/instances?since=yesterday", "since"),
        ("/api/instances?after=x", "after"),
        ("/api/jobs?after=WzFd", "after"),
        ("/api/instances?limit=1001", "limit"),
        ("/api/instances?offset=1", "offset"),
        ("/api/groups?state=over", "state"),
        ("/api/jobs?state=over", "state"),
        ("/api/jobs/none/runs/none/log?offset=-1", "offset"),
    ],
)
async def test_parameters_that_are_wrong(api, target, field):
    answer = await api.ask("GET", target)
    assert (answer.status, set(answer.faults)) == (400, {field})


async def test_no_log_names_an_instance(api):
    with structlog.testing.capture_logs() as entries:
        await api.ask("GET", INSTANCE)
        await api.ask("GET", "/api/instances?studyInstanceUid=1.2.3.1")
        api.ledger._database._file.unlink()
        await api.behind.lookout.close()
        answer = await api.ask("GET", INSTANCE)
        assert (answer.status, answer.problem) == (503, "registry-unavailable")
    assert [entry["path"] for entry in entries if entry["event"] == "request"] == [
        "/api/instances/...",
        "/api/instances",
        "/api/instances/...",
    ]
    assert "1.2.3.1" not in json.dumps(entries, default=str)


# ---- logs ----


async def test_the_log_of_a_run_is_read_in_parts(api):
    run = api.ledger.begin(NO_LIMIT)
    path_of_log(api, run).write_bytes(b"reading\n\xffmeasuring\n")
    answer = await api.ask("GET", log_target(run))
    assert (answer.status, answer.body) == (200, b"reading\n\xffmeasuring\n")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-total-count"] == "19"
    for query, part in (
        ("?offset=8", b"\xffmeasuring\n"),
        ("?offset=8&limit=4", b"\xffmea"),
        ("?offset=19", b""),
        ("?offset=100", b""),
        ("?attempt=1&limit=3", b"rea"),
    ):
        assert (await api.ask("GET", log_target(run, query))).body == part


async def test_there_is_no_log(api, tmp_path):
    run, other = api.ledger.begin(NO_LIMIT), (await get(api, "/api/jobs?state=waiting"))[0]
    for target, kind, words in (
        (log_target(run), "no-log", "attempt 1 of run"),
        (log_target(run, "?attempt=7"), "no-log", "attempt 7 of run"),
        (f"/api/jobs/{other['id']}/runs/{other['runs'][0]['id']}/log", "no-log", "has not begun"),
        (f"/api/jobs/{other['id']}/runs/{run.id}/log", "unknown-run", "no such run of this job"),
    ):
        answer = await api.ask("GET", target)
        assert (answer.status, answer.problem) == (404, kind)
        assert words in answer.json["detail"]


async def test_a_log_that_is_no_file_is_not_read(api, tmp_path):
    run = api.ledger.begin(NO_LIMIT)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    log = path_of_log(api, run)
    log.symlink_to(secret)
    answer = await api.ask("GET", log_target(run))
    assert (answer.status, answer.problem) == (404, "no-log")
    log.unlink()
    log.mkdir()
    assert (await api.ask("GET", log_target(run))).status == 404


async def test_the_log_of_another_engine_is_read_where_its_folder_is_reached(api, tmp_path):
    run = api.ledger.begin(NO_LIMIT)
    elsewhere = tmp_path / "elsewhere"
    with api.ledger._database.changing() as session:
        register_node(session, "n2", str(elsewhere), "ingress-2", 1.0)
        session.run("UPDATE port104_run SET node = 'n2' WHERE id = ?", run.id)
    answer = await api.ask("GET", log_target(run))
    assert answer.problem == "no-log"
    assert "on ingress-2 (node n2)" in answer.json["detail"]
    there = elsewhere / "runs" / run.id / "1"
    there.mkdir(parents=True)
    (there / "log").write_text("there")
    (elsewhere / "node").write_text("another")
    assert (await api.ask("GET", log_target(run))).problem == "no-log"
    (elsewhere / "node").write_text("n2")
    assert (await api.ask("GET", log_target(run))).body == b"there"


# ---- to act ----


def states(detail):
    return {each["pipeline"]: each["state"] for each in detail["job"]["runs"]}


async def test_to_cancel_a_job(api, job):
    begun = [run for run in iter(lambda: api.ledger.begin({"A": 9}), None) if run.job_id == job]
    answer = await api.ask("POST", f"/api/jobs/{job}/cancel")
    assert (answer.status, states(answer.json)) == (200, {"a": "running", "b": "cancelled"})
    assert answer.json["job"]["runs"][0]["cancelling"] is True
    assert api.ledger.end(begun[0], "cancelled", "")
    answer = await api.ask("POST", f"/api/jobs/{job}/cancel")
    assert (answer.status, answer.problem) == (409, "state")


async def test_to_rerun_a_run_or_all_that_have_ended(api, job):
    path = f"/api/jobs/{job}"
    answer = await api.ask("POST", f"{path}/rerun")
    assert (answer.status, answer.problem) == (409, "state")
    runs = {each["pipeline"]: each["id"] for each in (await get(api, path))["job"]["runs"]}
    await api.ask("POST", f"{path}/cancel")
    answer = await api.ask("POST", f"{path}/rerun?run={runs['b']}")
    assert states(answer.json) == {"a": "cancelled", "b": "waiting"}
    with structlog.testing.capture_logs() as entries:
        answer = await api.ask("POST", f"{path}/rerun")
    assert states(answer.json) == {"a": "waiting", "b": "waiting"}
    (entry,) = [entry for entry in entries if entry["event"] == "job acted on"]
    assert (entry["job"], entry["act"], entry["runs"]) == (job, "run again", [runs["a"]])
    assert entry["by"] == "control socket, uid 0"


async def test_there_is_nothing_to_act_on(api, job):
    for target, kind in (
        ("/api/jobs/none/cancel", "unknown-job"),
        (f"/api/jobs/{job}/cancel?run=none", "unknown-run"),
        (f"/api/jobs/{job}/rerun?run=none", "unknown-run"),
    ):
        answer = await api.ask("POST", target)
        assert (answer.status, answer.problem) == (404, kind)


async def test_who_may(api, job):
    secret = await api.registrar.create_token("dashboard", "read")
    mine = {"peer": ELSEWHERE, "authorization": f"Bearer {secret}"}
    for target in ("/api/groups", INSTANCE, f"/api/jobs/{job}"):
        assert (await api.ask("GET", target, **mine)).status == 200
        assert (await api.ask("GET", target, peer=ELSEWHERE)).status == 401
    for target in (f"/api/jobs/{job}/cancel", f"/api/jobs/{job}/rerun"):
        assert (await api.ask("POST", target, **mine)).problem == "scope"
