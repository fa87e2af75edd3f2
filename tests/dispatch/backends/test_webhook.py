"""Webhooks are told once for each attempt, signed, and nothing but their status is believed."""

import base64
import contextlib
import hashlib
import hmac
import json
import ssl

import pytest
import trio
import trustme

from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.webhook import WebhookBackend, secrets_in, signature
from port104.errors import ConfigurationError
from port104.registry.entries import Pipeline

NOW = 1_790_000_000.5
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
pytestmark = pytest.mark.usefixtures("run")


class Receiver:
    """A program that is told of runs, and answers what it is given."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.begun = trio.Event()

    async def __call__(self, stream):
        with contextlib.suppress(trio.BrokenResourceError):
            await self._take(stream)

    async def _take(self, stream):
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some()
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        while len(body) < int(headers["content-length"]):
            body += await stream.receive_some()
        self.requests.append((first, headers, body))
        self.begun.set()
        if self.answer is None:
            await trio.sleep_forever()
        await stream.send_all(self.answer)
        await stream.aclose()


def answer(status, *headers, body=b""):
    lines = [f"HTTP/1.1 {status} Some Words", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def receiving(answer, certificate=None):
    receiver = Receiver(answer)
    async with trio.open_nursery() as nursery:
        if certificate is None:
            serve = trio.serve_tcp
            arguments = (receiver, 0)
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            serve = trio.serve_ssl_over_tcp
            arguments = (receiver, 0, context)
        (listener, *_) = await nursery.start(lambda **task: serve(*arguments, host="127.0.0.1", **task))
        raw = listener if certificate is None else listener.transport_listener
        receiver.port = raw.socket.getsockname()[1]
        yield receiver
        nursery.cancel_scope.cancel()


def hook(url, **settings):
    return Pipeline(name="covid", id="p-1", webhook=url, **settings)


@pytest.fixture
def told(run, folder, cancel):
    async def tell(url, **settings):
        with trio.fail_after(20):
            return await WebhookBackend(lambda: NOW).run(run, hook(url, **settings), folder, cancel)

    return tell


async def test_it_is_told_all_that_there_is(told, folder):
    async with receiving(answer(202)) as receiver:
        assert await told(f"http://127.0.0.1:{receiver.port}/runs?from=port104") == Ending("succeeded")
    ((first, headers, body),) = receiver.requests
    assert first == "POST /runs?from=port104 HTTP/1.1"
    assert headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-length": str(len(body)),
        "content-type": "application/json",
        "user-agent": "port104",
        "webhook-id": "00000000000000a1",
        "webhook-timestamp": "1790000000",
    }
    assert json.loads(body) == {
        "type": "port104.run",
        "timestamp": "2026-09-21T14:13:20Z",
        "data": {
            "folder": str(folder),
            "input": f"{folder}/dcm",
            "output": f"{folder}/output",
            "manifest": json.loads((folder / "manifest.json").read_text()),
        },
    }


async def test_it_is_signed_with_every_secret(told, tmp_path):
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\nanother secret of 24 bytes or more\n".replace(" ", "-"))
    async with receiving(answer(200)) as receiver:
        await told(f"http://127.0.0.1:{receiver.port}/", webhook_secret_file=str(file))
    ((_, headers, body),) = receiver.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    keys = [b"0123456789abcdef0123456789abcdef", b"another-secret-of-24-bytes-or-more"]
    expected = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    assert headers["webhook-signature"].split() == [f"v1,{each}" for each in expected]


def test_a_signature_is_that_of_standard_webhooks():
    """The example of its reference libraries' tests."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    message_id, timestamp, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    assert signature(secret, message_id, timestamp, body) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "at least 24 bytes"),
        (b"short", "at least 24 bytes"),
        (b"whsec_!!!!", "holds no secret"),
        ("geheim, aber nicht in ASCII: \xe4\xe4\xe4\xe4".encode(), "holds no secret"),
    ],
)
async def test_a_secret_that_cannot_be_used_says_why(told, tmp_path, content, why):
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=why):
        secrets_in(str(file))
    found = await told("http://127.0.0.1:1/", webhook_secret_file=str(file))
    assert found.outcome == "failed"
    assert str(file) in found.why


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (301, "sends elsewhere, which is not followed"),
        (400, "refuses it: check the URL"),
        (401, "refuses it: check the URL"),
        (429, "cannot take it now"),
        (503, "cannot take it now"),
    ],
)
async def test_what_is_not_taken_is_a_failure_in_words(told, status, why):
    elsewhere = answer(status, "Location: http://127.0.0.1:1/", body=b"DOE^JOHN")
    async with receiving(elsewhere) as receiver:
        found = await told(f"http://127.0.0.1:{receiver.port}/hidden")
    assert found.outcome == "failed"
    assert found.why.startswith(f"127.0.0.1:{receiver.port} answered {status}, so it {why}")
    assert "DOE" not in found.why
    assert "hidden" not in found.why
    assert len(receiver.requests) == 1


