"""The store over real sockets and a real folder: what is acknowledged is on disk, whole, under one name."""

import errno
import socket
import struct
from pathlib import Path

import pytest
import trio

from port104 import native
from port104.completions import elements_in
from port104.storage.store import instance_path
from port104.wire.command import CommandField, Status, decode_command
from raw_peer import LAST, SECONDARY_CAPTURE, echo_request, message, store_request
from stored import data_set_of

RELEASE = bytes.fromhex("05000000000400000000")
ABORT = bytes.fromhex("07000000000400000200")


def explicit(group, element, vr, value):
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def data_set(instance):
    return (
        explicit(0x0008, 0x0016, b"UI", SECONDARY_CAPTURE.encode() + b"\x00")
        + explicit(0x0008, 0x0018, b"UI", instance.encode() + b"\x00" * (len(instance) % 2))
        + explicit(0x0020, 0x000D, b"UI", b"1.2\x00")
        + explicit(0x7FE0, 0x0010, b"UN", b"")[:6]
        + b"\x00\x00\x00\x00\x00\x00"
    )


def instance_message(instance, message_id=1):
    return message(1, store_request(instance, message_id), data_set(instance))


DATA_SET = data_set("1.2.3")


def half_message(begun):
    """A message whose data set does not end."""
    sent = bytearray(message(1, store_request(), begun, fragment=len(begun)))
    assert sent[-len(begun) - 1] == LAST
    sent[-len(begun) - 1] = 0
    return bytes(sent)


def stored_files(store):
    return sorted(path for path in (store.root / "instances").rglob("*") if path.is_file())


def part_files(store):
    return list((store.root / "parts").iterdir())


async def until_a_part_file_stands(store):
    with trio.fail_after(20):
        while not part_files(store):
            await trio.sleep(0.001)


async def test_an_instance_is_stored_and_answered(store, associate):
    association = associate()
    completion = await association.store_one(DATA_SET, message_id=77)
    assert completion.kind == native.STORED
    assert completion.received == len(DATA_SET)
    assert completion.sop_instance_uid == "1.2.3"
    assert completion.status == Status.SUCCESS
    response = await association.response()
    assert response.field == CommandField.C_STORE_RSP
    assert response.status == Status.SUCCESS
    assert response.message_id_being_responded_to == 77
    assert response.affected_sop_class_uid == SECONDARY_CAPTURE
    assert response.affected_sop_instance_uid == "1.2.3"
    path = store.path_of("PORT104", "1.2.3")
    assert path == instance_path(store.root, "PORT104", "1.2.3")
    assert stored_files(store) == [path]
    assert path.stem == completion.name
    assert data_set_of(path) == DATA_SET
    assert not part_files(store)


async def test_instance_after_instance(store, associate):
    association = associate()
    sent = [instance_message(f"1.2.{number}", number) for number in range(10, 30)]
    await association.send(b"".join(sent))
    for number in range(10, 30):
        completion = await association.next_completion()
        assert (completion.kind, completion.sop_instance_uid) == (native.STORED, f"1.2.{number}")
    counts = association.intake.counts()
    assert (counts.stored, counts.failed, counts.under_way) == (20, 0, 0)
    assert counts.bytes == 20 * len(data_set("1.2.10"))


async def test_routing_elements_come_with_the_completion(associate):
    completion = await associate().store_one(DATA_SET)
    assert completion.elements_complete
    assert elements_in(completion.picked) == {
        0x00080016: SECONDARY_CAPTURE.encode() + b"\x00",
        0x0020000D: b"1.2\x00",
    }


async def test_a_deflated_data_set_is_not_read(associate):
    completion = await associate(syntax="1.2.840.10008.1.2.1.99").store_one(DATA_SET)
    assert completion.kind == native.STORED
    assert not completion.elements_complete
    assert elements_in(completion.picked) == {}


