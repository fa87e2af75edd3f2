"""How an association that we requested ends before its time: by its peer, by silence, and by us."""

import msgspec
import pytest
import trio
import trio.testing

from acceptor_service import serving
from association_peer import p_data
from port104.errors import AbortedError, LocalProtocolError, TimedOutError
from port104.net.calling import Address
from port104.net.requestor import associate
from port104.wire.command import Command, Status, response_to
from port104.wire.pdu import Abort, ReleaseRP, ReleaseRQ
from raw_peer import DATA_SET, echo_request
from scripted_acceptor import PROPOSAL, QUICK, Bytes, associated

# ---- peers that break the protocol, or go ----

RESPONSE = response_to(echo_request(1), 0)


@pytest.mark.parametrize(
    "answer",
    [
        p_data(1, 3, response_to(echo_request(2), 0).encode()),
        p_data(3, 3, RESPONSE.encode()),
        p_data(5, 3, RESPONSE.encode()),
        p_data(1, 3, b"\0\0\0"),
        p_data(1, 2, b"data"),
        p_data(1, 3, Command(field=0x8030, has_data_set=True, message_id_being_responded_to=1).encode()),
        p_data(1, 3, Command(field=0x8001, has_data_set=False, message_id_being_responded_to=1).encode()),
        b"\4\0\0\0\0\3\0\0\0",
        b"\4\0\0\xff\xff\xff",
        b"\x08\0\0\0\0\0",
        ReleaseRP().encode(),
    ],
)
async def test_a_peer_that_breaks_the_protocol_is_sent_an_abort(answer):
    aborts = []

    async def script(peer):
        await peer.take_message()
        await peer.send(answer)
        aborts.append(await peer.aborted())

    with trio.fail_after(5):
        async with associated(script) as requestor:
            with pytest.raises(AbortedError, match="broke the protocol, and was sent A-ABORT"):
                await requestor.echo()
            assert not requestor.usable
            with pytest.raises(AbortedError):
                await requestor.echo()
    assert len(aborts) == 1


@pytest.mark.parametrize(
    ("last_words", "words"),
    [
        (b"", "lost"),
        (b"\4\0\0\0", "lost"),
        (Abort(2, 1).encode(), "aborted by the service provider: unrecognized PDU"),
        (ReleaseRQ().encode(), "released"),
    ],
)
@pytest.mark.parametrize("when", ["command", "data set", "response"])
async def test_a_peer_that_goes_in_mid_message(last_words, words, when):
    async def script(peer):
        await peer.receive()
        if when == "data set":
            await peer.receive()
        elif when == "response":
            while (await peer.receive()).pdvs[0].control != 2:
                pass
        await peer.send(last_words)

    with trio.fail_after(5):
        async with associated(script) as requestor:
            with pytest.raises(AbortedError, match=words if when == "response" else None):
                await requestor.store(Bytes(*[bytes(1_000_000)] * 20))
            assert not requestor.usable


async def test_everybody_who_waits_hears_of_the_end():
    async def script(peer):
        for _ in range(3):
            await peer.take_message()
        await peer.send(Abort(0, 0).encode())

    heard = []

    async def echo(requestor):
        with pytest.raises(AbortedError, match="by the service user"):
            await requestor.echo()
        heard.append(True)

    async with associated(script, window=4) as requestor, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(echo, requestor)
    assert len(heard) == 3


async def test_a_peer_that_went_while_nobody_waited_is_noticed():
    gone = trio.Event()

    async def script(peer):
        await peer.send(ReleaseRQ().encode())
        assert await peer.receive() == ReleaseRP()
        gone.set()

    async with associated(script) as requestor:
        while requestor.usable:
            await trio.lowlevel.checkpoint()
        with pytest.raises(AbortedError, match="released the association"):
            await requestor.echo()
        await gone.wait()


async def test_a_peer_that_does_not_respond_in_time():
    aborts = []

    async def script(peer):
        await peer.take_message()
        aborts.append(await peer.aborted())

    async with associated(script, msgspec.structs.replace(QUICK, response=0.05)) as requestor:
        with pytest.raises(TimedOutError, match=r"no response within 0\.05 s"):
            await requestor.echo()
    assert len(aborts) <= 1


async def test_a_peer_that_does_not_read():
    async def script(peer):
        await trio.sleep_forever()

    async with associated(script, msgspec.structs.replace(QUICK, send=0.05)) as requestor:
        with pytest.raises(TimedOutError, match=r"took no byte for 0\.05 s"):
            await requestor.store(Bytes(*[bytes(1_000_000)] * 40))


async def test_a_peer_that_does_not_answer_a_release_changes_nothing():
    async def script(peer):
        await trio.sleep_forever()

    with trio.fail_after(5):
        async with associated(script, msgspec.structs.replace(QUICK, associate=0.05)):
            pass


# ---- what goes wrong on our side ----


class Broken(Bytes):
    async def read(self):
        if not self._pieces:
            raise OSError(5, "Input/output error")
        return await super().read()


@pytest.mark.parametrize(
    ("data_set", "error"),
    [
        (Broken(DATA_SET, length=1000), OSError),
        (Bytes(DATA_SET, length=1000), LocalProtocolError),
        (Bytes(DATA_SET, DATA_SET, length=len(DATA_SET) + 2), LocalProtocolError),
    ],
)
async def test_a_data_set_that_breaks_off_is_never_stored(tmp_path, data_set, error):
    async with serving(tmp_path) as service:
        async with associate(Address("127.0.0.1", service.port), PROPOSAL, QUICK) as requestor:
            with pytest.raises(error):
                await requestor.store(data_set)
            with pytest.raises(AbortedError, match="we aborted"):
                await requestor.echo()
        await trio.testing.wait_all_tasks_blocked()
        assert service.files() == []


async def test_cancelled_in_mid_message_the_association_is_aborted():
    aborts = []

    async def script(peer):
        await peer.receive()
        aborts.append(await peer.aborted())

    class Endless(Bytes):
        async def read(self):
            await trio.sleep_forever()

    async with associated(script) as requestor:
        with trio.move_on_after(0.01):
            await requestor.store(Endless(length=10))
        with pytest.raises(AbortedError):
            await requestor.echo()
        while not aborts:
            await trio.sleep(0.001)
    assert aborts == [Abort(0, 0)]


async def test_cancelled_while_it_waits_the_association_can_be_used_on():
    waiting = trio.Event()

    async def script(peer):
        context_id, command, _ = await peer.take_message()
        await waiting.wait()
        await peer.respond(context_id, command)
        await peer.serve()

    async with associated(script) as requestor:
        with trio.move_on_after(0.01):
            await requestor.echo()
        waiting.set()
        assert (await requestor.store(Bytes(DATA_SET))).status == Status.SUCCESS


async def test_an_exception_in_the_block_comes_out_as_it_is_and_aborts():
    aborts = []

    async def script(peer):
        aborts.append(await peer.aborted())

    with pytest.RaisesGroup(KeyError):
        async with associated(script):
            raise KeyError
    assert len(aborts) <= 1
