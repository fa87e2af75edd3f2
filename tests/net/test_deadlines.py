"""Peers that are silent or slow, over real sockets. Time stands still but where a test lets it pass."""

import socket
import struct
import time

import pytest
import trio

from acceptor_service import serving
from port104.wire.command import Status
from port104.wire.pdu import Abort, ReleaseRP, ReleaseRQ
from raw_peer import RawPeer, association_request, echo_request, message, store_request

WAITS = {
    "artim": 30.0,
    "request": 10.0,
    "idle": 300.0,
    "message": 1000.0,
    "minimum_rate": 100.0,
    "rate_grace": 40.0,
}
DATA_SET = struct.pack("<HH2sH", 0x0008, 0x0060, b"CS", 2) + b"OT" + bytes(100_000)
REQUEST = association_request().encode()


@pytest.fixture(params=[False, True], ids=["native", "fed"])
async def service(tmp_path, mock_clock, request):
    """The link receives by itself, or (as with TLS and tracing) is fed."""
    async with serving(tmp_path, waits=WAITS, trace=request.param) as made:
        yield made


async def until(condition):
    """As acceptor_service.until, where the clock stands still. Only what never comes takes so long."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await trio.lowlevel.checkpoint()


async def let_pass(clock, seconds, step=5.0):
    """Let time pass as it does: who is due on the way is heard."""
    for _ in range(round(seconds / step)):
        await trio.testing.wait_all_tasks_blocked()
        clock.jump(step)
    await trio.testing.wait_all_tasks_blocked()


async def say(service, peer, data, unless=lambda: False):
    """Send `data` to the only session, and wait until it has been read to its end inside a message."""
    (session,) = service.acceptor._sessions
    before = session._link.received
    await peer.send(data)
    read = before + len(data)
    await until(lambda: (session._link.received == read and session._link.owed) or unless())


def sessions(service):
    return len(service.acceptor._sessions)


def reasons(logged):
    return [entry["reason"] for entry in logged if entry["event"] == "association aborted by us"]


# ---- before an association ----


@pytest.mark.parametrize("said", [b"", b"\1\0\0", b"\1\0\0\0\0\xff"[:5]], ids=["nothing", "three", "five"])
async def test_connection_that_falls_silent_is_closed_by_artim(service, mock_clock, said):
    peer = await RawPeer.connect(service.port)
    await peer.send(said)
    await let_pass(mock_clock, 29, 1)
    assert sessions(service) == 1
    await let_pass(mock_clock, 1, 1)
    assert await peer.receive() is None
    await until(lambda: not sessions(service))
    await peer.close()


async def test_request_at_a_byte_a_second_is_ended_by_the_total_deadline(service, mock_clock):
    peer = await RawPeer.connect(service.port)
    sent = 0
    while sessions(service) or sent == 0:
        await peer.send(REQUEST[sent : sent + 1])
        sent += 1
        await let_pass(mock_clock, 1, 1)
    assert sent == 15  # its header is whole after five seconds
    await peer.close()


async def test_request_whose_header_comes_late_has_no_time_beyond_artim(service, mock_clock):
    peer = await RawPeer.connect(service.port)
    await let_pass(mock_clock, 25)
    await peer.send(REQUEST[:20])
    await let_pass(mock_clock, 5)
    assert await peer.receive() is None
    await peer.close()


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("length", [0, 3, 20])
async def test_connection_that_ends_in_mid_request(service, how, length):
    peer = await RawPeer.connect(service.port)
    await peer.send(REQUEST[:length])
    await until(lambda: sessions(service))
    if how == "reset":
        peer.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await peer.close()
    await until(lambda: not sessions(service))
    async with service.peer() as other:
        assert await other.echo() == Status.SUCCESS


# ---- in an association ----


async def test_idle_association_is_aborted(service, mock_clock, logged):
    async with service.peer() as peer:
        await let_pass(mock_clock, 290, 10)
        assert await peer.echo() == Status.SUCCESS
        await let_pass(mock_clock, 290, 10)
        assert sessions(service) == 1
        await let_pass(mock_clock, 40, 10)
        assert await peer.receive() == Abort(0, 0)
    await until(lambda: reasons(logged))
    assert reasons(logged) == ["the peer was silent for too long"]


@pytest.mark.parametrize("begun", [3, 100, 2000], ids=["header", "command", "data set"])
async def test_message_that_comes_too_slowly_is_aborted(service, mock_clock, logged, begun):
    stream = message(3, store_request(), DATA_SET)
    async with service.peer() as peer:
        await say(service, peer, stream[:begun])
        for at in range(begun, begun + 6):
            await let_pass(mock_clock, 10)
            if not reasons(logged):
                # What comes once it is given up is not heard.
                await say(service, peer, stream[at : at + 1], unless=lambda: reasons(logged))
        assert await peer.receive() == Abort(0, 0)
    await until(lambda: reasons(logged))
    (reason,) = reasons(logged)
    assert reason.startswith("the peer sent ")
    assert reason.endswith(" of a message in 40 s, less than 100 a second")
    await until(lambda: not service.parts())
    assert not service.files()


async def test_slow_but_honest_message_is_stored(service, mock_clock):
    """Three hundred bytes a second, with a pause of half a minute."""
    stream = message(3, store_request(), DATA_SET)
    async with service.peer() as peer:
        for at in range(0, len(stream) - 3000, 3000):
            await say(service, peer, stream[at : at + 3000])
            await let_pass(mock_clock, 30 if at == 30_000 else 10)
        await peer.send(stream[at + 3000 :])
        assert (await peer.response()).status == Status.SUCCESS
        await peer.release()
    assert len(service.files()) == 1


async def test_message_that_does_not_end_in_time_is_aborted(service, mock_clock, logged):
    stream = message(3, store_request(), DATA_SET + bytes(1_000_000))
    async with service.peer() as peer:
        for at in range(0, 120_000, 1000):
            if reasons(logged):
                break
            await say(service, peer, stream[at : at + 1000], unless=lambda: reasons(logged))
            await let_pass(mock_clock, 10)
        assert await peer.receive() == Abort(0, 0)
    await until(lambda: reasons(logged))
    assert reasons(logged) == ["the peer did not end a message within 1000 s"]


async def test_pauses_between_messages_are_free(service, mock_clock):
    async with service.peer() as peer:
        for number in range(5):
            assert await peer.store(DATA_SET, f"1.2.{number}") == Status.SUCCESS
            await let_pass(mock_clock, 250, 10)
        await peer.release()
    assert len(service.files()) == 5


async def test_refused_instance_that_comes_too_slowly_is_aborted(service, mock_clock, logged):
    """Its data set passes through Python."""
    stream = message(3, store_request("../x"), DATA_SET)
    async with service.peer() as peer:
        await say(service, peer, stream[:2000])
        await let_pass(mock_clock, 60)
        assert await peer.receive() == Abort(0, 0)
    await until(lambda: reasons(logged))
    assert "bytes of a message in" in reasons(logged)[0]


@pytest.mark.parametrize("kind", ["echo", "store"])
async def test_peer_that_never_reads_its_responses(service, mock_clock, logged, kind):
    async with service.peer() as peer:
        (session,) = service.acceptor._sessions
        session._connection._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        link = session._link
        one = message(1, echo_request()) if kind == "echo" else message(3, store_request(), DATA_SET[:10])
        heard = link.received
        while link.unsent < 16_000:  # fewer may be on their way
            await peer.send(one * 20)
            heard += len(one) * 20
            await until(lambda: link.received == heard)  # noqa: B023 - waited for here
        await let_pass(mock_clock, 5)
        await until(lambda: reasons(logged))
        assert reasons(logged) == ["the peer does not read its responses"]
        await until(lambda: not sessions(service))


# ---- after an association ----


async def test_peer_that_does_not_close_after_its_release(service, mock_clock):
    async with service.peer() as peer:
        await peer.send(ReleaseRQ().encode())
        assert await peer.receive() == ReleaseRP()
        assert service.acceptor.associations == 0
        await let_pass(mock_clock, 25)
        assert sessions(service) == 1
        await let_pass(mock_clock, 5)
        assert await peer.receive() is None
        await until(lambda: not sessions(service))


async def test_who_is_to_wind_down_ends_those_alone_that_were_there(service, mock_clock):
    async with service.peer() as before:
        service.nursery.start_soon(service.acceptor.wind_down, "it is drained")
        await trio.testing.wait_all_tasks_blocked()
        async with service.peer() as after:
            await let_pass(mock_clock, 3.5, 0.5)
            assert isinstance(await before.receive(), Abort)
            await until(lambda: sessions(service) == 1)
            await let_pass(mock_clock, 5, 1)
            assert await after.echo() == Status.SUCCESS
            await after.release()


async def test_towards_the_shutdown_deadline_an_association_is_ended_between_two_instances(
    service, mock_clock
):
    def between_messages():
        return [each.is_between_messages for each in service.acceptor._sessions]

    async with service.peer() as idle, service.peer() as busy:
        whole = message(3, store_request("1.2.9"), DATA_SET)
        await busy.send(whole[:50_000])
        await until(lambda: sorted(between_messages()) == [False, True] and service.parts())
        service.nursery.start_soon(service.acceptor.drain)
        await let_pass(mock_clock, 3, 1.0)
        assert sessions(service) == 2
        await let_pass(mock_clock, 0.5, 0.5)
        assert isinstance(await idle.receive(), Abort)
        await until(lambda: sessions(service) == 1)
        await busy.send(whole[50_000:])
        assert (await busy.response()).status == Status.SUCCESS
        await until(lambda: between_messages() == [True])
        await let_pass(mock_clock, 0.02, 0.01)
        assert isinstance(await busy.receive(), Abort)
    assert len(service.files()) == 1
