"""Faults that real servers had, by their advisories, and that must be impossible here.

Those that a single association shows are in the table of cases; here stand those that take many, or a start.
"""

import resource
import socket
from pathlib import Path

import psutil
import pytest
import trio

from engine_process import engine
from hostile import crafted
from hostile.play import echo, store
from hostile.talk import Transport

SECOND = 1.0
KIB = 1024
MANY = 200
# As short as each is in the table of cases: what these tests do is over long before, but for a hang.
SCP = {"artimTimeout": 30, "aeTitles": [{"aeTitle": "PORT104"}]}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def server(tmp_path):
    with engine(tmp_path / "storage", scp=SCP) as started:
        yield started


@pytest.fixture
def connect(server):
    """Open connections that send some bytes and then nothing; all are closed at the end."""
    opened = []

    def open_one(sent=b""):
        one = socket.create_connection(("127.0.0.1", server.port), 5)
        opened.append(one)
        one.sendall(sent)
        return one

    yield open_one
    for one in opened:
        one.close()


def echo_seconds(server):
    return trio.run(echo, Transport(server.port), SECOND)


def stored(server, instance, data_set):
    return trio.run(store, Transport(server.port), instance, data_set)


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param(crafted.pdu(crafted.RQ, length=1 << 20), id="request"),
        pytest.param(
            crafted.pdu(crafted.RQ, bytes(68) + crafted.item(0x50, length=0xFFFF), length=1 << 20), id="item"
        ),
    ],
)
def test_memory_is_not_allocated_because_a_length_says_so(server, connect, stated):
    """Two hundred requests that state a mebibyte each, and send some bytes of it."""
    assert echo_seconds(server) is not None
    before = server.memory("VmRSS")
    for _ in range(MANY):
        connect(stated)
    assert echo_seconds(server) is not None
    assert server.memory("VmRSS") - before < MANY * 64 * KIB


def test_no_thread_and_no_process_is_made_for_a_connection(server, connect):
    before = psutil.Process(server.pid).num_threads()
    for _ in range(MANY):
        connect(crafted.request())
    assert echo_seconds(server) is not None
    assert psutil.Process(server.pid).num_threads() <= before + 1  # a worker that looks up or counts
    assert psutil.Process(server.pid).children() == []


def test_the_listener_outlives_a_want_of_descriptors(server, connect):
    in_use = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (in_use + 10, in_use + 10))
    silent = [connect() for _ in range(50)]
    server.wait_for(lambda: "cannot accept a connection" in server.log.read_text())
    for one in silent:
        one.close()
    server.wait_for(lambda: echo_seconds(server) is not None)


def test_the_listener_outlives_clients_that_vanish(server, connect):
    for number in range(MANY):
        one = connect(b"\x01" * (number % 8))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.close()
    assert echo_seconds(server) is not None


def test_a_start_touches_nothing_but_part_files(tmp_path):
    """Neither what was acknowledged, nor what a link among the part files leads to."""
    folder, outside = tmp_path / "storage", tmp_path / "outside"
    instances = {
        b"1.2.3.%d" % number: crafted.image(b"1.2.3.%d" % number, bytes([number])) for number in range(10)
    }
    with engine(folder, scp=SCP) as server:
        for instance, data_set in instances.items():
            assert stored(server, instance, data_set) == "OK"
        acknowledged = {path: path.read_bytes() for path in server.stored_files()}
        server.kill()
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (folder / "parts" / "link-to-a-folder").symlink_to(outside)
    (folder / "parts" / "link-to-an-instance").symlink_to(next(iter(acknowledged)))
    (folder / "parts" / "half").write_bytes(b"half of one")
    (folder / "notes.txt").write_text("an administrator's")
    with engine(folder, scp=SCP) as server:
        assert echo_seconds(server) is not None
        assert server.part_files() == []
        assert {path: path.read_bytes() for path in server.stored_files()} == acknowledged
    assert (outside / "kept").read_text() == "kept"
    assert (folder / "notes.txt").read_text() == "an administrator's"
    assert len(acknowledged) == len(instances)
