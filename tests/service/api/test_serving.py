"""The API over real sockets: its port, TLS, the control socket, its limits, and what it refuses to be."""

import contextlib
import http.client
import os
import socket
import stat
from functools import partial

import pytest
import structlog
import trio

from api_client import serving_api
from engine_process import free_port
from port104.errors import ConfigurationError
from port104.service.api import server as servers
from port104.service.api import serving
from port104.service.api.control import bind_control_socket
from port104.service.api.serving import API
from port104.service.control_socket import FILE_NAME, short_path
from port104.service.secure import HangUp
from port104.service.settings.api import ApiSettings, ApiTlsSettings
from tls_peers import Site


@pytest.fixture
def port():
    return free_port()


@contextlib.asynccontextmanager
async def running(folder, hang_up=None, **settings):
    """An API that serves; its control socket is in `folder`."""
    folder.mkdir(exist_ok=True)
    async with serving_api(folder) as parts, trio.open_nursery() as nursery:
        api = API(ApiSettings(**settings), parts.behind)
        await nursery.start(api.serve, folder, hang_up or HangUp())
        yield parts
        nursery.cancel_scope.cancel()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, file):
        super().__init__("localhost", timeout=5)
        self.file = file

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        with short_path(self.file) as path:
            self.sock.connect(path)


def get(connection, path="/health/live"):
    """Ask in this thread; returns the status."""
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


async def asked(make, path="/health/live"):
    return await trio.to_thread.run_sync(lambda: get(make(), path))


async def test_the_port(tmp_path, port):
    async with running(tmp_path, port=port):
        assert await asked(partial(http.client.HTTPConnection, "127.0.0.1", port), "/health/status") == 200


async def test_the_control_socket(tmp_path):
    file = tmp_path / FILE_NAME
    async with running(tmp_path, port=None) as parts:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        await parts.registrar.create_token("ops", "read")
        assert await asked(partial(UnixConnection, file), "/api/tokens") == 200
    assert not file.exists()


async def test_a_control_socket_with_a_long_path(tmp_path):
    folder = tmp_path / ("x" * 120)
    async with running(folder, port=None):
        assert await asked(partial(UnixConnection, folder / FILE_NAME)) == 200
    assert not (folder / FILE_NAME).exists()


async def test_a_socket_that_a_crash_left_behind(tmp_path):
    bind_control_socket(tmp_path).close()
    async with running(tmp_path, port=None):
        assert await asked(partial(UnixConnection, tmp_path / FILE_NAME)) == 200


async def test_where_no_control_socket_can_be_the_rest_goes_on(tmp_path, port):
    (tmp_path / FILE_NAME).write_text("somebody's")
    with structlog.testing.capture_logs() as entries:
        async with running(tmp_path, port=port):
            assert await asked(partial(http.client.HTTPConnection, "127.0.0.1", port)) == 200
    assert (tmp_path / FILE_NAME).read_text() == "somebody's"
    (entry,) = [entry for entry in entries if "control socket" in entry["event"]]
    assert "--url" in entry["event"]


async def test_other_users_control_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "may_control", lambda user: user != os.geteuid())
    with structlog.testing.capture_logs() as entries:
        async with running(tmp_path, port=None):
            with pytest.raises(ConnectionError):
                await asked(partial(UnixConnection, tmp_path / FILE_NAME))
    assert any("refused to another user" in entry["event"] for entry in entries)


async def test_a_port_that_another_program_has_is_tried_again(tmp_path, port, monkeypatch):
    monkeypatch.setattr(serving, "_RETRY_SECONDS", 0.01)
    with structlog.testing.capture_logs() as entries:
        with socket.create_server(("127.0.0.1", port)) as other:
            async with running(tmp_path, port=port):
                assert [entry["event"] for entry in entries if entry["log_level"] == "error"] == [
                    "the API cannot listen; DICOM goes on, and it is tried again"
                ]
                other.close()
                with trio.fail_after(5):
                    while not any(entry["event"] == "API listening" for entry in entries):
                        await trio.sleep(0.01)
                assert await asked(partial(http.client.HTTPConnection, "127.0.0.1", port)) == 200


