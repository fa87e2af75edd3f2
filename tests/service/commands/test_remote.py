"""The verbs over the API of a running engine: what is asked, and what comes of the answers."""

import json
import socketserver
import ssl

import pytest
import trustme

from scripted_api import served

SOURCE = {"name": "CT1", "aeTitle": "CT1", "hostIp": "10.0.0.5", "hosts": [], "origin": None}


def asked(api):
    return [(method, path, body) for method, path, _, body in api.requests]


@pytest.fixture
def remote(run, url):
    """Runs a command with the URL of the API."""
    return lambda *arguments: run(*arguments, "--url", url)


def test_create(remote, api):
    api.will_answer(201, SOURCE, ETag='"1"')
    code, out, err = remote("create", "src", "-a", "CT1", "-i", "10.0.0.5")
    assert (code, out, err) == (0, 'created source "CT1"\n', "")
    assert asked(api) == [
        ("POST", "/api/config/sourceaetitle", {"aeTitle": "CT1", "hosts": ["10.0.0.5"], "hostIp": None})
    ]


def test_update_gives_back_what_it_was_given_but_for_the_change(remote, api):
    api.will_answer(200, SOURCE, ETag='"7"')
    api.will_answer(200, SOURCE | {"hostIp": "10.0.0.6"}, ETag='"8"')
    assert remote("update", "src", "CT1", "-i", "10.0.0.6")[:2] == (0, 'updated source "CT1"\n')
    changed = {"name": "CT1", "aeTitle": "CT1", "hostIp": None, "hosts": ["10.0.0.6"]}
    assert asked(api) == [
        ("GET", "/api/config/sourceaetitle/CT1", b""),
        ("PUT", "/api/config/sourceaetitle/CT1", changed),
    ]
    assert api.requests[1][2]["If-Match"] == '"7"'


def test_warnings_are_said_besides(remote, api):
    api.will_answer(201, SOURCE | {"warnings": ["it lacks\x1b"]})
    api.will_answer(200, SOURCE | {"warnings": ["others lack it"]})
    code, out, err = remote("create", "src", "-a", "CT1", "-i", "10.0.0.5", "-o", "json")
    assert (code, json.loads(out), err) == (0, SOURCE, "warning: it lacks\\x1b\n")
    assert remote("delete", "src", "CT1") == (0, 'deleted source "CT1"\n', "warning: others lack it\n")


def test_names_are_quoted(remote, api):
    api.will_answer(200, SOURCE | {"name": "a/b c?"})
    api.will_answer(200, SOURCE | {"name": "ä"})
    assert remote("delete", "dest", "a/b c?", "ä")[1].splitlines() == [
        'deleted destination "a/b c?"',
        'deleted destination "ä"',
    ]
    assert [path for _, path, _ in asked(api)] == [
        "/api/config/destinationaetitle/a%2Fb%20c%3F",
        "/api/config/destinationaetitle/%C3%A4",
    ]


def test_long_lists_come_in_pages(remote, api):
    names = [f"CT{number:04}" for number in range(1500)]
    entries = [SOURCE | {"name": name} for name in names]
    api.will_answer(200, entries[:1000], **{"X-Total-Count": 1500})
    api.will_answer(200, entries[1000:], **{"X-Total-Count": 1500})
    code, out, _ = remote("list", "src", "-o", "json")
    assert code == 0
    assert [each["name"] for each in json.loads(out)] == names
    assert [path.partition("?")[2] for _, path, _ in asked(api)] == [
        "limit=1000&offset=0",
        "limit=1000&offset=1000",
    ]


def test_tokens(remote, api):
    api.will_answer(201, {"name": "ops", "scope": "admin", "secret": "port104_x"})
    api.will_answer(200, [{"name": "ops", "scope": "admin", "created": "2026"}], **{"X-Total-Count": 1})
    api.will_answer(204)
    assert remote("token", "create", "ops", "--scope", "admin")[1] == "port104_x\n"
    assert remote("token", "list")[1] == "ops\tadmin\t2026\n"
    assert remote("token", "delete", "ops")[1] == 'deleted token "ops"\n'
    assert asked(api) == [
        ("POST", "/api/tokens", {"name": "ops", "scope": "admin"}),
        ("GET", "/api/tokens?limit=1000&offset=0", b""),
        ("DELETE", "/api/tokens/ops", b""),
    ]