async def test_an_endless_answer_is_not_read(told):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    async with receiving(head + b"x" * 100_000) as receiver:
        assert await told(f"http://127.0.0.1:{receiver.port}/") == Ending("succeeded")


@pytest.mark.parametrize(
    "garbage", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000]
)
async def test_what_is_not_http_is_a_failure(told, garbage):
    async with receiving(garbage) as receiver:
        found = await told(f"http://127.0.0.1:{receiver.port}/")
    assert found.outcome == "failed"
    assert "cannot be told: " in found.why


async def test_nobody_there(told):
    with trio.socket.socket() as taken:  # bound, and not listening
        await taken.bind(("127.0.0.1", 0))
        found = await told(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert found.outcome == "failed"
    assert found.why.endswith("cannot be told: Connection refused")


async def test_nobody_answers(told):
    async with receiving(None) as receiver:
        found = await told(f"http://127.0.0.1:{receiver.port}/", time_limit=0.05)
    assert found.outcome == "failed"
    assert "did not answer within 0.05 s" in found.why


async def test_cancelling_gives_it_up(told, cancel):
    async with receiving(None) as receiver, trio.open_nursery() as nursery:
        nursery.start_soon(_set_after, receiver.begun, cancel)
        assert await told(f"http://127.0.0.1:{receiver.port}/") == Ending("cancelled", "was cancelled")


async def _set_after(event, cancel):
    await event.wait()
    cancel.set()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/",
        "https:///path",
        "http://user:secret@host/",
        "http://host/a b",
        "http://host/ä",
        "http://h/\n",
    ],
)
async def test_what_is_no_url_is_a_failure(told, url):
    found = await told(url)
    assert found.outcome == "failed"
    assert "no URL that can be used" in found.why
    assert "secret" not in found.why


async def test_a_certificate_is_checked_against_the_machines_store(told, tmp_path, monkeypatch):
    authority = trustme.CA()
    async with receiving(answer(200), authority.issue_cert("127.0.0.1")) as receiver:
        found = await told(f"https://127.0.0.1:{receiver.port}/")
        assert found.outcome == "failed"
        assert "its certificate is not good" in found.why
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert await told(f"https://127.0.0.1:{receiver.port}/") == Ending("succeeded")
    assert len(receiver.requests) == 1


async def test_a_certificate_for_another_is_refused(told, tmp_path, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with receiving(answer(200), authority.issue_cert("elsewhere.example")) as receiver:
        found = await told(f"https://127.0.0.1:{receiver.port}/")
    assert "its certificate is not good" in found.why
    assert receiver.requests == []


async def test_a_manifest_that_is_gone_is_a_failure(told, folder):
    (folder / "manifest.json").unlink()
    assert "its manifest cannot be read" in (await told("http://127.0.0.1:1/")).why