async def test_the_oldest_connection_gives_way(tmp_path, port):
    async with running(tmp_path, port=port):
        held = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(servers.MOST_CONNECTIONS)]
        await held[-1].send_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert await held[-1].receive_some(1)  # so that all have arrived
        assert await asked(partial(http.client.HTTPConnection, "127.0.0.1", port)) == 200
        with trio.fail_after(5):
            assert await held[0].receive_some(1) == b""
        for stream in held:
            await stream.aclose()


# ---- TLS, and what it refuses to be ----


async def test_https(tmp_path, port):
    site = Site(tmp_path)
    tls = ApiTlsSettings(certificate=str(site.certificate), key=str(site.key))
    hang_up = HangUp()
    async with running(tmp_path / "storage", hang_up, host="127.0.0.1", port=port, tls=tls) as parts:
        connect = partial(http.client.HTTPSConnection, "127.0.0.1", port, context=site.client())
        assert await asked(connect, "/health/status") == 200
        certificate, key = site.issue("renewed")
        site.certificate.write_bytes(certificate.read_bytes())
        site.key.write_bytes(key.read_bytes())
        with structlog.testing.capture_logs() as entries:
            hang_up.ring()
            with trio.fail_after(5):
                while not any(entry["event"] == "TLS files read again" for entry in entries):
                    await trio.sleep(0.01)
        assert "renewed" in repr(await trio.to_thread.run_sync(_certificate_of, connect()))
        assert parts.registrar.tokens() == ()


def _certificate_of(connection):
    with contextlib.closing(connection):
        connection.connect()
        return connection.sock.getpeercert()


async def test_a_peer_that_speaks_no_tls_harms_nobody(tmp_path, port):
    site = Site(tmp_path)
    tls = ApiTlsSettings(certificate=str(site.certificate), key=str(site.key))
    async with running(tmp_path / "storage", port=port, tls=tls):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"GET /health/live HTTP/1.1\r\n\r\n")
            with contextlib.suppress(trio.BrokenResourceError):
                while await stream.receive_some(100):
                    pass
        connect = partial(http.client.HTTPSConnection, "127.0.0.1", port, context=site.client())
        assert await asked(connect) == 200


async def refusal(folder, *, token=False, **settings):
    """Why it does not start; None: it would."""
    async with serving_api(folder) as parts:
        if token:
            await parts.registrar.create_token("ops", "admin")
        try:
            API(ApiSettings(**settings), parts.behind)
        except ConfigurationError as fault:
            return str(fault)


@pytest.mark.parametrize("host", [None, "0.0.0.0", "::", "10.0.0.5", "gateway.hospital.example"])
async def test_it_is_not_open_to_everyone_by_mistake(tmp_path, host):
    why = await refusal(tmp_path, host=host)
    for hint in (
        "port104 token create",
        "api.tls.certificate",
        "api.host 127.0.0.1",
        "api.allowWithoutToken",
    ):
        assert hint in why


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
async def test_on_this_machine_it_may_be(tmp_path, host):
    assert await refusal(tmp_path, host=host) is None


async def test_it_may_listen_everywhere_with_a_token_or_tls_or_when_it_is_off(tmp_path):
    site = Site(tmp_path)
    tls = ApiTlsSettings(certificate=str(site.certificate), key=str(site.key))
    assert await refusal(tmp_path, host=None, port=None) is None
    assert await refusal(tmp_path, host=None, tls=tls) is None
    assert await refusal(tmp_path, host=None, token=True) is None


async def test_it_may_be_open_where_a_setting_says_so_and_says_so(tmp_path):
    with structlog.testing.capture_logs() as entries:
        assert await refusal(tmp_path, host=None, allow_without_token=True) is None
    assert any("everyone who reaches the API" in entry["event"] for entry in entries)


async def test_a_certificate_that_cannot_be_used(tmp_path):
    why = await refusal(tmp_path, tls=ApiTlsSettings(certificate=str(tmp_path / "none.pem")))
    assert why == f"api.tls: {tmp_path}/none.pem cannot be read: No such file or directory"
