"""The acceptor over real sockets, with a real store: what a peer sees, and what lies on disk."""

import socket
import struct

import pytest
import trio

from acceptor_service import serving, until
from port104.net.contracts import Admitted, Limits, Refused
from port104.wire.association import AssociationLimits
from port104.wire.command import Command, Status
from port104.wire.negotiation import NegotiationPolicy
from port104.wire.pdu import (
    PDV,
    Abort,
    AssociateRJ,
    AsynchronousOperationsWindow,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
    UserInformation,
)
from raw_peer import (
    COMMAND,
    DATA_SET,
    LAST,
    SECONDARY_CAPTURE,
    RawPeer,
    association_request,
    echo_request,
    message,
    store_request,
)
from stored import data_set_of

LONG = DATA_SET + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 300_000) + bytes(300_000)


@pytest.fixture
async def service(tmp_path):
    async with serving(tmp_path) as made:
        yield made


async def test_echo_and_release(service):
    async with service.peer() as peer:
        assert await peer.echo() == Status.SUCCESS
        await peer.release()
    await until(lambda: service.acceptor.associations == 0)


@pytest.mark.parametrize("data_set", [DATA_SET, LONG], ids=["small", "long"])
async def test_a_stored_instance_is_on_disk_when_success_comes(service, data_set):
    async with service.peer() as peer:
        assert await peer.store(data_set) == Status.SUCCESS
        (path,) = service.files()
        assert path == service.store.path_of("PORT104", "1.2.3")
        assert data_set_of(path) == data_set
        await peer.release()


async def test_many_instances_one_after_the_other_with_one_message_id(service):
    async with service.peer() as peer:
        for number in range(50):
            assert await peer.store(DATA_SET, f"1.2.{number}", message_id=7) == Status.SUCCESS
        await peer.release()
    assert len(service.files()) == 50


async def test_a_peer_that_sends_slowly_is_served(service):
    data_set = DATA_SET + bytes(300)
    async with service.peer() as peer:
        for byte in message(3, store_request(), data_set):
            await peer.send(bytes([byte]))
            await trio.lowlevel.checkpoint()
        assert (await peer.response()).status == Status.SUCCESS
    assert data_set_of(service.files()[0]) == data_set


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"affected_sop_class_uid": "1.2.840.10008.5.1.4.1.1.2"}, Status.SOP_CLASS_NOT_SUPPORTED),
        ({"affected_sop_class_uid": None}, Status.MISTYPED_ARGUMENT),
        ({"affected_sop_instance_uid": None}, Status.MISTYPED_ARGUMENT),
        ({"affected_sop_instance_uid": "../x"}, Status.INVALID_SOP_INSTANCE),
        ({"affected_sop_instance_uid": "/etc/x"}, Status.INVALID_SOP_INSTANCE),
        ({"affected_sop_instance_uid": "1." * 32 + "1"}, Status.INVALID_SOP_INSTANCE),
        ({"field": 0x0020}, Status.UNRECOGNIZED_OPERATION),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_what_cannot_be_stored_is_refused_and_the_association_lives(service, changes, status):
    async with service.peer() as peer:
        request = store_request(**changes)
        await peer.send(message(3, request, LONG))
        response = await peer.response()
        assert response.status == status
        assert response.field == request.field | 0x8000
        assert not service.files()
        assert await peer.store(DATA_SET) == Status.SUCCESS
        await peer.release()


@pytest.mark.parametrize(
    ("data_set", "status", "reason"),
    [
        (LONG, Status.OUT_OF_RESOURCES, "the data set is larger than allowed"),
        (
            struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", 6) + b"1.2.4\0",
            Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
            "the data set names another SOP class or instance than the command",
        ),
    ],
    ids=["too large", "another instance"],
)
async def test_what_came_whole_and_is_refused(tmp_path, logged, data_set, status, reason):
    admitted = Admitted(policy=NegotiationPolicy(), maximum_size=100_000)
    async with serving(tmp_path, verdict=admitted) as service, service.peer() as peer:
        assert await peer.store(data_set) == status
        assert not service.files()
        assert not service.parts()
        assert await peer.store(DATA_SET) == Status.SUCCESS
        await peer.release()
    (refused,) = [entry for entry in logged if entry["event"] == "instance refused"]
    assert (refused["log_level"], refused["reason"], refused["status"]) == (
        "warning",
        reason,
        f"{status:04X}",
    )
    assert refused["hint"]


