"""Files that a thread sends: as they are, as long as that goes plainly, and every end of it told."""

import pytest
import trio
import trio.lowlevel
import trio.testing

from acceptor_service import serving
from part10_files import write_file
from port104.errors import AbortedError, TimedOutError
from port104.net.calling import Address
from port104.net.credentials import Credentials, build_calling_context
from port104.net.requestor import associate
from port104.sending.candidates import look_at
from port104.wire.command import Status
from port104.wire.pdu import PDV, Abort, PDataTF
from raw_peer import echo_request
from scripted_acceptor import PROPOSAL, QUICK, acceptor, associated
from stored import data_set_of
from tls_peers import HOST, Site


@pytest.fixture
def files(tmp_path):
    sizes = (0, 1, 100, 30_000, 300_001, 2_000_000)
    return list(look_at(write_file(tmp_path, f"1.2.{number}", size) for number, size in enumerate(sizes)))


def statuses(sent):
    return [response and response.status for response in sent.responses]


def small(folder, count):
    return list(look_at(write_file(folder, f"1.3.{number}", 3000) for number in range(count)))


async def hold(peer):
    await trio.sleep_forever()


@pytest.mark.parametrize("tls", [False, True])
async def test_every_byte_arrives(tmp_path, files, tls):
    site = Site(tmp_path)
    context = build_calling_context(authorities=site.authorities, own=None) if tls else None
    credentials = None
    if tls:
        credentials = Credentials(site.files(require_certificate=False), 0.0)
    async with serving(tmp_path / "storage", credentials=credentials) as service:
        address = Address(HOST, service.port, context)
        async with associate(address, PROPOSAL, QUICK) as requestor:
            responses, end = await requestor.store_files(files)
            assert (await requestor.echo()).status == Status.SUCCESS
        assert end is None
        assert [response.status for response in responses] == [0] * len(files)
        for file in files:
            sent = (await trio.Path(file.path).read_bytes())[file.data_set_at :]
            stored = data_set_of(service.store.path_of("PORT104", file.sop_instance_uid))
            assert stored == sent + b"\0" * (len(sent) % 2)


async def test_it_stops_before_what_is_not_plain(tmp_path, files):
    other = list(look_at([write_file(tmp_path, "1.4", sop_class="1.2.840.10008.5.1.4.1.1.4")]))

    async def script(peer):
        await peer.serve()

    async with associated(script) as requestor:
        assert statuses(await requestor.store_files(files[:2] + other + files[2:])) == [0, 0]
        assert await requestor.store_files(other + files) == ([], None)
        await trio.Path(files[1].path).write_bytes(b"another")
        assert statuses(await requestor.store_files(files)) == [0]
        await trio.Path(files[0].path).unlink()
        assert await requestor.store_files(files) == ([], None)
        assert (await requestor.echo()).status == 0


async def test_while_another_operation_is_outstanding_nothing_goes_so(files):
    async def script(peer):
        context_id, command, _ = await peer.take_message()
        taken.set()
        await told.wait()
        await peer.respond(context_id, command)
        await peer.serve()

    taken, told = trio.Event(), trio.Event()
    async with associated(script, window=3) as requestor, trio.open_nursery() as nursery:
        nursery.start_soon(requestor.echo)
        await taken.wait()
        assert await requestor.store_files(files) == ([], None)
        told.set()


async def test_a_slow_response_is_waited_for_by_the_loop(tmp_path):
    async def script(peer):
        for _ in range(2):
            context_id, command, _ = await peer.take_message()
            await trio.sleep(0.08)
            await peer.respond(context_id, command, 0xB000)
        await peer.serve()

    files = small(tmp_path, 3)
    async with associated(script) as requestor:
        assert statuses(await requestor.store_files(files)) == [0xB000]
        assert statuses(await requestor.store_files(files[1:])) == [0xB000]
        assert statuses(await requestor.store_files(files[2:])) == [0]


async def test_a_request_of_the_peers_in_between_is_answered(tmp_path):
    async def script(peer):
        context_id, command, _ = await peer.take_message()
        await peer.send(PDataTF((PDV(1, 3, echo_request(9).encode()),)).encode())
        await peer.respond(context_id, command)
        _, answer, _ = await peer.take_message()
        assert answer.status == Status.UNRECOGNIZED_OPERATION
        await peer.serve()

    async with associated(script) as requestor:
        assert statuses(await requestor.store_files(small(tmp_path, 2))) == [0]
        assert (await requestor.echo()).status == 0