async def test_an_implicit_data_set_is_read(associate):
    implicit = struct.pack("<HHI", 0x0010, 0x0020, 4) + b"NAME"
    completion = await associate(syntax="1.2.840.10008.1.2").store_one(implicit)
    assert completion.elements_complete
    assert elements_in(completion.picked) == {0x00100020: b"NAME"}


@pytest.mark.parametrize("fragment", [1, 1000, 200_000])
async def test_a_long_data_set(store, associate, fragment):
    sent = DATA_SET + bytes(range(256)) * (10 if fragment == 1 else 4000)
    association = associate()
    await association.send(message(1, store_request(), sent, fragment))
    completion = await association.next_completion()
    assert completion.kind == native.STORED
    assert completion.received == len(sent)
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == sent
    assert (await association.response()).status == Status.SUCCESS


async def test_a_link_can_be_fed(store, associate):
    """A link without a socket to receive from (TLS, tracing) comes back for each piece."""
    association = associate(fed=True)
    sent = message(1, store_request(), DATA_SET)
    kinds = []
    for at in range(0, len(sent), 50):
        association.link.feed(sent[at : at + 50])
        association.lend()
        while (completion := await association.next_completion()).kind != native.RETURNED:
            kinds.append(completion.kind)
        assert completion.reason == native.RETURN_BYTES
    if not kinds:
        kinds.append((await association.next_completion()).kind)
    assert kinds == [native.STORED]
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == DATA_SET


async def test_identical_bytes_make_no_second_copy(store, associate):
    await associate().store_one(DATA_SET)
    other = associate(calling_ae_title="PACS")
    completion = await other.store_one(DATA_SET)
    assert completion.kind == native.STORED
    assert completion.duplicate
    assert other.intake.counts().duplicates == 1
    assert len(stored_files(store)) == 1
    assert not part_files(store)


async def test_other_bytes_are_kept_beside(store, associate):
    association = associate()
    await association.store_one(DATA_SET)
    other = DATA_SET + bytes(2)
    completion = await association.store_one(other)
    assert (completion.kind, completion.copy) == (native.STORED, 1)
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == DATA_SET
    assert data_set_of(store.path_of("PORT104", "1.2.3", 1)) == other
    again = await association.store_one(other)
    assert (again.duplicate, again.copy) == (True, 1)
    assert len(stored_files(store)) == 2


async def test_another_transfer_syntax_is_another_instance(associate):
    await associate().store_one(DATA_SET)
    completion = await associate(syntax="1.2.840.10008.1.2.4.70").store_one(DATA_SET)
    assert (completion.duplicate, completion.copy) == (False, 1)


async def test_overwrite_replaces(store, associate):
    await associate().store_one(DATA_SET)
    other = DATA_SET + bytes(2)
    completion = await associate(overwrite=True).store_one(other)
    assert completion.replaced
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == other
    assert len(stored_files(store)) == 1


async def test_ae_titles_keep_separate_copies(store, associate):
    await associate().store_one(DATA_SET)
    completion = await associate(called_ae_title="OTHER").store_one(DATA_SET)
    assert not completion.duplicate
    assert store.path_of("OTHER", "1.2.3") in stored_files(store)
    assert len(stored_files(store)) == 2


async def test_a_broken_data_set_leaves_nothing_and_touches_nothing(store, associate):
    association = associate()
    await association.store_one(DATA_SET)
    await association.send(half_message(b"x" * 1000))
    await until_a_part_file_stands(store)
    association.socket.shutdown(socket.SHUT_WR)
    completion = await association.next_completion()
    assert (completion.kind, completion.reason) == (native.RETURNED, native.RETURN_OTHER)
    while (result := association.link.next()) == native.WOULD_BLOCK:
        pass
    assert result == native.END_OF_STREAM
    assert not part_files(store)
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == DATA_SET
    assert store.counts().broken == 1


