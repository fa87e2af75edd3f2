"""The store over real sockets and a real folder: what is acknowledged is on disk, whole, under one name."""

import contextlib
import errno
import os
import socket
import struct
from pathlib import Path

import pytest
import trio

from port104 import native, uids
from port104.errors import StorageError
from port104.storage.store import open_store
from stored import data_set_of

CLASS = "1.2.840.10008.5.1.4.1.1.7"
RESPONSE = b"\x04\x00\x00\x00\x00\x06RESPON"
pytestmark = pytest.mark.parametrize("sync", [False, True], ids=["os", "sync"], scope="module")


def pdu(fragment, *, command=False, last=True, context=1):
    control = command | last << 1
    return struct.pack(">BxIIBB", 4, len(fragment) + 6, len(fragment) + 2, context, control) + fragment


def explicit(group, element, vr, value):
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


DATA_SET = (
    explicit(0x0008, 0x0016, b"UI", CLASS.encode() + b"\x00")
    + explicit(0x0008, 0x0018, b"UI", b"1.2.3\x00")
    + explicit(0x0020, 0x000D, b"UI", b"1.2\x00")
    + explicit(0x7FE0, 0x0010, b"UN", b"")[:6]
    + b"\x00\x00\x00\x00\x00\x00"
)


class Peer:
    """A sender at one end of a socket pair, and the native link at the other."""

    def __init__(self):
        self.socket, self.other = socket.socketpair()
        self.other.setblocking(False)
        self.link = native.Link(self.other.fileno(), self.other.fileno())
        self.link.establish(1 << 20)
        self.completions = []
        self.news = trio.Event()

    def completed(self, completion):
        self.completions.append(completion)
        self.news.set()

    async def next_completion(self):
        while not self.completions:
            self.news = trio.Event()
            await self.news.wait()
        return self.completions.pop(0)

    async def command(self):
        """Send a command and have the link read it, so that it expects the data set."""
        self.socket.sendall(pdu(b"COMMAND", command=True))
        while (result := self.link.next()) == native.WOULD_BLOCK:
            await trio.lowlevel.wait_readable(self.other)
        assert result == native.COMMAND
        assert self.link.ends
        self.link.expect_data_set()

    async def at_hand(self, data):
        """Send bytes and have them in the link's buffer."""
        self.link.feed(data)

    async def response(self):
        return await trio.to_thread.run_sync(self.socket.recv, 1000)

    def close(self):
        self.socket.close()
        self.other.close()


@pytest.fixture
async def store(tmp_path, sync):
    async with open_store(tmp_path, sync=sync, threads=2) as opened:
        yield opened


@pytest.fixture
def peer():
    made = Peer()
    yield made
    made.close()


def route(store, **changes):
    facts = {
        "sop_class_uid": CLASS,
        "transfer_syntax_uid": uids.EXPLICIT_VR_LITTLE_ENDIAN,
        "calling_ae_title": "MODALITY",
        "called_ae_title": "PORT104",
        "overwrite": False,
        "pipelined": False,
    }
    return store.route(**(facts | changes))


def begin(store, peer, instance="1.2.3", **changes):
    return store.begin(peer.link, route(store, **changes), instance, RESPONSE, peer.completed)


def stored_files(store):
    return sorted(path for path in (store.root / "instances").rglob("*") if path.is_file())


def part_files(store):
    return list((store.root / "parts").iterdir())


async def send_whole(store, peer, data_set=DATA_SET, instance="1.2.3", **changes):
    """One small instance, from command to completion."""
    await peer.command()
    peer.link.feed(pdu(data_set))
    _, result = begin(store, peer, instance, **changes)
    assert result == native.TAKEN
    return await peer.next_completion()


async def test_an_instance_at_hand_is_taken_and_answered(store, peer):
    completion = await send_whole(store, peer)
    assert completion.kind == native.STORED
    assert not completion.link_returned
    assert completion.received == len(DATA_SET)
    assert await peer.response() == RESPONSE
    path = store.path_of("PORT104", "1.2.3")
    assert stored_files(store) == [path]
    assert data_set_of(path) == DATA_SET
    assert not part_files(store)


async def test_routing_elements_come_with_the_completion(store, peer):
    completion = await send_whole(store, peer)
    assert completion.elements_complete
    assert completion.elements == {
        0x00080016: CLASS.encode() + b"\x00",
        0x00080018: b"1.2.3\x00",
        0x0020000D: b"1.2\x00",
    }


@pytest.mark.parametrize("fragment", [1, 1000, 200_000])
async def test_a_long_data_set_is_carried_through_the_socket(store, peer, fragment):
    data_set = DATA_SET + bytes(range(256)) * (10 if fragment == 1 else 4000)
    fragments = [data_set[at : at + fragment] for at in range(0, len(data_set), fragment)]
    stream = b"".join(pdu(part, last=False) for part in fragments[:-1]) + pdu(fragments[-1])
    await peer.command()
    _, result = begin(store, peer)
    assert result == native.CARRIED
    store_id = store._last_id
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, peer.socket.sendall, stream)
        while (completion := await peer.next_completion()).kind == native.PAUSED:
            assert completion.link_returned
            await trio.lowlevel.wait_readable(peer.other)
            store.resume(store_id)
    assert completion.kind == native.STORED
    assert completion.link_returned
    assert completion.received == len(data_set)
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == data_set
    assert await peer.response() == RESPONSE