async def test_what_was_answered_is_not_lost_when_the_peer_goes(tmp_path):
    async def script(peer):
        for _ in range(2):
            context_id, command, _ = await peer.take_message()
            await peer.respond(context_id, command)
        await peer.take_message()
        await peer.send(Abort(2, 1).encode())

    files = small(tmp_path, 5)
    async with associated(script) as requestor:
        sent = await requestor.store_files(files)
        assert statuses(sent) == [0, 0, None]
        assert isinstance(sent.end, AbortedError)
        with pytest.raises(AbortedError, match="by the service provider: unrecognized PDU"):
            await requestor.store_files(files[3:])


async def test_several_are_outstanding_and_answered_in_any_order(tmp_path):
    async def script(peer):
        taken = [await peer.take_message() for _ in range(4)]
        for context_id, command, _ in reversed(taken):
            await peer.respond(context_id, command, 0xB000 + command.message_id)
        await peer.serve()

    async with associated(script, window=4) as requestor:
        sent = await requestor.store_files(small(tmp_path, 6))
        assert statuses(sent) == [0xB001, 0xB002, 0xB003, 0xB004, 0, 0]
        assert statuses(await requestor.store_files(small(tmp_path, 2), window=1)) == [0, 0]


async def test_what_was_outstanding_when_the_peer_went_is_unknown(tmp_path):
    async def script(peer):
        taken = [await peer.take_message() for _ in range(3)]
        await peer.respond(*taken[1][:2])
        await peer.take_message()
        await peer.send(Abort(2, 1).encode())

    async with associated(script, window=3) as requestor:
        sent = await requestor.store_files(small(tmp_path, 6))
        assert statuses(sent) == [None, 0, None, None]
        assert "by the service provider" in str(sent.end)


async def test_slow_responses_to_several_are_waited_for_by_the_loop(tmp_path):
    async def script(peer):
        taken = [await peer.take_message() for _ in range(3)]
        await trio.sleep(0.08)
        for context_id, command, _ in taken[:2]:
            await peer.respond(context_id, command)
        await peer.send(Abort(2, 1).encode())

    async with associated(script, window=3) as requestor:
        sent = await requestor.store_files(small(tmp_path, 6))
        assert statuses(sent) == [0, 0, None]


async def test_a_response_to_something_else_is_not_believed(tmp_path):
    async def script(peer):
        _, command, _ = await peer.take_message()
        await peer.respond(1, command)
        assert await peer.aborted() == Abort(0, 0)

    async with associated(script) as requestor:
        sent = await requestor.store_files(small(tmp_path, 2))
        assert statuses(sent) == [None]
        assert "broke the protocol" in str(sent.end)


async def test_a_peer_that_takes_nothing_is_given_up(tmp_path):
    files = list(look_at(write_file(tmp_path, f"1.2.{number}", 1_000_000) for number in range(30)))
    quick = {name: getattr(QUICK, name) for name in QUICK.__struct_fields__} | {"send": 0.1, "response": 0.1}
    async with associated(hold, type(QUICK)(**quick)) as requestor:
        sent = await requestor.store_files(files)
        assert set(statuses(sent)) == {None}
        assert isinstance(sent.end, TimedOutError)
        assert not requestor.usable


async def test_a_peer_that_goes_in_mid_message(tmp_path):
    async def script(peer):
        await peer.accept()
        await peer.receive()

    files = list(look_at(write_file(tmp_path, f"1.2.{number}", 1_000_000) for number in range(30)))
    async with acceptor(script) as address, associate(address, PROPOSAL, QUICK) as requestor:
        assert isinstance((await requestor.store_files(files)).end, AbortedError)


async def test_cancelled_it_tells_what_was_answered(tmp_path):
    async def script(peer):
        for _ in range(2):
            context_id, command, _ = await peer.take_message()
            await peer.respond(context_id, command)
        await peer.take_message()
        scope.cancel()
        await trio.sleep_forever()

    async with associated(script) as requestor:
        with trio.CancelScope() as scope:
            sent = await requestor.store_files(small(tmp_path, 5))
        assert statuses(sent) == [0, 0, None]
        assert isinstance(sent.end, AbortedError)


async def test_cancelled_it_ends_at_once_and_breaks_off(tmp_path):
    files = list(look_at(write_file(tmp_path, f"1.2.{number}", 1_000_000) for number in range(30)))
    with trio.fail_after(3):
        async with associated(hold) as requestor:
            with trio.move_on_after(0.05):
                sent = await requestor.store_files(files)
            assert isinstance(sent.end, AbortedError)
            assert set(statuses(sent)) == {None}
            with pytest.raises(AbortedError):
                await requestor.echo()
