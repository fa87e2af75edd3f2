"""`port104 results`: what runs left, and what somebody registers."""

import pytest

RESULT = {
    "run": "r1",
    "file": "runs/r1/1/registered/0f.dcm",
    "destination": "PACS",
    "sopClassUid": "1.2",
    "sopInstanceUid": "1.2.3",
    "state": "waiting",
    "ended": None,
    "why": "",
    "node": "n1",
    "registered": "2026-11-29T08:00:00.000Z",
}
LINE = "r1\truns/r1/1/registered/0f.dcm\twaiting\tPACS\t\t\n"


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.dcm").write_bytes(b'"DICM"')
    return tmp_path / "report.dcm"


def test_the_results_of_a_job(run, control):
    control.will_answer(200, {"results": [RESULT]})
    assert run("results", "list", "j1") == (0, LINE, "")
    assert control.requests[0][1] == "/api/jobs/j1"


def test_files_are_named_to_the_engine_of_this_machine(run, control, report):
    control.will_answer(200, [RESULT])
    line = ("results", "register", "j/1", "report.dcm", report, "--run", "r1", "--destination", "PACS,RIS")
    assert run(*line, "--destination", "VNA") == (0, LINE, "")
    [(method, path, _, body)] = control.requests
    assert (method, path) == ("POST", "/api/jobs/j%2F1/results?run=r1&destinations=PACS%2CRIS%2CVNA")
    assert body == {"files": [str(report), str(report)]}


@pytest.mark.parametrize("remote", [True, False])
def test_files_are_sent(run, request, api, report, remote):
    where = ("--url", request.getfixturevalue("url")) if remote else ("--upload",)
    if not remote:
        request.getfixturevalue("control")
    api.will_answer(200, [RESULT])
    api.will_answer(400, {"detail": "nothing is registered: the upload: it is no DICOM file"})
    code, _, err = run("results", "register", "j1", "report.dcm", report, *where)
    assert code == 2
    assert err == f"port104: {report}: nothing is registered: the upload: it is no DICOM file\n"
    for _, path, headers, body in api.requests:
        assert path == "/api/jobs/j1/results"
        assert (headers["Content-Type"], headers["Content-Length"]) == ("application/dicom", "6")
        assert body == "DICM"


def test_a_file_that_is_not_there_is_told(run, control, tmp_path):
    code, _, err = run("results", "register", "j1", tmp_path / "none", "--upload")
    assert (code, err) == (2, f"port104: {tmp_path}/none: it cannot be read: No such file or directory\n")


def test_nobody_is_there_to_register(run, folder, report):
    folder.mkdir()
    assert run("results", "register", "j1", "report.dcm")[0] == 3
