"""What command lines find: their environment, a storage folder, and an API for them to ask."""

import os
import socketserver

import pytest

from scripted_api import Api, served


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    """No variable of whoever runs the tests, and the umask again that a command changes."""
    for name in [name for name in os.environ if name.startswith("PORT104_")]:
        monkeypatch.delenv(name)
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The storage folder that commands work with, which is not there yet."""
    monkeypatch.setenv("PORT104_STORAGE__TEMPORARY", str(tmp_path / "payloads"))
    return tmp_path / "payloads"


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
