"""A program that takes data sets as they come: bounded, answered by its word, or not at all."""

import contextlib

import msgspec
import pytest
import structlog
import trio
import trio.testing

import port104
from part10_files import data_set, file_meta, write_file
from port104.receiving import library
from port104.wire.association import AssociationLimits
from port104.wire.pdu import Abort, PDataTF, ReleaseRQ
from raw_peer import EXPLICIT, SECONDARY_CAPTURE, RawPeer, message, store_request
from tls_peers import HOST, Site

DATA = data_set(size=100_000)
BEGUN = message(3, store_request(), DATA, fragment=16_000)[: -12 - len(DATA) % 16_000]  # but its last PDU
LONG = bytes(32 << 20)  # more than sockets and pipes hold


class Program:
    """A handler that reads everything, and does what `acts` says in turn, then nothing in particular."""

    def __init__(self, *acts):
        self.acts = list(acts)
        self.instances = []
        self.read = []
        self.raised = []

    async def __call__(self, instance):
        self.instances.append(instance)
        act = self.acts.pop(0) if self.acts else None
        if act is not None:
            return await act(instance)
        return await self.read_all(instance)

    async def read_all(self, instance):
        read = bytearray()
        try:
            async for piece in instance.data_set:
                read += piece
        except port104.AbortedError as failure:
            self.raised.append(failure)
            raise
        finally:
            self.read.append(bytes(read))


def returning(status):
    async def act(_):
        await trio.lowlevel.checkpoint()
        return status

    return act


def raising(failure):
    async def act(_):
        await trio.lowlevel.checkpoint()
        raise failure

    return act


def failures(lines):
    return [line for line in lines if line["event"] == "the program failed with an instance"]


@contextlib.asynccontextmanager
async def calling(program, **options):
    """A raw peer with an association."""
    async with port104.serve_streams(program, host=HOST, port=0, **options) as server:
        peer = await RawPeer.connect(server.address[1])
        try:
            await peer.associate()
            yield peer
        finally:
            await peer.close()


async def test_each_instance_comes_whole_with_who_sends_it():
    program = Program()
    async with calling(program) as peer:
        assert await peer.store(DATA, "1.2.3", message_id=7) == 0
        assert await peer.store(DATA[:100], "1.2.4", message_id=8) == 0
        assert await peer.echo() == 0
        await peer.release()
    assert program.read == [DATA, DATA[:100]]
    first = program.instances[0]
    assert (first.sop_class_uid, first.sop_instance_uid, first.message_id) == (SECONDARY_CAPTURE, "1.2.3", 7)
    assert (first.transfer_syntax_uid, first.address) == (EXPLICIT, HOST)
    assert (first.calling_ae_title, first.called_ae_title) == ("PEER", "PORT104")


async def test_in_pieces_of_any_size():
    """Cut within headers and PDVs."""
    program = Program()
    async with calling(program) as peer:
        sent = message(3, store_request(), DATA[:300], fragment=7)
        for at in range(0, len(sent), 11):
            await peer.send(sent[at : at + 11])
            await trio.testing.wait_all_tasks_blocked()
        assert (await peer.response()).status == 0
    assert program.read == [DATA[:300]]


async def test_several_associations_at_a_time(tmp_path):
    met = trio.Event()
    waiting = []

    async def meet(instance):
        waiting.append(instance)
        if len(waiting) == 2:
            met.set()
        await met.wait()

    files = [write_file(tmp_path, f"1.2.{number}", 2000) for number in range(2)]
    async with port104.serve_streams(Program(meet, meet), host=HOST, port=0) as server:

        async def send(file):
            async with port104.associate(*server.address, instances=[file]) as association:
                (await association.store(file)).check()

        async with trio.open_nursery() as nursery:
            for file in files:
                nursery.start_soon(send, file)
    assert {each.sop_instance_uid for each in waiting} == {"1.2.0", "1.2.1"}


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (returning(None), 0x0000),
        (returning(0xB000), 0xB000),
        (returning(0xA700), 0xA700),
        (returning(0xFF00), 0x0110),
        (returning(-1), 0x0110),
        (returning("stored"), 0x0110),
        (raising(port104.StatusError("sent on", status=0xC001)), 0xC001),
        (raising(KeyError("no such patient")), 0x0110),
        (raising(port104.AbortedError("another association")), 0x0110),
    ],
)
async def test_what_the_handler_says_is_answered_and_the_association_goes_on(act, status):
    """None of these reads anything: the rest is passed over."""
    program = Program(act)
    with structlog.testing.capture_logs() as lines:
        async with calling(program) as peer:
            assert await peer.store(DATA) == status
            assert await peer.store(DATA, message_id=2) == 0
            await peer.release()
    assert program.read == [DATA]
    assert len(failures(lines)) == (status == 0x0110)


async def test_a_handler_that_returns_early_has_seen_a_part():
    seen = []

    async def look(instance):
        seen.append(await anext(instance.data_set))
        return 0xB007

    async with calling(Program(look)) as peer:
        assert await peer.store(DATA * 10) == 0xB007
        assert await peer.store(DATA) == 0
    assert 0 < len(seen[0]) <= 16_000


