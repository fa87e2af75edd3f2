"""Command lines in this process, and an API that answers as it is told."""

import json
import os
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from port104.service import cli


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    """No variable of whoever runs the tests, and the umask again that a command changes."""
    for name in [name for name in os.environ if name.startswith("PORT104_")]:
        monkeypatch.delenv(name)
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command line: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["port104", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        code = left.value.code
        return (0 if code is None else code), *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The storage folder that commands work with, which is not there yet."""
    monkeypatch.setenv("PORT104_STORAGE__TEMPORARY", str(tmp_path / "payloads"))
    return tmp_path / "payloads"


class Api:
    """Answers requests in order, and keeps them: (method, path, headers, body)."""

    def __init__(self):
        self.answers = []
        self.requests = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = False  # a socket of the file system has none

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                api.requests.append((self.command, self.path, self.headers, body and json.loads(body)))
                status, document, headers = api.answers.pop(0)
                content = b"" if document is None else json.dumps(document).encode()
                kind = "application/json" if status < 400 else "application/problem+json"
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": len(content), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        self.handler = Handler

    def will_answer(self, status, document=None, **headers):
        self.answers.append((status, document, headers))


def served(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    return thread


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def url(api):
    """The API over TCP; its URL."""
    with socketserver.TCPServer(("127.0.0.1", 0), api.handler) as server:
        thread = served(server)
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def control(api, folder):
    """The API on the control socket of the storage folder."""
    folder.mkdir()
    with socketserver.UnixStreamServer(str(folder / "control.sock"), api.handler) as server:
        thread = served(server)
        yield api
        server.shutdown()
        thread.join()
