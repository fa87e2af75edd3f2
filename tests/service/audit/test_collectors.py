"""Syslog collectors over real sockets: UDP datagrams, and frames over TLS."""

import contextlib
import ssl

import pytest
import trio
import trustme

from port104.service.audit.collectors import TLSCollector, UDPCollector

LINES = [b"<85>1 one", "<85>1 zwöi".encode()]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


class Collector:
    """A TLS server that keeps what comes, connection by connection."""

    def __init__(self, authority, **issue):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        self.received = []
        self.news = trio.Event()
        self.stream = None

    async def serve(self, task_status=trio.TASK_STATUS_IGNORED):
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._handle, listeners)

    async def _handle(self, transport):
        self.stream = trio.SSLStream(transport, self.context, server_side=True)
        mine = bytearray()
        self.received.append(mine)
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in self.stream:
                mine += data
                self.news.set()
                self.news = trio.Event()

    async def wait_for(self, connection, data):
        with trio.fail_after(10):
            while len(self.received) <= connection or self.received[connection] != data:
                await self.news.wait()


def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def collector(authority, nursery):
    started = Collector(authority)
    started.port = await nursery.start(started.serve)
    return started


async def test_frames_over_tls(authority, collector):
    sink = TLSCollector("127.0.0.1", collector.port, trusting(authority))
    await sink.send(LINES)
    await sink.send([b"x"])
    await collector.wait_for(0, b"9 <85>1 one" + "11 <85>1 zwöi".encode() + b"1 x")
    assert len(collector.received) == 1
    await sink.close()


async def test_a_collector_that_closed_is_connected_to_again(authority, collector):
    sink = TLSCollector("127.0.0.1", collector.port, trusting(authority))
    await sink.send([b"x"])
    await collector.wait_for(0, b"1 x")
    await collector.stream.aclose()
    await sink.send([b"y"])
    await collector.wait_for(1, b"1 y")
    await sink.close()


async def test_a_certificate_of_another_authority_is_refused(collector):
    sink = TLSCollector("127.0.0.1", collector.port, trusting(trustme.CA()))
    with pytest.raises(OSError, match="certificate verify failed"):
        await sink.send(LINES)
    assert not any(collector.received)


async def test_nobody_listens(authority):
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(OSError, match=r"refused|connect"):
        await TLSCollector("127.0.0.1", port, trusting(authority)).send(LINES)


async def test_a_collector_that_takes_nothing_is_given_up(authority, autojump_clock):
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]  # accepts, and never shakes hands
    sink = TLSCollector("127.0.0.1", listener.socket.getsockname()[1], trusting(authority))
    with pytest.raises(OSError, match="nothing was taken for 30 seconds"):
        await sink.send(LINES)
    await listener.aclose()


async def test_datagrams():
    server = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await server.bind(("127.0.0.1", 0))
    sink = UDPCollector("127.0.0.1", server.getsockname()[1])
    for line in LINES:
        await sink.send([line])
    with trio.fail_after(5):
        assert [await server.recv(100) for _ in LINES] == LINES
    server.close()
    with pytest.raises(ConnectionRefusedError):  # noqa: PT012 - the first is answered after it was sent
        await sink.send([b"x"])
        await sink.send([b"x"])
    await sink.close()
