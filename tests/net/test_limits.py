"""More connections or associations than there is room for, over real sockets."""

import os
import resource
import socket
import struct
from pathlib import Path

import pytest
import trio

from acceptor_service import serving, until
from port104.wire.command import Status
from port104.wire.pdu import Abort, AssociateRJ, ReleaseRP, ReleaseRQ
from raw_peer import RawPeer, association_request, message, store_request
from sender import image

NO_ROOM = AssociateRJ(result=2, source=3, reason=2)
DATA_SET = image("1.2.3", bytes(100_000))


async def answer_to_request(service, local_address=None, **changes):
    peer = await RawPeer.connect(service.port, local_address)
    await peer.send(association_request(**changes).encode())
    answer = await peer.receive()
    await peer.close()
    return answer


async def passed(clock, seconds):
    await trio.testing.wait_all_tasks_blocked()
    clock.jump(seconds)


# ---- associations ----


async def test_limit_of_one_calling_ae_title(tmp_path, logged):
    async with serving(tmp_path, associations_per_calling_ae_title=1) as service, service.peer():
        assert await answer_to_request(service) == NO_ROOM
        await until(lambda: logged)
        assert logged[0]["reason"] == "local limit exceeded (2/3/2)"
        assert "dicom.scp.maximumNumberOfAssociationsPerCallingAeTitle" in logged[0]["hint"]
        async with service.peer(calling_ae_title="OTHER") as other:
            assert await other.echo() == Status.SUCCESS


async def test_limit_of_one_address(tmp_path, logged):
    async with serving(tmp_path, associations_per_address=1) as service, service.peer():
        assert await answer_to_request(service) == NO_ROOM
        await until(lambda: logged)
        assert "dicom.scp.maximumNumberOfAssociationsPerAddress" in logged[0]["hint"]
        assert await answer_to_request(service, "127.0.0.2") != NO_ROOM


async def test_idle_association_gives_way_after_its_grace(tmp_path, mock_clock, logged):
    async with serving(tmp_path, associations=2, idle_grace=60.0) as service:
        async with service.peer() as longest, service.peer() as other:
            await passed(mock_clock, 59)
            assert await answer_to_request(service) == NO_ROOM
            assert await other.echo() == Status.SUCCESS
            await passed(mock_clock, 1)
            async with service.peer() as newcomer:
                assert await longest.receive() == Abort(0, 0)
                assert await newcomer.echo() == Status.SUCCESS
                assert await other.echo() == Status.SUCCESS
                assert await answer_to_request(service) == NO_ROOM
        entry = next(entry for entry in logged if "gave way" in entry.get("reason", ""))
        assert entry["event"] == "association aborted by us"
        assert "dicom.scp.idleGrace" in entry["hint"]


async def test_silent_peer_in_mid_instance_gives_way(tmp_path, mock_clock):
    async with serving(tmp_path, associations=1, idle_grace=60.0) as service:
        async with service.peer() as silent:
            await silent.send(message(3, store_request(), DATA_SET)[:50_000])
            while not service.parts():
                await trio.lowlevel.checkpoint()
            assert await answer_to_request(service) == NO_ROOM  # looks at it
            await passed(mock_clock, 60)
            async with service.peer() as newcomer:
                assert await newcomer.store(DATA_SET) == Status.SUCCESS
            assert await silent.receive() == Abort(0, 0)
        assert not service.parts()


async def test_peer_whose_bytes_wait_for_us_is_not_silent(tmp_path, mock_clock):
    """Its instance is stored, and its answer stands out."""
    async with serving(tmp_path, associations=1, idle_grace=60.0) as service, service.peer() as peer:
        (session,) = service.acceptor._sessions
        await passed(mock_clock, 61)
        assert session.silent_since(trio.current_time()) == trio.current_time() - 61
        counts = session._storing._intake.counts
        session._storing._intake = type("Busy", (), {"counts": lambda _: type(counts())(0, 0, 0, 0, 1)})()
        assert session.silent_since(trio.current_time()) == trio.current_time()
        assert await answer_to_request(service) == NO_ROOM
        session._storing._intake = counts.__self__
        assert await peer.echo() == Status.SUCCESS


