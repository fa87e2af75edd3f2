"""`create dest --echo`: the destination is asked at once, by the engine or from here."""

import json

import pytest

DESTINATION = ("create", "dest", "-n", "MYPACS", "-a", "MYPACSAET", "-i", "127.0.0.1", "-p", "1")
PATH = "/api/config/destinationaetitle"
ENTRY = {"name": "MYPACS", "aeTitle": "MYPACSAET", "hostIp": "127.0.0.1", "port": 1}
ANSWERED = {
    "destination": "MYPACS",
    "answered": True,
    "wrong": None,
    "reason": "",
    "associationSeconds": 0.0021,
    "echoSeconds": 0.0004,
}


def unanswered(wrong):
    return ANSWERED | {"answered": False, "wrong": wrong, "reason": "it is so; look at the X"}


def test_no_engine_runs_and_nobody_listens_there(run, folder):
    code, out, err = run(*DESTINATION, "--echo")
    assert (code, out.startswith('created destination "MYPACS"')) == (3, True)
    assert (
        '"MYPACS" does not answer: 127.0.0.1:1 cannot be reached: Connection refused; look at the port' in err
    )
    assert run("show", "dest", "MYPACS")[0] == 0  # it is kept all the same


def test_the_engine_asks(run, control):
    control.will_answer(201, ENTRY)
    control.will_answer(200, ANSWERED)
    assert run(*DESTINATION, "--echo") == (
        0,
        'created destination "MYPACS"\nit answers: association 2.1 ms, C-ECHO 0.4 ms\n',
        "",
    )
    assert [each[:2] for each in control.requests] == [("POST", PATH), ("POST", f"{PATH}/MYPACS/echo")]


def test_a_web_server_is_asked_by_options(run, control):
    control.will_answer(201, ENTRY | {"url": "http://127.0.0.1/dicom-web"})
    control.will_answer(200, ANSWERED)
    assert run(*DESTINATION, "--echo")[1].endswith("\nit answers: connection 2.1 ms, OPTIONS 0.4 ms\n")


def test_after_a_change(run, control):
    control.will_answer(200, ENTRY, ETag='"1"')
    control.will_answer(200, ENTRY | {"port": 104}, ETag='"2"')
    control.will_answer(200, ANSWERED)
    code, out, _ = run("update", "dest", "MYPACS", "-p", "104", "--echo", "-o", "json")
    assert (code, json.loads(out)["port"], json.loads(out)["echo"]) == (0, 104, ANSWERED)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [("address", 3), ("port", 3), ("tls", 3), ("calledAeTitle", 4), ("callingAeTitle", 4), ("service", 1)],
)
def test_what_is_wrong_shows_in_the_exit_code(run, control, wrong, code):
    control.will_answer(201, ENTRY)
    control.will_answer(200, unanswered(wrong))
    left, out, err = run(*DESTINATION, "--echo", "-o", "json")
    assert (left, json.loads(out)["echo"]["wrong"]) == (code, wrong)
    assert err == 'port104: "MYPACS" does not answer: it is so; look at the X\n'


def test_only_destinations_are_asked(run, folder):
    assert run("create", "src", "-a", "X", "-i", "10.0.0.1", "--echo")[0] == 2