async def test_a_carried_data_set_can_be_fed(store, peer):
    """A link without a socket to receive from (TLS, tracing) pauses for each piece."""
    link = native.Link(-1, peer.other.fileno())
    link.establish(0)
    link.feed(pdu(b"COMMAND", command=True) + pdu(DATA_SET)[:20])
    assert link.next() == native.COMMAND
    link.expect_data_set()
    store_id, result = store.begin(link, route(store), "1.2.3", RESPONSE, peer.completed)
    assert result == native.CARRIED
    assert (await peer.next_completion()).kind == native.PAUSED
    link.feed(pdu(DATA_SET)[20:])
    store.resume(store_id)
    assert (await peer.next_completion()).kind == native.STORED
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == DATA_SET


async def test_identical_bytes_make_no_second_copy(store, peer):
    await send_whole(store, peer)
    completion = await send_whole(store, peer, calling_ae_title="PACS")
    assert completion.kind == native.STORED
    assert completion.duplicate
    assert len(stored_files(store)) == 1
    assert not part_files(store)


async def test_other_bytes_are_kept_beside(store, peer):
    await send_whole(store, peer)
    other = DATA_SET + bytes(2)
    completion = await send_whole(store, peer, other)
    assert (completion.kind, completion.copy) == (native.STORED, 1)
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == DATA_SET
    assert data_set_of(store.path_of("PORT104", "1.2.3", 1)) == other
    again = await send_whole(store, peer, other)
    assert (again.duplicate, again.copy) == (True, 1)
    assert len(stored_files(store)) == 2


async def test_another_transfer_syntax_is_another_instance(store, peer):
    await send_whole(store, peer)
    completion = await send_whole(store, peer, transfer_syntax_uid="1.2.840.10008.1.2.4.70")
    assert (completion.duplicate, completion.copy) == (False, 1)


async def test_overwrite_replaces(store, peer):
    await send_whole(store, peer)
    other = DATA_SET + bytes(2)
    completion = await send_whole(store, peer, other, overwrite=True)
    assert completion.replaced
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == other
    assert len(stored_files(store)) == 1


async def test_ae_titles_keep_separate_copies(store, peer):
    await send_whole(store, peer)
    completion = await send_whole(store, peer, called_ae_title="OTHER")
    assert not completion.duplicate
    assert len(stored_files(store)) == 2


async def test_a_broken_data_set_leaves_nothing_and_touches_nothing(store, peer):
    await send_whole(store, peer)
    await peer.command()
    peer.socket.sendall(pdu(b"x" * 1000, last=False))
    assert begin(store, peer)[1] == native.CARRIED
    store_id = store._last_id
    assert (await peer.next_completion()).kind == native.PAUSED
    assert len(part_files(store)) == 1
    peer.socket.shutdown(socket.SHUT_WR)
    store.resume(store_id)
    completion = await peer.next_completion()
    assert completion.kind == native.BROKEN
    assert completion.link_returned
    assert peer.link.next() == native.END_OF_STREAM
    assert not part_files(store)
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == DATA_SET


async def test_an_abandoned_store_leaves_nothing(store, peer):
    await peer.command()
    assert begin(store, peer)[1] == native.CARRIED
    assert (await peer.next_completion()).kind == native.PAUSED
    store.abandon(store._last_id)
    assert (await peer.next_completion()).kind == native.BROKEN
    assert not part_files(store)
    assert not stored_files(store)


async def test_another_pdu_interrupts_and_is_left_for_the_association(store, peer):
    abort = bytes.fromhex("07000000000400000200")
    await peer.command()
    peer.socket.sendall(pdu(b"x" * 1000, last=False) + abort)
    assert begin(store, peer)[1] == native.CARRIED
    while (await peer.next_completion()).kind == native.PAUSED:
        store.resume(store._last_id)
    assert peer.link.next() == native.PDU_HEADER
    assert peer.link.pdu_type == 7
    assert not part_files(store)


async def test_a_fault_at_hand_begins_nothing(store, peer):
    await peer.command()
    peer.link.feed(pdu(b"x", context=3))
    assert begin(store, peer)[1] == native.NOT_BEGUN
    assert peer.link.next() == native.FAULT_FRAGMENT
    assert not part_files(store)