async def test_released_association_makes_room_before_its_connection_is_closed(tmp_path):
    async with serving(tmp_path, associations=1) as service, service.peer() as peer:
        await peer.send(ReleaseRQ().encode())
        assert await peer.receive() == ReleaseRP()
        async with service.peer() as other:
            assert await other.echo() == Status.SUCCESS


async def test_aborted_association_makes_room_before_its_connection_is_closed(tmp_path):
    async with serving(tmp_path, associations=1) as service, service.peer() as peer:
        await peer.send(association_request().encode())
        assert await peer.receive() == Abort(2, 2)
        async with service.peer() as other:
            assert await other.echo() == Status.SUCCESS


async def test_rejected_peer_that_stays_takes_nobody_s_place(tmp_path):
    async with serving(tmp_path, associations=1) as service:
        stays = await RawPeer.connect(service.port)
        async with service.peer() as first:
            await stays.send(association_request().encode())
            assert await stays.receive() == NO_ROOM
            await first.release()
        async with service.peer() as other:
            assert await other.echo() == Status.SUCCESS
        await stays.close()


# ---- connections ----


async def test_connection_that_has_waited_longest_gives_way(tmp_path, logged):
    async with serving(tmp_path, connections=3) as service:
        silent = [await RawPeer.connect(service.port) for _ in range(5)]
        assert await silent[0].receive() is None
        assert await silent[1].receive() is None
        async with service.peer() as peer:
            assert await peer.echo() == Status.SUCCESS
            assert await silent[2].receive() is None
            for each in silent[3:]:
                await each.associate()
                assert await each.echo() == Status.SUCCESS
            assert await answer_to_request(service) != NO_ROOM  # one more than there may be, for its answer
        for each in silent:
            await each.close()
    warnings = [entry for entry in logged if entry["event"].startswith("connections without")]
    assert len(warnings) == 1  # a minute
    assert "dicom.scp.maximumNumberOfConnections" in warnings[0]["hint"]


async def test_connections_of_one_address_give_way_among_themselves(tmp_path):
    async with serving(tmp_path, connections_per_address=2) as service:
        other = await RawPeer.connect(service.port, "127.0.0.2")
        silent = [await RawPeer.connect(service.port) for _ in range(3)]
        assert await silent[0].receive() is None
        await other.associate()
        assert await other.echo() == Status.SUCCESS
        for each in (other, *silent):
            await each.close()


async def test_storm_of_connections_that_are_reset(tmp_path, logged):
    async with serving(tmp_path, connections=20) as service:
        for _ in range(200):
            peer = await RawPeer.connect(service.port)
            peer.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await peer.close()
        async with service.peer() as peer:
            assert await peer.echo() == Status.SUCCESS
            await peer.release()
        await until(lambda: not service.acceptor._sessions)
    assert not [entry for entry in logged if entry["log_level"] in ("error", "critical")]


@pytest.fixture
def few_descriptors():
    """Call it for a limit that leaves room for so many more files; every lower number is in use then."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    plugs = []

    def leave(room):
        highest = max(int(file.name) for file in Path("/proc/self/fd").iterdir())
        while not plugs or plugs[-1] < highest:
            plugs.append(os.dup(0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (plugs[-1] + 1 + room, before[1]))

    yield leave
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    for plug in plugs:
        os.close(plug)


async def test_descriptors_that_run_out_end_neither_listener_nor_service(tmp_path, few_descriptors, logged):
    async with serving(tmp_path) as service:
        sockets = [trio.socket.socket() for _ in range(6)]
        few_descriptors(2)
        for each in sockets:
            await each.connect(("127.0.0.1", service.port))
        last = RawPeer(trio.SocketStream(sockets[-1]))
        with trio.fail_after(5):
            await last.associate()
            assert await last.echo() == Status.SUCCESS
        for each in sockets:
            each.close()
        await until(lambda: not service.acceptor._sessions)
    events = [entry["event"] for entry in logged]
    assert events.count("cannot accept a connection") == 1  # a minute
