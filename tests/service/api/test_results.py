"""Results that somebody registers, by the API."""

import pytest
import structlog

from api_client import ELSEWHERE, serving_api
from arrivals import arrival, plan_by
from port104.service.api import results
from stored_file import put

DICOM = "application/dicom"


@pytest.fixture
async def api(tmp_path):
    """A job with two runs, of which one was begun."""
    (tmp_path / "storage").mkdir()
    async with serving_api(tmp_path / "storage") as opened:
        opened.ledger.record([arrival(1)])
        with opened.ledger._database.changing() as session:
            session.run("UPDATE port104_group SET due = 0")
        settings = {"pipeline-a": "A", "pipeline-b": "B"}
        ((_, opened.job),) = opened.ledger.close_due(
            plan_of=lambda called, now: plan_by(called, settings, now), now=opened.ledger.now()
        )
        opened.run = opened.ledger.begin({"A": 1, "B": 0})
        opened.target = f"/api/jobs/{opened.job}/results?run={opened.run.id}"
        yield opened


@pytest.fixture
def report(tmp_path):
    return put(tmp_path / "elsewhere", "1.2.3.7")


async def create(api, kind, **document):
    answer = await api.ask("POST", f"/api/config/{kind}", document)
    assert answer.status == 201, answer.body


async def register(api, *files, query="", **asks):
    return await api.ask("POST", api.target + query, {"files": [str(file) for file in files]}, **asks)


async def test_files_by_path(api, report, tmp_path):
    with structlog.testing.capture_logs() as entries:
        answer = await register(api, report)
    assert answer.status == 200, answer.body
    (result,) = answer.json
    assert (result["run"], result["sopInstanceUid"], result["state"]) == (api.run.id, "1.2.3.7", "kept")
    assert (tmp_path / "storage" / result["file"]).read_bytes() == report.read_bytes()
    detail = (await api.ask("GET", f"/api/jobs/{api.job}")).json
    assert detail["results"] == answer.json
    (told,) = [entry for entry in entries if entry["event"] == "results registered"]
    assert (told["run"], told["files"], told["by"]) == (api.run.id, 1, "control socket, uid 0")


async def test_an_upload_that_is_registered_twice_is_registered_once(api, report):
    first = await api.ask("POST", api.target, raw=report.read_bytes(), content_type=DICOM)
    assert first.status == 200, first.body
    again = await api.ask("POST", api.target, raw=report.read_bytes(), content_type=DICOM)
    assert again.json == first.json
    assert (await register(api, report)).json == first.json
    assert (await api.ask("GET", f"/api/jobs/{api.job}")).json["resultCounts"] == {"kept": 1}


async def test_where_they_go(api, report):
    for name in ("PACS", "RIS", "VNA"):
        await create(api, "destinationaetitle", name=name, aeTitle=name, hostIp="127.0.0.1", port=104)
    await create(api, "claraaetitle", aeTitle="PORT104", processorSettings={"destinations": "VNA"})
    assert [each["destination"] for each in (await register(api, report)).json] == ["VNA"]
    await create(api, "pipeline", name="a", id="A", command=["true"], destinations=["PACS", "RIS"])
    assert [each["destination"] for each in (await register(api, report)).json] == ["PACS", "RIS", "VNA"]
    answer = await register(api, report, query="&destinations=RIS,%20pacs")
    assert answer.faults == {"destinations": "there is no destination 'pacs'; did you mean PACS?"}
    answer = await register(api, report, query="&destinations=nowhere")
    assert "port104 list dest" in answer.faults["destinations"]


async def test_files_that_are_wrong_are_named(api, report, tmp_path):
    (tmp_path / "text").write_text("text")
    answer = await register(api, report, tmp_path / "text", tmp_path / "none")
    assert (answer.status, answer.problem) == (400, "faulty-files")
    assert list(answer.faults) == ["files[1]", "files[2]"]
    assert f"{tmp_path}/text: it is no DICOM file" in answer.json["detail"]
    answer = await api.ask("POST", api.target, raw=b"text", content_type=DICOM)
    assert (answer.problem, list(answer.faults)) == ("faulty-files", ["files[0]"])
    assert "the upload: it is no DICOM file" in answer.json["detail"]
    assert (await api.ask("GET", f"/api/jobs/{api.job}")).json["results"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "files"),
        ({"files": []}, "files"),
        ({"files": "/a"}, "files"),
        ({"files": ["/a", 1]}, "files[1]"),
        ({"files": ["/a"], "destination": "PACS"}, "destination"),
        ({"files": ["/a"] * 1001}, "files"),
    ],
)
async def test_bodies_that_are_wrong(api, body, field):
    answer = await api.ask("POST", api.target, body)
    assert (answer.status, answer.problem, set(answer.faults)) == (400, "faulty-entry", {field})


async def test_a_key_that_is_given_twice(api):
    answer = await api.ask("POST", api.target, raw=b'{"files": ["/a"], "files": ["/b"]}')
    assert answer.faults == {"files": "it is given more than once"}


async def test_which_run(api, report):
    path = f"/api/jobs/{api.job}/results"
    answer = await api.ask("POST", path, {"files": [str(report)]})
    assert "several runs" in answer.faults["run"]
    (other,) = [
        run["id"]
        for run in (await api.ask("GET", f"/api/jobs/{api.job}")).json["job"]["runs"]
        if run["id"] != api.run.id
    ]
    for target, status, kind in (
        (f"{path}?run={other}", 409, "state"),
        (f"{path}?run=none", 404, "unknown-run"),
        ("/api/jobs/none/results", 404, "unknown-job"),
    ):
        answer = await api.ask("POST", target, {"files": [str(report)]})
        assert (answer.status, answer.problem) == (status, kind)


async def test_no_more_than_there_is_room_for(api, report, monkeypatch):
    monkeypatch.setattr(results, "MOST_BYTES", 100)
    for length in ("101", ""):
        answer = await api.ask("POST", api.target, raw=bytes(101), content_type=DICOM, content_length=length)
        assert (answer.status, answer.problem) == (413, "too-large")
    answer = await api.ask("POST", api.target, raw=b" " * (1 << 20) + b"{}")
    assert (answer.status, answer.problem) == (413, "too-large")
    api.has_room = False
    answer = await register(api, report)
    assert (answer.status, answer.problem) == (507, "no-room")


async def test_a_disk_that_fails(api, report, tmp_path):
    (tmp_path / "storage" / "runs").write_text("no folder")
    for asked in (
        await register(api, report),
        await api.ask("POST", api.target, raw=report.read_bytes(), content_type=DICOM),
    ):
        assert (asked.status, asked.problem) == (507, "no-room")


async def test_who_may(api, report):
    secret = await api.registrar.create_token("dashboard", "read")
    mine = {"peer": ELSEWHERE, "authorization": f"Bearer {secret}"}
    assert (await register(api, report, **mine)).problem == "scope"
    assert (await register(api, report, peer=ELSEWHERE)).status == 401