async def test_a_store_without_data_set_is_refused(service):
    async with service.peer() as peer:
        await peer.send(message(3, store_request(has_data_set=False)))
        assert (await peer.response()).status == Status.MISTYPED_ARGUMENT


async def test_ignored_sop_classes_are_acknowledged_and_counted(service, logged):
    request = association_request()
    contexts = request.presentation_contexts
    ct = type(contexts[1])(3, "1.2.840.10008.5.1.4.1.1.2", contexts[1].transfer_syntaxes)
    async with service.peer(presentation_contexts=(contexts[0], ct)) as peer:
        command = store_request(sop_class="1.2.840.10008.5.1.4.1.1.2")
        await peer.send(message(3, command, DATA_SET))
        assert (await peer.response()).status == Status.SUCCESS
        await peer.release()
    assert not service.files()
    await until(lambda: logged)
    assert logged[-1]["ignored"] == 1


async def test_a_cancel_request_has_no_response(service):
    async with service.peer() as peer:
        cancel = Command(field=0x0FFF, message_id_being_responded_to=1, has_data_set=False)
        await peer.send(message(3, cancel) + message(1, echo_request(9)))
        response = await peer.response()
        assert (response.field, response.message_id_being_responded_to) == (0x8030, 9)


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_broken_data_set_leaves_no_part_file(service, how):
    async with service.peer() as peer:
        assert await peer.store(DATA_SET) == Status.SUCCESS
        await peer.send(message(3, store_request(message_id=2), LONG)[:100_000])
        await until(service.parts)
        if how == "reset":
            peer.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await peer.close()
        with trio.fail_after(1):
            await until(lambda: not service.parts())
    assert [data_set_of(path) for path in service.files()] == [DATA_SET]


async def test_an_abort_in_mid_data_set_is_the_peers(service, logged):
    async with service.peer() as peer:
        command = message(3, store_request())
        await peer.send(command + PDataTF((PDV(3, 0, LONG[:10_000]),)).encode())
        await until(service.parts)
        await peer.send(Abort(0, 0).encode())
        assert await peer.receive() is None
    await until(lambda: logged)
    assert logged[-1]["event"] == "association aborted by peer"
    assert not service.parts()


async def test_a_protocol_fault_is_answered_with_abort(service, logged):
    async with service.peer() as peer:
        await peer.send(PDataTF((PDV(3, LAST, b"no command before"),)).encode())
        assert await peer.receive() == Abort(2, 5)
        await peer.close()
    await until(lambda: logged)
    assert logged[-1]["event"] == "association aborted by us"
    assert logged[-1]["calling"] == "PEER"


async def test_a_refused_peer_is_rejected_and_the_log_says_what_would_admit_it(tmp_path, logged):
    reject = AssociateRJ(result=1, source=1, reason=3)
    verdict = Refused(reject, "unknown calling AE title", "add it to dicom.scp.sources")
    async with serving(tmp_path, verdict=verdict) as service:
        peer = await RawPeer.connect(service.port)
        await peer.send(association_request().encode())
        assert await peer.receive() == reject
        await peer.close()
        await until(lambda: logged)
    entry = logged[0]
    assert entry["event"] == "association rejected"
    assert entry["hint"] == "add it to dicom.scp.sources"
    assert (entry["address"], entry["calling"]) == ("127.0.0.1", "PEER")
    assert "1/1/3" in entry["reason"]


async def test_one_association_too_many_is_rejected_transiently(tmp_path):
    async with serving(tmp_path, associations=1) as service, service.peer():
        peer = await RawPeer.connect(service.port)
        await peer.send(association_request().encode())
        assert await peer.receive() == AssociateRJ(result=2, source=3, reason=2)
        await peer.close()