async def test_what_is_given_up_leaves_nothing(store, associate):
    association = associate(fed=True)
    association.link.feed(half_message(b"x" * 1000))
    association.lend()
    assert (await association.next_completion()).reason == native.RETURN_BYTES
    assert len(part_files(store)) == 1
    association.lend(give_up=True)
    assert (await association.next_completion()).reason == native.RETURN_OTHER
    assert not part_files(store)
    assert not stored_files(store)


async def test_a_store_interrupted_in_mid_flight_is_given_back(store, associate):
    """What the session does at shutdown: end the stream, and wait for the link."""
    association = associate()
    await association.send(half_message(b"x" * 100_000)[:50_000])
    await until_a_part_file_stands(store)
    association.link.interrupt()
    association.other.shutdown(socket.SHUT_RD)
    assert (await association.next_completion()).kind == native.RETURNED
    assert not part_files(store)


async def test_another_pdu_interrupts_and_is_left_for_the_association(store, associate):
    association = associate()
    await association.send(half_message(b"x" * 1000) + ABORT)
    assert (await association.next_completion()).kind == native.RETURNED
    assert association.link.next() == native.PDU_HEADER
    assert association.link.pdu_type == 7
    assert not part_files(store)


async def test_a_fault_is_left_for_the_association(store, associate):
    association = associate()
    command = message(1, store_request())
    await association.send(command + message(3, store_request(), DATA_SET)[len(command) :])
    assert (await association.next_completion()).kind == native.RETURNED
    assert association.link.next() == native.FAULT_FRAGMENT
    assert not part_files(store)


@pytest.mark.parametrize(
    ("context_id", "command"),
    [
        (1, echo_request()),
        (3, store_request()),
        (1, store_request(sop_class="1.2.3.4")),
        (1, store_request("01.2")),
        (1, store_request(has_data_set=False)),
    ],
    ids=["echo", "context", "class", "instance", "no data set"],
)
async def test_a_command_that_is_not_taken_is_put_back(associate, context_id, command):
    association = associate()
    await association.store_one(DATA_SET)
    await association.send(message(context_id, command) + RELEASE)
    completion = await association.next_completion()
    assert (completion.kind, completion.reason) == (native.RETURNED, native.RETURN_OTHER)
    assert association.link.next() == native.COMMAND
    assert association.link.ends
    assert association.link.context_id == context_id
    assert decode_command(association.link.data) == command
    association.lend()
    completion = await association.next_completion()
    assert (completion.kind, completion.reason) == (native.RETURNED, native.RETURN_OTHER)
    assert association.link.next() == native.PDU_HEADER


async def test_many_messages_within_a_window(store, associate, sync):
    association = associate(window=8)
    sent = [instance_message(f"1.2.{number}", number) for number in range(40)]
    await association.send(b"".join(sent) + RELEASE)
    kinds = [(await association.next_completion()).kind for _ in range(41)]
    assert kinds == [native.STORED] * 40 + [native.RETURNED]
    assert store.counts().barriers <= (40 if sync else 0)


async def test_many_at_once_share_barriers(store, associate, sync):
    associations = [associate() for _ in range(32)]
    for number, association in enumerate(associations):
        await association.send(instance_message(f"1.2.3.{number + 1}"))
    for association in associations:
        assert (await association.next_completion()).kind == native.STORED
    counts = store.counts()
    assert (counts.stored, counts.failed) == (32, 0)
    assert await store.count_instances() == 32
    assert counts.barrier_files == (32 if sync else 0)
    assert counts.barriers <= counts.barrier_files


async def test_associations_with_one_uid_lose_nothing(store, associate):
    associations = [associate() for _ in range(8)]
    for number, association in enumerate(associations):
        await association.send(message(1, store_request(), DATA_SET + bytes(2 * number)))
    for association in associations:
        assert (await association.next_completion()).kind == native.STORED
    kept = {data_set_of(path) for path in stored_files(store)}
    assert kept == {DATA_SET + bytes(2 * number) for number in range(8)}


