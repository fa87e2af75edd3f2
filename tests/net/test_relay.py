"""Connections behind a load balancer, over real sockets: whose address counts, and who must send a header."""

import pytest
import structlog
import trio
import trio.testing

from acceptor_service import serving, until
from port104.net.contracts import Admitted
from port104.wire.command import Status
from port104.wire.negotiation import NegotiationPolicy
from port104.wire.pdu import Abort, AssociateAC
from raw_peer import RawPeer, association_request

HEADER = b"PROXY TCP4 127.0.0.77 127.0.0.1 40000 104\r\n"


@pytest.fixture
def logged():
    with structlog.testing.capture_logs() as entries:
        yield entries


def from_everywhere(address):
    return True


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
async def test_who_is_no_proxy_must_not_send_a_header(tmp_path, header):
    admitted = Admitted(policy=NegotiationPolicy())
    async with serving(tmp_path, verdict=admitted, is_proxy=lambda address: False) as service:
        peer = await RawPeer.connect(service.port)
        await peer.send(header + association_request().encode())
        assert isinstance(await peer.receive(), Abort)
        await peer.close()


async def test_who_is_about_to_say_for_whom_does_not_hold_up_the_end(tmp_path):
    async with serving(tmp_path, is_proxy=from_everywhere) as service:
        peer = await RawPeer.connect(service.port)
        await peer.send(HEADER[:5])
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(2):
            await service.acceptor.drain()
        assert await peer.receive() is None
        await peer.close()
