"""Connections behind a load balancer, over real sockets: whose address counts, and who must send a header."""

import time

import pytest
import trio
import trio.testing

from acceptor_service import serving, until
from port104.net.contracts import Admitted
from port104.net.credentials import Credentials
from port104.wire.command import Status
from port104.wire.negotiation import NegotiationPolicy
from port104.wire.pdu import Abort, AssociateAC
from raw_peer import RawPeer, association_request
from tls_peers import HOST, Site

HEADER = b"PROXY TCP4 127.0.0.77 127.0.0.1 40000 104\r\n"


def from_everywhere(address):
    return True


def from_nowhere(address):
    return False


@pytest.mark.parametrize("cut", [None, 1, 7])
async def test_the_address_behind_the_proxy_counts(tmp_path, logged, cut):
    async with serving(tmp_path, is_proxy=from_everywhere) as service:
        peer = await RawPeer.connect(service.port)
        sent = HEADER + association_request().encode()
        for at in range(0, len(sent), cut or len(sent)):
            await peer.send(sent[at : at + (cut or len(sent))])
            await trio.testing.wait_all_tasks_blocked()
        assert isinstance(await peer.receive(), AssociateAC)
        assert await peer.echo() == Status.SUCCESS
        await peer.release()
        await until(lambda: any(entry["event"] == "association released" for entry in logged))
    (entry,) = [entry for entry in logged if entry["event"] == "association released"]
    assert entry["address"] == "127.0.0.77"


async def test_a_proxy_that_speaks_for_itself_has_its_own_address(tmp_path, logged):
    async with serving(tmp_path, is_proxy=from_everywhere) as service:
        peer = await RawPeer.connect(service.port)
        await peer.send(b"PROXY UNKNOWN\r\n" + association_request().encode())
        assert isinstance(await peer.receive(), AssociateAC)
        await peer.release()
        await until(lambda: any(entry["event"] == "association released" for entry in logged))
    assert logged[-1]["address"] == "127.0.0.1"


async def test_a_proxy_must_send_a_header(tmp_path, logged):
    async with serving(tmp_path, is_proxy=from_everywhere) as service:
        peer = await RawPeer.connect(service.port)
        await peer.send(association_request().encode())
        with pytest.raises(trio.BrokenResourceError):  # closed with bytes unread
            await peer.receive()
        await peer.close()
        await until(lambda: any(entry["event"] == "PROXY header refused" for entry in logged))
    assert logged[-1]["hint"]


async def test_a_proxy_that_says_nothing_is_closed_in_time(tmp_path, logged):
    async with serving(tmp_path, is_proxy=from_everywhere, waits={"artim": 0.05}) as service:
        for sent in (b"", HEADER[:-1]):
            peer = await RawPeer.connect(service.port)
            await peer.send(sent)
            assert await peer.receive() is None
            await peer.close()
        await until(lambda: any(entry["event"] == "PROXY header refused" for entry in logged))
    assert [entry["event"] for entry in logged][:2] == ["no PROXY header", "PROXY header refused"]


async def test_a_health_check_is_no_news(tmp_path, logged):
    async with serving(tmp_path, is_proxy=from_everywhere) as service:
        await (await RawPeer.connect(service.port)).close()
        await until(lambda: logged)
    assert [entry["log_level"] for entry in logged] == ["debug"]


@pytest.mark.parametrize("header", [HEADER, b"\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x00"])
async def test_who_is_no_proxy_must_not_send_a_header(tmp_path, logged, header):
    admitted = Admitted(policy=NegotiationPolicy())
    async with serving(tmp_path, verdict=admitted, is_proxy=from_nowhere) as service:
        peer = await RawPeer.connect(service.port)
        await peer.send(header + association_request().encode())
        assert isinstance(await peer.receive(), Abort)
        await peer.close()
        await until(lambda: [entry for entry in logged if entry["log_level"] == "warning"])
    [told] = [entry for entry in logged if entry["log_level"] == "warning"]
    assert (told["event"], told["address"]) == ("PROXY header refused", "127.0.0.1")
    assert "dicom.scp.proxyProtocol.from" in told["hint"]


async def test_who_is_about_to_say_for_whom_does_not_hold_up_the_end(tmp_path):
    async with serving(tmp_path, is_proxy=from_everywhere) as service:
        peer = await RawPeer.connect(service.port)
        await peer.send(HEADER[:5])
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(2):
            await service.acceptor.drain()
        assert await peer.receive() is None
        await peer.close()


# ---- over TLS: the header is the proxy's, and comes before the handshake that is its client's ----


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


def secured(folder, site, is_proxy):
    credentials = Credentials(site.files(), time.time())
    return serving(folder / "storage", credentials=credentials, is_proxy=is_proxy)


class SayingFirst(trio.abc.Stream):
    """Sends `first` before all else: in one piece with what comes next, or in pieces of `cut` bytes."""

    def __init__(self, tcp, first, cut):
        self._tcp = tcp
        self._first = first
        self._cut = cut

    async def send_all(self, data):
        pending, self._first = self._first + bytes(data), b""
        cut = self._cut or len(pending)
        for at in range(0, len(pending), cut):
            await self._tcp.send_all(pending[at : at + cut])

    async def wait_send_all_might_not_block(self):
        await self._tcp.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes=None):
        return await self._tcp.receive_some(max_bytes)

    async def aclose(self):
        await self._tcp.aclose()


async def secure_relay(port, site, first, cut=None):
    tcp = await trio.open_tcp_stream(HOST, port)
    stream = SayingFirst(tcp, first, cut)
    return RawPeer(trio.SSLStream(stream, site.client("ct1"), server_hostname=HOST, https_compatible=True))


@pytest.mark.parametrize("cut", [None, 1, len(HEADER) - 1, len(HEADER), len(HEADER) + 1])
async def test_the_header_comes_before_tls(tmp_path, site, logged, cut):
    async with secured(tmp_path, site, from_everywhere) as service:
        peer = await secure_relay(service.port, site, HEADER, cut)
        await peer.associate()
        assert await peer.echo() == Status.SUCCESS
        await peer.release()
        await until(lambda: any(entry["event"] == "association released" for entry in logged))
    (entry,) = [entry for entry in logged if entry["event"] == "association released"]
    assert entry["address"] == "127.0.0.77"


async def answer_of(peer, sent):
    """What is answered, None where the connection ends, in order or not."""
    try:
        await peer.send(sent)
        return await peer.receive()
    except trio.BrokenResourceError:
        return None


@pytest.mark.parametrize(
    ("is_proxy", "first", "inside", "told"),
    [
        (from_everywhere, b"", HEADER, "PROXY header refused"),
        (from_nowhere, HEADER, b"", "TLS handshake failed"),
        (from_nowhere, b"", HEADER, "no association"),
    ],
    ids=["within TLS only", "from who is no proxy", "within TLS from who is no proxy"],
)
async def test_a_header_anywhere_else_is_refused(tmp_path, site, logged, is_proxy, first, inside, told):
    async with secured(tmp_path, site, is_proxy) as service:
        peer = await secure_relay(service.port, site, first)
        assert not isinstance(await answer_of(peer, inside + association_request().encode()), AssociateAC)
        await trio.aclose_forcefully(peer.stream)
        await until(lambda: any(entry["event"] == told for entry in logged))