async def test_stored_instances_are_announced(store, associate):
    announced = []
    association = associate()
    listener = store.on_stored
    store.on_stored = lambda instances: (announced.append(instances), listener(instances))
    await association.store_one(DATA_SET)
    (instances,) = announced
    assert len(instances) == 1
    (instance,) = instances
    assert instance in instances
    assert instance.called_ae_title == "PORT104"
    assert instance.sop_instance_uid == "1.2.3"
    assert instance.path == store.path_of("PORT104", "1.2.3")
    assert instance.path.exists()
    assert instance.elements[0x0020000D] == b"1.2\x00"
    assert instance.elements_complete


async def test_without_a_listener_what_is_stored_is_only_counted(store, associate):
    association = associate()
    store.on_stored = None
    await association.send(message(1, store_request(), DATA_SET) + RELEASE)
    assert (await association.next_completion()).kind == native.RETURNED
    assert association.intake.counts().stored == 1
    assert (await association.response()).status == Status.SUCCESS
    assert data_set_of(store.path_of("PORT104", "1.2.3")) == DATA_SET


async def test_a_failure_is_answered_and_not_announced(store, associate):
    announced = []
    store.on_stored = announced.append
    (store.root / "parts").rmdir()
    association = associate()
    completion = await association.store_one(DATA_SET)
    assert (completion.kind, completion.error) == (native.FAILED, errno.ENOENT)
    assert completion.status == Status.PROCESSING_FAILURE
    assert (await association.response()).status == Status.PROCESSING_FAILURE
    assert association.intake.counts().failed == 1
    assert not announced
    assert not stored_files(store)


@pytest.mark.parametrize("fed", [False, True])
async def test_what_is_too_large_is_refused(store, associate, fed):
    association = associate(maximum_size=len(DATA_SET), fed=fed)
    for sent, kind, status in (
        (DATA_SET + bytes(1), native.FAILED, Status.OUT_OF_RESOURCES),
        (DATA_SET, native.STORED, Status.SUCCESS),
    ):
        if fed:
            association.link.feed(message(1, store_request(), sent))
            association.lend()
            completions = [await association.next_completion() for _ in range(2)]
            completion = next(one for one in completions if one.kind != native.RETURNED)
        else:
            completion = await association.store_one(sent)
        assert (completion.kind, completion.status) == (kind, status)
        assert completion.error == (native.TOO_LARGE if kind == native.FAILED else 0)
        assert (await association.response()).status == status
        assert not part_files(store)
    assert len(stored_files(store)) == 1


@pytest.mark.parametrize("announced", ["1.2.4", "1.2", "1.2.3.4"])
async def test_another_instance_than_announced_is_refused(store, associate, announced):
    association = associate()
    completion = await association.store_one(DATA_SET, announced)
    assert (completion.kind, completion.error) == (native.FAILED, native.UIDS_DIFFER)
    assert (await association.response()).status == Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS
    assert not part_files(store)
    assert not stored_files(store)
    assert (await association.store_one(DATA_SET)).kind == native.STORED


async def test_the_answer_to_a_peer_that_left_harms_nothing(store, associate):
    association = associate()
    await association.send(message(1, store_request(), DATA_SET))
    association.socket.close()
    assert (await association.next_completion()).kind == native.STORED
    assert (await association.next_completion()).kind == native.RETURNED
    assert len(stored_files(store)) == 1


async def test_short_pdus_for_a_peer_that_needs_them(associate):
    association = associate(peer_maximum_length=32)
    await association.store_one(DATA_SET)
    command, last = b"", 0
    while not last:
        received = await trio.to_thread.run_sync(association.socket.recv, 6)
        length = int.from_bytes(received[2:6], "big")
        assert length <= 32
        body = await trio.to_thread.run_sync(association.socket.recv, length)
        command += body[6:]
        last = body[5] & LAST
    assert decode_command(command).status == Status.SUCCESS


def names_of_threads():
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


async def test_its_threads_say_in_top_what_they_are(store):
    assert names_of_threads().count("port104 I/O") >= 2