async def test_a_silent_connection_is_closed_by_artim(tmp_path):
    async with serving(tmp_path, waits={"artim": 0.05}) as service:
        peer = await RawPeer.connect(service.port)
        with trio.fail_after(5):
            assert await peer.receive() is None
        await peer.close()


async def test_pipelined_stores_are_all_answered(tmp_path):
    window = UserInformation(
        maximum_length=0,
        implementation_class_uid="1.2.3",
        asynchronous_operations_window=AsynchronousOperationsWindow(8, 1),
    )
    async with serving(tmp_path, window=4) as service:
        async with service.peer(user_information=window) as peer:
            for number in range(30):
                data_set = LONG if number % 3 == 0 else DATA_SET
                await peer.send(message(3, store_request(f"1.2.{number}", number), data_set))
            answers = [await peer.response() for _ in range(30)]
            assert {answer.status for answer in answers} == {Status.SUCCESS}
            ids = {answer.message_id_being_responded_to for answer in answers}
            assert ids == set(range(30))
            await peer.release()
        assert len(service.files()) == 30


async def test_release_waits_for_what_is_owed(service):
    async with service.peer() as peer:
        await peer.send(message(3, store_request(), DATA_SET) + ReleaseRQ().encode())
        assert (await peer.response()).status == Status.SUCCESS
        assert await peer.receive() == ReleaseRP()


async def test_draining_lets_an_association_finish(service):
    async with service.peer() as peer:
        await peer.send(message(3, store_request(), LONG)[:1000])
        await until(service.parts)
        service.nursery.start_soon(service.acceptor.drain)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", service.port)
        await peer.send(message(3, store_request(), LONG)[1000:])
        assert (await peer.response()).status == Status.SUCCESS
        await peer.release()


async def test_draining_aborts_at_the_deadline(tmp_path):
    async with serving(tmp_path, deadline=0.05) as service, service.peer() as peer:
        await peer.send(message(3, store_request(), LONG)[:1000])
        await until(service.parts)
        await service.acceptor.drain()
        assert isinstance(await peer.receive(), Abort)
        await until(lambda: not service.parts())
        assert not service.files()


async def test_a_connection_that_waits_for_its_association_is_rejected_while_draining(service):
    waiting = await RawPeer.connect(service.port)
    async with service.peer() as peer:
        service.nursery.start_soon(service.acceptor.drain)
        await trio.testing.wait_all_tasks_blocked()
        await waiting.send(association_request().encode())
        assert await waiting.receive() == AssociateRJ(result=2, source=3, reason=1)
        await waiting.close()
        await peer.release()


async def test_context_ids_that_were_refused_abort(service):
    contexts = association_request().presentation_contexts
    refused = type(contexts[1])(5, "1.2.840.10008.5.1.4.1.2.1.1", contexts[1].transfer_syntaxes)
    async with service.peer(presentation_contexts=(*contexts, refused)) as peer:
        await peer.send(PDataTF((PDV(5, COMMAND | LAST, store_request().encode()),)).encode())
        assert await peer.receive() == Abort(2, 5)


async def test_every_storage_context_takes_the_syntax_it_proposes(service):
    contexts = association_request().presentation_contexts
    syntaxes = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.2", "1.2.840.113619.5.2")
    asked = tuple(
        type(contexts[1])(2 * number + 1, SECONDARY_CAPTURE, (syntax,))
        for number, syntax in enumerate(syntaxes)
    )
    peer = await RawPeer.connect(service.port)
    answer = await peer.associate(presentation_contexts=asked)
    taken = [context.transfer_syntax for context in answer.presentation_contexts]
    assert taken == list(syntaxes)
    await peer.release()
    await peer.close()


async def test_other_limits_hold_for_connections_that_come_from_then_on(tmp_path):
    async with serving(tmp_path) as service, service.peer() as before:
        service.acceptor.follow(
            association_limits=AssociationLimits(idle=0.05),
            limits=Limits(associations=1, send_timeout=5.0, shutdown_deadline=5.0),
            trace_pdus=False,
            is_proxy=lambda _: False,
        )
        async with service.peer() as after:  # how many there may be stays as it was
            assert await after.receive() == Abort(0, 0)
        assert await before.echo() == Status.SUCCESS
