"""HTTP/1.1 over a connection: what is answered, and how long a peer may take, by a clock of ours."""

import contextlib
import json
import socket

import pytest
import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st

from port104.service.api import connection as connections
from port104.service.api.connection import HTTPConnection

GET = b"GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def read_body(receive):
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if not message.get("more_body"):
            return body


class Application:
    """Answers with what it was asked; at /slow never, at /unread without reading the body."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        if scope["path"] == "/slow":
            await trio.sleep_forever()
        body = b"" if scope["path"] == "/unread" else await read_body(receive)
        told = json.dumps([scope["method"], scope["path"], len(body or b"")]).encode()
        headers = [(b"content-length", str(len(told)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told, "more_body": False})


class Client:
    """The other end of a connection that is served."""

    def __init__(self, stream, application, connection):
        self.stream = stream
        self.application = application
        self.connection = connection
        self.ended = trio.Event()

    async def serve(self):
        await self.connection.run()
        self.ended.set()

    async def ask(self, data):
        """Send, and return the next answer: its first line and its document."""
        await self.stream.send_all(data)
        return await self.answer()

    async def answer(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = await self.stream.receive_some(1)
            assert byte, head
            head += byte
        first, *lines = head.decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        body = b""
        while len(body) < int(headers["content-length"]):
            body += await self.stream.receive_some(int(headers["content-length"]) - len(body))
        return int(first.split()[1]), json.loads(body) if body else None

    async def closed(self):
        """Whether nothing more comes."""
        with trio.fail_after(3):
            try:
                return await self.stream.receive_some(1) == b""
            except trio.BrokenResourceError:
                return True


@pytest.fixture
async def client(nursery):
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(each)) for each in socket.socketpair())
    application = Application()
    made = Client(theirs, application, HTTPConnection(ours, application))
    nursery.start_soon(made.serve)
    async with theirs:
        yield made
        made.connection.cancel()


async def test_several_requests(client):
    assert await client.ask(GET) == (200, ["GET", "/a", 0])
    post = b"POST /b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc"
    assert await client.ask(post) == (200, ["POST", "/b", 3])
    chunked = b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    assert await client.ask(chunked) == (200, ["POST", "/c", 2])


async def test_requests_that_come_together_are_answered_in_order(client):
    assert await client.ask(GET + GET.replace(b"/a", b"/b")) == (200, ["GET", "/a", 0])
    assert await client.answer() == (200, ["GET", "/b", 0])


async def test_a_peer_that_has_said_all_is_answered(client):
    await client.stream.send_all(GET)
    await client.stream.send_eof()
    assert await client.answer() == (200, ["GET", "/a", 0])
    assert await client.closed()


async def test_http_2_and_websockets_are_passed_over(client):
    upgrade = b"connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n"
    assert await client.ask(GET[:-2] + upgrade) == (200, ["GET", "/a", 0])
    websocket = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    key = b"sec-websocket-key: dGhlIHNhbXBsZQ==\r\n"
    assert await client.ask(GET[:-2] + websocket + key + b"\r\n") == (200, ["GET", "/a", 0])
    assert {scope["type"] for scope in client.application.scopes} == {"http"}


async def test_http_2_with_prior_knowledge_is_no_request_of_ours(client):
    await client.stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    await client.closed()
    assert all(scope["http_version"] != "2" for scope in client.application.scopes)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x01\x00\x00\x00\x00\xce\x00\x01",
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"GET /" + b"a" * 40_000,
    ],
)
async def test_what_is_no_request(client, data):
    await client.stream.send_all(data)
    while await client.stream.receive_some(1000):
        pass
    assert client.application.scopes == []


async def test_an_answer_is_read_though_the_request_was_not(client):
    head = b"POST /unread HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n"
    assert await client.ask(head + bytes(100_000)) == (200, ["POST", "/unread", 0])
    assert await client.closed()


LINES = [
    b"GET /a HTTP/1.1\r\n",
    b"POST /unread HTTP/1.1\r\n",
    b"CONNECT /a HTTP/1.0\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"host: localhost\r\n",
    b"content-length: 3\r\n",
    b"transfer-encoding: chunked\r\n",
    b"expect: 100-continue\r\n",
    b"connection: close\r\n",
    b"connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AA==\r\n",
    b"\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"abc",
]


@given(st.lists(st.sampled_from(LINES) | st.binary(max_size=6), max_size=12))
@example([LINES[0], LINES[4], LINES[10], b"\r\n", b"\x81\x85abcd"])
async def test_whatever_comes_is_answered_or_ends_and_is_no_fault_of_ours(pieces):
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(each)) for each in socket.socketpair())
    with trio.fail_after(5):
        async with theirs, trio.open_nursery() as nursery:
            nursery.start_soon(HTTPConnection(ours, Application()).run)
            with contextlib.suppress(trio.BrokenResourceError):
                for piece in pieces:
                    await theirs.send_all(piece)
                await theirs.send_eof()
                while await theirs.receive_some(1000):
                    pass


# ---- how long a peer may take ----


async def test_a_head_that_does_not_come(client, autojump_clock):
    await client.stream.send_all(GET[:-2])
    since = trio.current_time()
    await client.ended.wait()
    assert trio.current_time() - since == pytest.approx(connections.HEAD_SECONDS)


async def test_a_peer_with_nothing_more_to_ask(client, autojump_clock):
    await client.ask(GET)
    since = trio.current_time()
    await client.ended.wait()
    assert trio.current_time() - since == pytest.approx(connections.HEAD_SECONDS)


async def test_a_body_that_does_not_come(client, autojump_clock):
    await client.stream.send_all(b"POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\na")
    since = trio.current_time()
    await client.ended.wait()
    assert trio.current_time() - since == pytest.approx(connections.REQUEST_SECONDS)


async def test_an_answer_that_does_not_come(client, autojump_clock):
    await client.stream.send_all(GET.replace(b"/a", b"/slow"))
    since = trio.current_time()
    await client.ended.wait()
    assert trio.current_time() - since == pytest.approx(connections.REQUEST_SECONDS)


async def test_a_connection_that_is_always_in_use(client, autojump_clock):
    since = trio.current_time()
    while not client.ended.is_set() and trio.current_time() - since < connections.CONNECTION_SECONDS:
        assert await client.ask(GET) == (200, ["GET", "/a", 0])
        with trio.move_on_after(10):
            await client.ended.wait()
    with trio.move_on_after(10):
        await client.ended.wait()
    assert client.ended.is_set()
    assert trio.current_time() - since <= connections.CONNECTION_SECONDS + 1
