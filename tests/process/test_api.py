"""The API of a real engine: what it changes holds for the next association, and it stays to the end."""

import contextlib
import http.client
import json
import os
import signal
import socket

import pytest

from engine_process import engine, free_port
from port104.service.control_socket import FILE_NAME
from port104.wire.command import Status
from sender import Sender, image

SOURCES = "/api/config/sourceaetitle"
MYPACS = {"aeTitle": "MYPACS", "hostIp": "127.0.0.1"}


class Client:
    """Asks the API of an engine: over TCP, or by its control socket."""

    def __init__(self, port, file):
        self.port = port
        self.file = file

    def ask(self, method, path, body=None, *, control=False, **headers):
        """Return the status and the document, or text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        if control:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self.file))
        given = {"Content-Type": "application/json"} if body is not None else {}
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body is not None else None, given | headers)
            response = connection.getresponse()
            content = response.read()
            is_json = "json" in response.headers.get("content-type", "")
            return response.status, json.loads(content) if is_json else content.decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "storage"
    with engine(folder, scp={"rejectUnknownSources": True}, api={"port": (port := free_port())}) as started:
        started.api = Client(port, folder / FILE_NAME)
        yield started


def calls(server):
    """Whether MYPACS is let in."""
    try:
        with Sender(server.port, calling_ae_title="MYPACS") as sender:
            assert sender.echo() == Status.SUCCESS
            sender.release()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("control", [False, True], ids=["tcp", "control socket"])
def test_a_source_is_let_in_and_out_again(server, control):
    assert not calls(server)
    assert server.api.ask("POST", SOURCES, MYPACS, control=control)[0] == 201
    assert calls(server)
    assert server.api.ask("DELETE", f"{SOURCES}/MYPACS", control=control)[0] == 200
    assert not calls(server)


def test_associations(server):
    assert server.api.ask("POST", SOURCES, MYPACS)[0] == 201
    with Sender(server.port, calling_ae_title="MYPACS") as sender:
        assert sender.store("1.2.1", image("1.2.1", b"pixels")) == Status.SUCCESS
        _, (running,) = server.api.ask("GET", "/api/associations?state=running")
        path = f"/api/associations/{running['id']}"
        # The thread that stores counts once it has answered.
        server.wait_for(lambda: server.api.ask("GET", path)[1]["figures"]["stored"] == 1)
        assert running["callingAeTitle"] == "MYPACS"
        assert server.api.ask("GET", "/health/status")[1]["activeDimseConnections"] == 1
        sender.release()
    server.wait_for(lambda: server.api.ask("GET", path)[1]["state"] == "ended")
    ended = server.api.ask("GET", path)[1]
    assert (ended["outcome"], ended["figures"]["stored"]) == ("released", 1)
    assert ended["figures"]["bytes"] == len(image("1.2.1", b"pixels"))
    assert server.api.ask("DELETE", f"{SOURCES}/MYPACS")[0] == 200
    assert not calls(server)
    _, (rejected, *_) = server.api.ask("GET", "/api/associations?outcome=rejected&callingAeTitle=MYPACS")
    assert "1/1/3" in rejected["reason"]
    assert "port104 create src" in rejected["hint"]


def test_who_changed_what_is_logged(server):
    server.api.ask("POST", SOURCES, MYPACS)
    server.api.ask("DELETE", f"{SOURCES}/MYPACS", control=True)
    here, root = "127.0.0.1, without a token", f"control socket, uid {os.geteuid()}"
    expected = [("entry created", "MYPACS", here), ("entry deleted", "MYPACS", root)]

    def changes():
        return [
            (entry["event"], entry["name"], entry["by"]) for entry in server.log_entries() if "by" in entry
        ]

    server.wait_for(lambda: changes()[-2:] == expected)


def test_connections_that_only_sit_there_harm_nobody(server):
    with contextlib.ExitStack() as held:
        for _ in range(200):
            connection = socket.create_connection(("127.0.0.1", server.api.port), 5)
            held.enter_context(connection).sendall(b"GET /health/live HTTP/1.1\r\nhost: local")
        assert server.api.ask("GET", "/health/live") == (200, "Healthy")
        assert server.api.ask("POST", SOURCES, MYPACS, control=True)[0] == 201
        assert calls(server)
        assert server.api.ask("DELETE", f"{SOURCES}/MYPACS", control=True)[0] == 200


def test_it_is_unready_while_it_drains_and_answers_to_the_end(tmp_path):
    folder = tmp_path / "storage"
    with engine(folder, api={"port": (port := free_port())}) as server, Sender(server.port) as sender:
        api = Client(port, folder / FILE_NAME)
        assert api.ask("GET", "/health/ready") == (200, "Healthy")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for(lambda: api.ask("GET", "/health/ready") == (503, "Unhealthy"))
        status = api.ask("GET", "/health/status", control=True)[1]
        assert (status["services"]["dicomScp"], status["activeDimseConnections"]) == ("Draining", 1)
        assert sender.store("1.2.1", image("1.2.1", b"pixels")) == Status.SUCCESS
        sender.release()
        assert server.process.wait(10) == 0
        assert not (folder / FILE_NAME).exists()
        assert "Traceback" not in server.log.read_text()


def test_a_token_survives_a_restart(tmp_path):
    folder = tmp_path / "storage"
    with engine(folder, api={"port": (port := free_port())}) as server:
        made = Client(port, folder / FILE_NAME).ask("POST", "/api/tokens", {"name": "ops", "scope": "read"})[
            1
        ]
        assert server.terminate() == 0
    with engine(folder, api={"port": port}):
        api = Client(port, folder / FILE_NAME)
        assert api.ask("GET", SOURCES)[0] == 401
        assert api.ask("GET", SOURCES, Authorization=f"Bearer {made['secret']}")[0] == 200
        assert api.ask("POST", SOURCES, MYPACS, Authorization=f"Bearer {made['secret']}")[0] == 403


def test_a_start_that_would_be_open_to_everyone_is_refused(tmp_path):
    with (
        pytest.raises(AssertionError, match=r"neither token nor TLS.*port104 token create"),
        engine(tmp_path / "storage", api={"port": free_port(), "host": None}),
    ):
        pass
    assert "Traceback" not in (tmp_path / "storage.log").read_text()


def test_an_api_whose_port_is_taken_harms_no_association(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with engine(tmp_path / "storage", api={"port": port}) as server, Sender(server.port) as sender:
            assert sender.echo() == Status.SUCCESS
            (entry,) = [entry for entry in server.log_entries() if entry["level"] == "error"]
            assert "api.port" in entry["hint"]
