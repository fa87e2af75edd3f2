"""`port104 exports`: asked of an engine, and of the ledger where none runs."""

import json

import pytest

from outgoing import result
from port104.jobs.ledger.opening import open_ledger
from port104.service.commands import watching

EXPORT = {
    "id": "e1",
    "job": "j1",
    "run": "r1",
    "destination": "PACS",
    "state": "waiting",
    "total": 3,
    "waiting": 1,
    "delivered": 2,
    "failed": 0,
    "cancelled": 0,
    "registered": "2026-11-29T08:00:00.000Z",
    "ended": None,
    "pause": {"why": "refused", "since": "2026-11-29T08:00:01.000Z", "due": "2026-11-29T08:00:06.000Z"},
}
LINE = (
    "e1\twaiting\tPACS\t3\t2\t1\t0\t0\t2026-11-29T08:00:00.000Z\trefused; tried again at"
    " 2026-11-29T08:00:06.000Z\n"
)
RESULT = {
    "file": "runs/r1/1/output/a.dcm",
    "state": "failed",
    "attempt": 4,
    "status": "C000",
    "ended": "2026-11-29T08:00:02.000Z",
    "due": None,
    "why": "status C000",
}


def detail(**changes):
    return {"export": EXPORT | changes, "results": [RESULT]}


@pytest.fixture
def ledger(folder):
    folder.mkdir()
    (folder / "node").write_text("n1")
    ledger = open_ledger(None, folder, "n1")
    ledger.register(str(folder), "ingress-1")
    ledger.register_results("r", [result(1), result(2, "RIS")])
    yield ledger
    ledger.close()


def test_exports_of_the_ledger(run, ledger):
    code, out, err = run("exports", "list", "--destination", "PACS")
    (line,) = out.splitlines()
    assert (code, err, line.split("\t")[1:8]) == (0, "", ["waiting", "PACS", "1", "0", "1", "0", "0"])
    export = line.split("\t")[0]
    code, out, _ = run("exports", "show", export, "-o", "json")
    assert json.loads(out)["results"][0]["sopInstanceUid"] == "1.2.1"
    assert run("exports", "list", "--state", "failed", "--job", "none") == (0, "", "")
    code, _, err = run("exports", "show", "none")
    assert (code, "there is no such export" in err) == (1, True)


@pytest.mark.parametrize("act", ["retry", "cancel"])
def test_nobody_is_there_to_act(run, ledger, act):
    code, _, err = run("exports", act, "e1")
    assert code == 3
    assert f"no port104 runs here that could {act} e1: start it" in err


def test_exports_of_an_engine(run, control):
    control.will_answer(200, [EXPORT, EXPORT | {"pause": EXPORT["pause"] | {"due": None}}])
    code, out, _ = run("exports", "list", "--state", "waiting", "-n", "5")
    assert (code, out) == (0, LINE + LINE.partition(";")[0] + "\n")
    assert control.requests[0][1] == "/api/exports?state=waiting&limit=5"


def test_an_export_of_an_engine(run, control):
    control.will_answer(200, detail())
    code, out, _ = run("exports", "show", "e/1")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert ["delivered", "2"] in rows
    assert ["held up by", "refused; tried again at 2026-11-29T08:00:06.000Z"] in rows
    assert rows[-1] == [
        *("runs/r1/1/output/a.dcm", "failed", "4", "C000", "2026-11-29T08:00:02.000Z", "", "status C000"),
    ]
    assert control.requests[0][1] == "/api/exports/e%2F1"


@pytest.mark.parametrize(("act", "done"), [("retry", "retried"), ("cancel", "cancelled")])
def test_to_act_on_an_export(run, control, act, done):
    control.will_answer(200, detail())
    said = f"{done} export e1 to PACS: 2 delivered, 1 waiting, 0 failed, 0 cancelled\n"
    assert run("exports", act, "e1") == (0, said, "")
    [(method, path, _, _)] = control.requests
    assert (method, path) == ("POST", f"/api/exports/e1/{act}")
    control.will_answer(200, detail())
    assert json.loads(run("exports", act, "e1", "-o", "json")[1])["export"]["id"] == "e1"


@pytest.mark.parametrize(
    ("state", "code"), [("delivered", 0), ("partial", 1), ("failed", 1), ("cancelled", 1)]
)
def test_watch_of_an_export_ends_with_it(run, control, monkeypatch, state, code):
    monkeypatch.setattr(watching.time, "sleep", lambda _: None)
    for each in ("waiting", "waiting", state):
        control.will_answer(200, detail(state=each, pause=None if each == state else EXPORT["pause"]))
    found, out, _ = run("exports", "watch", "e1")
    assert (found, out.splitlines()[0] + "\n") == (code, LINE)
    assert out.splitlines()[1].startswith(f"e1\t{state}\tPACS")


def test_watch_of_all(run, control, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", interrupt)
    control.will_answer(200, [EXPORT])
    assert run("exports", "watch", "--destination", "PACS") == (0, LINE, "")