def test_the_token_is_shown(run, url, api, tmp_path, monkeypatch):
    api.will_answer(200, [])
    api.will_answer(200, [])
    api.will_answer(200, [])
    file = tmp_path / "token"
    file.write_text("port104_file\n")
    run("list", "src", "--url", url)
    monkeypatch.setenv("PORT104_TOKEN", "port104_variable")
    monkeypatch.setenv("PORT104_URL", url)
    run("list", "src")
    run("list", "src", "--token-file", file)
    assert [headers["Authorization"] for _, _, headers, _ in api.requests] == [
        None,
        "Bearer port104_variable",
        "Bearer port104_file",
    ]


@pytest.mark.parametrize(
    ("status", "problem", "code", "message"),
    [
        (
            400,
            {"detail": "faulty", "errors": [{"field": "processorSettings.timeout", "reason": "too short"}]},
            2,
            "port104: --timeout (processorSettings.timeout): too short\n",
        ),
        (
            409,
            {"detail": "there is one", "errors": [{"field": "aeTitle", "reason": "there is one"}]},
            1,
            "port104: -a/--ae-title (aeTitle): there is one\n",
        ),
        (404, {"detail": "there is none"}, 1, "port104: there is none\n"),
        (412, {"detail": "somebody changed it"}, 1, "port104: somebody changed it\n"),
        (503, {"detail": "no database\x1b"}, 1, "port104: no database\\x1b\n"),
    ],
)
def test_problems_are_said_as_they_are(remote, api, status, problem, code, message):
    api.will_answer(status, {"title": "T", **problem})
    found, out, err = remote("create", "aetitle", "-a", "X")
    assert (found, out, err) == (code, "", message)


@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_is_told_of_tokens(remote, api, status):
    api.will_answer(status, {"detail": "a token is needed"})
    code, _, err = remote("list", "src")
    assert code == 1
    assert (
        "a token is needed; the command line takes it from --token-file (PORT104_TOKEN_FILE), or from" in err
    )


def test_what_is_no_port104(remote, api):
    api.will_answer(200, None, **{"Content-Type": "text/html", "Content-Length": 2})
    api.answers[0] = (200, "<>", {"Content-Type": "text/html"})
    code, _, err = remote("list", "src")
    assert code == 3
    assert "answers as no port104 does (200, text/html): check --url" in err


@pytest.mark.parametrize("wrong", ["127.0.0.1:5000", "ftp://x", "http://", "http://x:99999", "http://x?y"])
def test_a_url_that_is_none(run, wrong):
    code, _, err = run("list", "src", "--url", wrong)
    assert code == 2
    assert f"--url {wrong}: expected one such as http://port104.example:5000" in err


def test_nobody_there(run, url, api):
    port = url.rpartition(":")[2]
    code, _, err = run("list", "src", "--url", "http://127.0.0.1:1")
    assert code == 3
    assert err.startswith(
        "port104: no port104 answers at http://127.0.0.1:1: Connection refused; check that it runs"
    )
    assert port


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def https_url(api, authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), api.handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
        thread = served(server)
        yield f"https://localhost:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_over_tls(run, api, https_url, authority, tmp_path, monkeypatch):
    code, _, err = run("list", "src", "--url", https_url)
    assert code == 3
    assert "certificate verify failed" in err
    assert "SSL_CERT_FILE names a file" in err
    assert api.requests == []
    authority.cert_pem.write_to_path(tmp_path / "authorities.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
    api.will_answer(200, [])
    assert run("list", "src", "--url", https_url) == (0, "", "")


STATUS = {"status": "Healthy", "services": {"dicomScp": "Running"}, "unready": [], "disk": {"room": "enough"}}


def test_status(run, control):
    control.will_answer(200, STATUS)
    code, out, _ = run("status")
    assert code == 0
    assert out == "status\tHealthy\nservices.dicomScp\tRunning\nunready\t\ndisk.room\tenough\n"
    control.will_answer(200, STATUS)
    assert json.loads(run("status", "-o", "json")[1]) == STATUS
    assert [path for _, path, _ in asked(control)] == ["/health/status"] * 2


def test_status_of_one_that_is_not_well(run, control):
    control.will_answer(200, STATUS | {"status": "Unhealthy", "unready": ["it is stopping"]})
    code, out, _ = run("status")
    assert code == 1
    assert "unready\tit is stopping\n" in out