async def test_a_slow_handler_has_the_peer_wait():
    """Only what kernels and the link hold is sent while nothing is asked for."""
    goes_on, begun, sent = trio.Event(), trio.Event(), 0

    async def wait(instance):
        begun.set()
        await goes_on.wait()
        await program.read_all(instance)

    program = Program(wait)
    async with calling(program) as peer, trio.open_nursery() as nursery:

        async def send():
            nonlocal sent
            stored = message(3, store_request(), LONG, fragment=1_000_000)
            for at in range(0, len(stored), 1 << 20):
                await peer.send(stored[at : at + (1 << 20)])
                sent += 1

        nursery.start_soon(send)
        await begun.wait()
        before = -1
        while before != sent:  # until the peer sends no more
            before = sent
            with trio.move_on_after(0.1):
                await trio.testing.wait_all_tasks_blocked(0.05)
        assert sent < 24
        goes_on.set()
        assert (await peer.response()).status == 0
    assert program.read == [LONG]


@pytest.mark.parametrize(
    "ending", [Abort(0, 0).encode(), b"", ReleaseRQ().encode(), bytes([9, 0, 0, 0, 0, 0])]
)
async def test_a_peer_that_ends_inside_the_object_is_told_to_who_reads(ending):
    """It aborts, closes, or breaks the protocol, and is aborted."""
    program = Program()
    with structlog.testing.capture_logs() as lines:
        async with calling(program) as peer:
            await peer.send(BEGUN + ending)
            if not ending:
                await peer.stream.send_eof()
            assert not isinstance(await peer.receive(), PDataTF)
    assert len(program.raised) == 1
    assert DATA.startswith(program.read[0])
    assert failures(lines) == []


@pytest.mark.parametrize("reads", [True, False])
async def test_a_handler_that_takes_a_part_for_the_whole_answers_nobody(reads):
    async def swallow(instance):
        if reads:
            with contextlib.suppress(port104.AbortedError):
                await program.read_all(instance)
        return 0

    program = Program(swallow)
    with structlog.testing.capture_logs() as lines:
        async with calling(program) as peer:
            await peer.send(BEGUN + Abort(0, 0).encode())
            assert await peer.receive() is None
    [ended] = [line for line in lines if line["event"] == "association aborted by peer"]
    assert "streamed" not in ended


async def test_what_is_read_after_the_answer():
    kept = []

    async def keep(instance):
        await trio.lowlevel.checkpoint()
        kept.append(instance.data_set)

    async with calling(Program(keep)) as peer:
        assert await peer.store(DATA) == 0
        with pytest.raises(trio.ClosedResourceError):
            await anext(kept[0])


async def test_reading_goes_on_where_a_read_was_cancelled():
    async def read_with_pauses(instance):
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(instance.data_set)
        assert scope.cancelled_caught
        await program.read_all(instance)

    program = Program(read_with_pauses)
    async with calling(program) as peer:
        assert await peer.store(DATA) == 0
    assert program.read == [DATA]


async def test_handlers_are_cancelled_where_the_program_fails():
    begun, cancelled = trio.Event(), []

    async def wait(_):
        begun.set()
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            cancelled.append(True)
            raise

    with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
        async with calling(Program(wait)) as peer:
            await peer.send(BEGUN)
            await begun.wait()
            raise ValueError
    assert cancelled == [True]


async def test_a_handler_that_waits_for_the_data_set_is_cancelled_too():
    program = Program()
    with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
        async with calling(program) as peer:
            await peer.send(BEGUN)
            while not program.instances:
                await trio.testing.wait_all_tasks_blocked()
            raise ValueError
    assert len(program.read) == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"affected_sop_class_uid": "1.2.840.10008.5.1.4.1.1.2"}, 0x0122),
        ({"affected_sop_instance_uid": "1.2.x"}, 0x0117),
        ({"affected_sop_instance_uid": None}, 0x0212),
    ],
)
async def test_what_is_wrong_is_refused_before_the_handler(changes, status):
    program = Program()
    async with calling(program) as peer:
        await peer.send(message(3, msgspec.structs.replace(store_request(), **changes), DATA))
        assert (await peer.response()).status == status
        assert await peer.store(DATA) == 0
    assert len(program.instances) == 1


async def test_the_log_counts():
    with structlog.testing.capture_logs() as lines:
        async with calling(Program(None, returning(0xA700))) as peer:
            await peer.store(DATA)
            await peer.store(DATA)
            await peer.release()
    [line] = [line for line in lines if line["event"] == "association released"]
    assert (line["streamed"], line["refused"]) == (1, 1)


async def test_a_peer_is_not_silent_while_the_handler_works(autojump_clock, monkeypatch):
    """Time passes for us, and not for the peer; who is silent while it is waited for is given up."""
    autojump_clock.autojump_threshold = 0.02  # bytes between sockets may be under way while all tasks wait
    monkeypatch.setattr(library, "AssociationLimits", lambda: AssociationLimits(idle=60))

    async def work(instance):
        await trio.sleep(600)
        return await program.read_all(instance)

    program = Program(work, work)
    async with calling(program) as peer:
        assert await peer.store(DATA) == 0
        await peer.send(BEGUN)
        assert isinstance(await peer.receive(), Abort)
    assert len(program.raised) == 1


async def test_over_tls_and_by_whom(tmp_path):
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    file = write_file(tmp_path, "1.2.3", 200_000)
    context = port104.tls_context(authorities=site.authorities, own=None)
    program = Program()
    options = {"tls": site.files(authorities=None), "ae_titles": ["ARCHIVE"], "callers": ["CT1"]}
    async with port104.serve_streams(program, host=HOST, port=0, **options) as server:
        names = {"calling_ae_title": "CT1", "called_ae_title": "ARCHIVE", "tls": context, "instances": [file]}
        async with port104.associate(*server.address, **names) as association:
            (await association.store(file)).check()
        with pytest.raises(port104.RejectedError):
            async with port104.associate(*server.address, **names | {"calling_ae_title": "CT2"}):
                pass
    assert program.read[0] == file.read_bytes()[len(file_meta()) :]
