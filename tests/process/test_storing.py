"""What becomes of instances that are sent again, broken off, or sent twice at once; over the wire."""

import subprocess
import sys
from hashlib import blake2b

import pytest

from engine_process import engine
from port104.storage.store import instance_path
from port104.wire.command import Status
from port104.wire.pdu import PDV, Abort, PDataTF
from raw_peer import message, store_request
from sender import STORAGE_CONTEXT, Sender, image
from stored import data_set_of

KEEPING, REPLACING = "PORT104", "REPLACE"
# Taken whole from the receive buffer, and carried by an I/O thread.
SIZES = (1_000, 300_000)
# The second, in which what is left of a broken transfer vanishes.
GONE_SECONDS = 1.0

by_size = pytest.mark.parametrize("size", SIZES)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    titles = [{"aeTitle": KEEPING}, {"aeTitle": REPLACING, "overwriteSameInstance": True}]
    with engine(tmp_path_factory.mktemp("storing") / "storage", scp={"aeTitles": titles}) as started:
        yield started


@pytest.fixture
def instance(request):
    """A UID of this test's own: the server is shared."""
    return f"2.25.{int.from_bytes(blake2b(request.node.nodeid.encode(), digest_size=16).digest())}"


def kept(server, instance, called=KEEPING):
    """Every data set that is stored under a UID, in the order of the copies."""
    paths = (instance_path(server.folder, called, instance, copy) for copy in range(10))
    return [data_set_of(path) for path in paths if path.exists()]


def store(server, instance, *data_sets, called=KEEPING):
    with Sender(server.port, called_ae_title=called) as sender:
        for data_set in data_sets:
            assert sender.store(instance, data_set) == Status.SUCCESS
        sender.release()


def versions(instance, size, count):
    return [image(instance, bytes([number]) * size) for number in range(count)]


@by_size
@pytest.mark.parametrize("called", [KEEPING, REPLACING])
def test_the_same_bytes_again_make_no_second_file(server, instance, size, called):
    (data_set,) = versions(instance, size, 1)
    store(server, instance, data_set, data_set, called=called)
    store(server, instance, data_set, called=called)
    assert kept(server, instance, called) == [data_set]


@by_size
def test_other_bytes_are_kept_beside(server, instance, size):
    sent = versions(instance, size, 3)
    store(server, instance, *sent)
    store(server, instance, *reversed(sent))
    assert kept(server, instance) == sent


@by_size
def test_other_bytes_replace_where_the_ae_says_so(server, instance, size):
    for data_set in versions(instance, size, 3):
        store(server, instance, data_set, called=REPLACING)
        assert kept(server, instance, REPLACING) == [data_set]


@by_size
def test_associations_with_one_uid_lose_nothing(server, instance, size):
    """Eight are in mid-instance at once, each with other bytes, and end at once."""
    sent = versions(instance, size, 8)
    senders = [Sender(server.port) for _ in sent]
    left = [
        sender.begin_store(instance, data_set, size // 2)
        for sender, data_set in zip(senders, sent, strict=True)
    ]
    for sender, rest in zip(senders, left, strict=True):
        sender.socket.sendall(rest)
    assert {sender.response().status for sender in senders} == {Status.SUCCESS}
    assert sorted(kept(server, instance)) == sorted(sent)
    for sender in senders:
        sender.release()


def begin(sender, instance, data_set):
    """Send an instance's command and half of its data set in whole PDUs, so that any PDU may follow."""
    half = PDataTF((PDV(STORAGE_CONTEXT, 0, data_set[: len(data_set) // 2]),))
    sender.socket.sendall(message(STORAGE_CONTEXT, store_request(instance)) + half.encode())


def abort(sender):
    sender.socket.sendall(Abort(0, 0).encode())


def end_stream(sender):
    sender.close()


def reset(sender):
    sender.reset()


@by_size
@pytest.mark.parametrize("called", [KEEPING, REPLACING])
@pytest.mark.parametrize("end", [abort, end_stream, reset])
def test_an_instance_that_is_broken_off_leaves_nothing_and_harms_nothing(server, instance, size, called, end):
    before, other = versions(instance, size, 2)
    store(server, instance, before, called=called)
    files = server.stored_files()
    with Sender(server.port, called_ae_title=called) as sender:
        begin(sender, instance, other)
        server.wait_for(server.part_files)
        end(sender)
        server.wait_for(lambda: not server.part_files(), GONE_SECONDS)
    assert kept(server, instance, called) == [before]
    assert server.stored_files() == files


def test_a_start_removes_part_files_and_nothing_else(tmp_path):
    folder = tmp_path / "storage"
    sent = versions("1.2.3", 1_000, 2)
    with engine(folder) as server, Sender(server.port) as sender:
        store(server, "1.2.3", *sent)
        sender.begin_store("1.2.4", image("1.2.4", bytes(300_000)), 100_000)
        server.wait_for(server.part_files)
        server.kill()
        assert len(server.part_files()) == 1
    with engine(folder) as server:
        assert server.part_files() == []
        assert kept(server, "1.2.3") == sent
        assert len(server.stored_files()) == 2


def test_a_folder_in_use_is_left_alone(server, tmp_path):
    """A second port104 on the folder must not start: it would remove the first one's part files."""
    files = server.stored_files()
    with Sender(server.port) as sender:
        sender.begin_store("1.2.5", image("1.2.5", bytes(300_000)), 100_000)
        server.wait_for(server.part_files)
        config = server.folder.with_name(server.folder.name + ".json")
        second = subprocess.run(
            [sys.executable, "-m", "port104", "start", "-f", str(config)],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert second.returncode == 1
        assert "in use by another port104" in second.stderr
        assert len(server.part_files()) == 1
    assert server.stored_files() == files
