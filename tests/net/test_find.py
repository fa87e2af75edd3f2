"""C-FIND as a requestor: what matches, and peers that answer with too much, late, or something else."""

import contextlib

import msgspec
import pytest
import trio

from port104 import uids
from port104.errors import AbortedError, NotAcceptedError, StatusError, TimedOutError
from port104.net import matches
from port104.net.calling import Timeouts
from port104.net.requestor import associate
from port104.wire.command import CommandField, response_to
from port104.wire.pdu import PDV, PDataTF
from port104.wire.proposal import VERIFICATION, Proposal, Syntaxes
from scripted_acceptor import QUICK, STORAGE, Bytes, acceptor, associated

FIND = Syntaxes(uids.STUDY_ROOT_FIND, uids.IMPLICIT_VR_LITTLE_ENDIAN)
SYNTAXES = (VERIFICATION, STORAGE, FIND)
CONTEXT_ID = 5
PENDING, PENDING_WITHOUT_OPTIONAL_KEYS = 0xFF00, 0xFF01


def pdu(control, fragment, context_id=CONTEXT_ID):
    return PDataTF((PDV(context_id, control, fragment),)).encode()


def pending(request, status=PENDING, **changes):
    """The command set of a match."""
    response = msgspec.structs.replace(response_to(request, status), has_data_set=True, **changes)
    return pdu(3, response.encode())


@contextlib.asynccontextmanager
async def querying(script, timeouts=QUICK, window=1):
    """An association for queries with an acceptor that does as `script` says."""

    async def accept(peer):
        await peer.accept_all()
        await script(peer)

    proposal = Proposal(calling_ae_title="US", called_ae_title="THEM", syntaxes=SYNTAXES, window=window)
    async with acceptor(accept) as address, associate(address, proposal, timeouts) as requestor:
        yield requestor


async def test_matches_come_in_order_however_they_are_cut():
    asked = []

    async def script(peer):
        context_id, request, identifier = await peer.take_message()
        asked.append((context_id, request.field, request.affected_sop_class_uid, identifier))
        await peer.send(pending(request) + pdu(0, b"ab") + pdu(0, b"") + pdu(2, b"cd"))
        await peer.send(pending(request, PENDING_WITHOUT_OPTIONAL_KEYS) + pdu(2, b""))
        await peer.respond(context_id, request)
        await peer.serve()

    async with querying(script) as requestor:
        assert await requestor.find(FIND, b"what?!") == [b"abcd", b""]
        assert await requestor.find(FIND, b"what?!") == []
        assert (await requestor.echo()).status == 0
    assert asked == [(CONTEXT_ID, CommandField.C_FIND_RQ, uids.STUDY_ROOT_FIND, b"what?!")]


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0xFE00, 0x0122])
async def test_a_query_that_fails_says_so_and_its_matches_are_forgotten(status):
    async def script(peer):
        context_id, request, _ = await peer.take_message()
        await peer.send(pending(request) + pdu(2, b"ab"))
        await peer.respond(context_id, request, status)
        await peer.serve()

    async with querying(script) as requestor:
        with pytest.raises(StatusError, match=f"{status:04X}"):
            await requestor.find(FIND, b"")
        assert (await requestor.echo()).status == 0


async def test_a_peer_that_answers_no_queries():
    async def script(peer):
        await peer.serve()

    async with associated(script) as requestor:
        with pytest.raises(NotAcceptedError, match="was not proposed"):
            await requestor.find(FIND, b"")


async def test_queries_and_other_operations_may_be_outstanding_together():
    async def script(peer):
        messages = [await peer.take_message() for _ in range(3)]
        for _, request, identifier in reversed(messages):
            if request.field == CommandField.C_FIND_RQ:
                await peer.send(pending(request) + pdu(2, identifier * 2))
        for context_id, request, _ in messages:
            await peer.respond(context_id, request)
        await peer.serve()

    found = {}

    async def find(requestor, name):
        found[name] = await requestor.find(FIND, name)

    async with querying(script, window=3) as requestor, trio.open_nursery() as nursery:
        nursery.start_soon(find, requestor, b"aa")
        nursery.start_soon(find, requestor, b"bb")
        nursery.start_soon(requestor.store, Bytes(b"data"))
    assert found == {b"aa": [b"aaaa"], b"bb": [b"bbbb"]}


async def refused(answer, words, error=AbortedError, timeouts=QUICK):
    """Query a peer that does as `answer` says, and see it sent A-ABORT."""
    aborts, heard = [], trio.Event()

    async def script(peer):
        _, request, _ = await peer.take_message()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def hear():
                    aborts.append(await peer.aborted())
                    heard.set()
                    scope.cancel()

                nursery.start_soon(hear)
                await answer(peer, request)

    with trio.fail_after(20):
        async with querying(script, timeouts) as requestor:
            with pytest.raises(error, match=words):
                await requestor.find(FIND, b"")
            assert not requestor.usable
            await heard.wait()
    assert None not in aborts


@pytest.mark.parametrize("fragment", [b"", b"x" * 5000])
async def test_matches_without_end_are_cut_off(monkeypatch, fragment):
    monkeypatch.setattr(matches, "MOST_BYTES", 100_000)

    async def endless(peer, request):
        while True:
            await peer.send(pending(request) + pdu(2, fragment))

    await refused(endless, "it answered a query with more than")


async def test_an_identifier_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(matches, "MOST_BYTES", 100_000)

    async def endless(peer, request):
        await peer.send(pending(request))
        while True:
            await peer.send(pdu(0, b"x" * 5000))

    await refused(endless, "it answered a query with more than")


@pytest.mark.parametrize("begun", [b"", pdu(0, b"ab")])
async def test_a_peer_that_falls_silent_between_matches_is_given_up(begun):
    async def silent(peer, request):
        await peer.send(pending(request) + pdu(2, b"ab"))
        if begun:
            await peer.send(pending(request) + begun)
        await trio.sleep_forever()

    patience = Timeouts(connect=5, associate=5, send=5, response=0.05)
    await refused(silent, r"sent no response within 0\.05 s", TimedOutError, patience)


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: pending(request, message_id_being_responded_to=9),
        lambda request: pending(request, field=CommandField.C_STORE_RSP),
        lambda request: pending(request, 0),
        lambda request: pdu(3, response_to(request, PENDING).encode()),
        lambda request: pdu(3, response_to(request, 0).encode(), context_id=1),
        lambda request: pending(request) + pdu(2, b"ab", context_id=1),
        lambda request: pending(request) + pdu(3, response_to(request, 0).encode()),
        lambda request: pdu(2, b"ab"),
    ],
)
async def test_what_answers_no_query_breaks_the_protocol(answer):
    async def wrong(peer, request):
        await peer.send(answer(request))
        await trio.sleep_forever()

    await refused(wrong, "broke the protocol")