async def test_a_pipelined_peer_gets_its_link_back_early(store, peer, sync):
    data_set = DATA_SET + bytes(100_000)
    await peer.command()
    begun = begin(store, peer, pipelined=True)
    assert begun[1] == native.CARRIED
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, peer.socket.sendall, pdu(data_set))
        kinds = []
        while not kinds or kinds[-1] < native.STORED:
            completion = await peer.next_completion()
            kinds.append(completion.kind)
            if completion.kind == native.PAUSED:
                await trio.lowlevel.wait_readable(peer.other)
                store.resume(begun[0])
    assert kinds[-1] == native.STORED
    assert (native.RECEIVED in kinds) is sync


async def test_many_at_once_share_barriers(store, sync):
    peers = [Peer() for _ in range(32)]
    for number, peer in enumerate(peers):
        await peer.command()
        peer.link.feed(pdu(DATA_SET))
        begin(store, peer, f"1.2.3.{number + 1}")
    for peer in peers:
        assert (await peer.next_completion()).kind == native.STORED
        peer.close()
    counts = store.counts()
    assert (counts.stored, counts.queued) == (32, 0)
    assert await store.count_instances() == 32
    assert counts.barrier_files == (32 if sync else 0)
    assert counts.barriers <= counts.barrier_files


async def test_two_associations_with_one_uid_lose_nothing(store):
    peers = [Peer() for _ in range(8)]
    for number, peer in enumerate(peers):
        await peer.command()
        peer.link.feed(pdu(DATA_SET + bytes(2 * number)))
        begin(store, peer)
    for peer in peers:
        assert (await peer.next_completion()).kind == native.STORED
        peer.close()
    kept = {data_set_of(path) for path in stored_files(store)}
    assert kept == {DATA_SET + bytes(2 * number) for number in range(8)}


async def test_stored_instances_are_announced(store, peer):
    announced = []
    store.on_stored = announced.append
    await send_whole(store, peer)
    (instance,) = announced
    assert instance.path == store.path_of("PORT104", "1.2.3")
    assert instance.path.exists()
    assert instance.elements[0x0020000D] == b"1.2\x00"
    assert instance.elements_complete


async def test_the_answer_to_a_peer_that_left_harms_nothing(store, peer):
    await peer.command()
    peer.link.feed(pdu(DATA_SET))
    peer.socket.close()
    begin(store, peer)
    assert (await peer.next_completion()).kind == native.STORED
    assert len(stored_files(store)) == 1


async def test_start_removes_part_files_and_keeps_instances(tmp_path, sync, peer):
    async with open_store(tmp_path, sync=sync, threads=1) as store:
        await send_whole(store, peer)
        left = store.root / "parts" / "0000000000000001.part"
    left.write_bytes(b"half an instance")
    async with open_store(tmp_path, sync=sync, threads=1) as store:
        assert not part_files(store)
        assert await store.count_instances() == 1


async def test_a_folder_serves_one_process(tmp_path, store, sync):
    with pytest.raises(StorageError, match="in use by another port104"):
        async with open_store(tmp_path, sync=sync, threads=1):
            pass


async def test_a_folder_that_cannot_be_made_is_said(tmp_path, sync):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be made: .*storage\.temporary"):
        async with open_store(tmp_path / "file" / "below", sync=sync, threads=1):
            pass


async def test_the_storage_folders_own_name_is_synced(tmp_path, sync, monkeypatch):
    """Up to where its file system begins: a power cut must not take the folder with all that is in it."""
    synced = []

    def note(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", note)
    root = tmp_path / "made" / "on the way" / "storage"
    for _ in range(2):
        synced.clear()
        async with open_store(root, sync=sync, threads=1):
            assert synced[:4] == [root, root.parent, root.parent.parent, tmp_path]


async def test_a_parent_that_cannot_be_synced_is_said(tmp_path, sync, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="cannot be synced: Input/output error"):
        async with open_store(tmp_path / "storage", sync=sync, threads=1):
            pass


async def test_a_parent_that_knows_no_sync_is_passed_over(tmp_path, sync, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    async with open_store(tmp_path / "storage", sync=sync, threads=1) as store:
        assert store.root.is_dir()


async def test_files_are_not_for_other_users(store, peer):
    await send_whole(store, peer)
    for path in [store.root / "instances", *stored_files(store)]:
        assert path.stat().st_mode & 0o007 == 0


async def test_a_store_cancelled_in_mid_flight_is_given_back(store, peer):
    """What the session does at shutdown: end the stream, and wait for the link."""
    await peer.command()
    peer.socket.sendall(pdu(b"x" * 300_000, last=False)[:150_000])
    assert begin(store, peer)[1] == native.CARRIED
    with contextlib.suppress(OSError):
        peer.other.shutdown(socket.SHUT_RD)
    while (completion := await peer.next_completion()).kind == native.PAUSED:
        store.resume(store._last_id)
    assert completion.kind == native.BROKEN
    assert not part_files(store)


async def test_counts_outlive_the_store(tmp_path, sync, peer):
    async with open_store(tmp_path, sync=sync, threads=1) as store:
        await send_whole(store, peer)
    assert store.counts().stored == 1
