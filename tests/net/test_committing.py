"""Storage commitment on accepted associations: what is asked, answered and reported, over real sockets."""

import contextlib

import msgspec
import pytest
import trio

from acceptor_service import serving
from port104 import uids
from port104.errors import AbortedError, TimedOutError
from port104.net import committing
from port104.net.contracts import Admitted
from port104.wire.command import Command, CommandField, Status, decode_command, response_to
from port104.wire.commitment import (
    CommitmentReport,
    CommitmentRequest,
    Reference,
    decode_report,
    encode_report,
    encode_request,
)
from port104.wire.negotiation import NegotiationPolicy
from port104.wire.operations import action_request, event_report_request
from port104.wire.pdu import Abort, PDataTF, PresentationContext
from raw_peer import EXPLICIT, IMPLICIT, SECONDARY_CAPTURE, VERIFICATION, echo_request, message

REFERENCES = (Reference(SECONDARY_CAPTURE, "1.2.3"), Reference(SECONDARY_CAPTURE, "1.2.4"))
REQUEST = CommitmentRequest("1.2.99", REFERENCES)
REPORT = CommitmentReport("1.2.99", REFERENCES)
DATA = encode_request(REQUEST, IMPLICIT)
CONTEXTS = (
    PresentationContext(1, VERIFICATION, (IMPLICIT,)),
    PresentationContext(3, SECONDARY_CAPTURE, (EXPLICIT,)),
    PresentationContext(5, uids.STORAGE_COMMITMENT, (IMPLICIT,)),
)
ACTION = msgspec.structs.replace(action_request(), message_id=7)
EVENT = msgspec.structs.replace(event_report_request(1), message_id=8)


class Answers:
    """A contracts.Commitments that answers `status`, and notes what it hears."""

    def __init__(self, status=Status.SUCCESS):
        self.status = status
        self.asked, self.reports, self.backs = [], [], []
        self.news = trio.Event()

    async def requested(self, asked):
        await trio.lowlevel.checkpoint()
        self.asked.append(asked)
        return self.status

    def may_report(self, asked, back):
        assert asked is self.asked[-1]
        self.backs.append(back)
        self.news.set()

    async def reported(self, calling_ae_title, report):
        await trio.lowlevel.checkpoint()
        self.reports.append((calling_ae_title, report))
        return self.status

    async def back(self):
        with trio.fail_after(5):
            await self.news.wait()
        return self.backs[-1]


@contextlib.asynccontextmanager
async def asking(folder, answers, *, commits=True):
    verdict = Admitted(
        policy=NegotiationPolicy(storage_commitment=True), commitments=answers, commits=commits
    )
    async with serving(folder, verdict=verdict) as service:
        async with service.peer(presentation_contexts=CONTEXTS) as peer:
            yield peer


async def ask(peer, command=ACTION, data=DATA, context_id=5):
    await peer.send(message(context_id, command, data))
    return await peer.response()


async def take_report(peer):
    """The report that comes next: its command and what it says."""
    whole = b""
    command = None
    while True:
        pdu = await peer.receive()
        assert isinstance(pdu, PDataTF), pdu
        (pdv,) = pdu.pdvs
        if pdv.control & 1:
            command = decode_command(pdv.fragment)
            continue
        whole += pdv.fragment
        if pdv.control & 2:
            return command, decode_report(whole, IMPLICIT)


async def test_a_request_is_passed_on_and_answered(tmp_path):
    answers = Answers()
    async with asking(tmp_path, answers) as peer:
        response = await ask(peer)
        assert response == Command(
            field=CommandField.N_ACTION_RSP,
            has_data_set=False,
            message_id_being_responded_to=7,
            affected_sop_class_uid=uids.STORAGE_COMMITMENT,
            affected_sop_instance_uid=uids.STORAGE_COMMITMENT_INSTANCE,
            action_type_id=1,
            status=Status.SUCCESS,
        )
        (asked,) = answers.asked
        assert (asked.calling_ae_title, asked.called_ae_title, asked.address) == (
            "PEER",
            "PORT104",
            "127.0.0.1",
        )
        assert asked.request == REQUEST
        assert await peer.echo() == Status.SUCCESS


async def test_a_report_goes_back_on_the_association(tmp_path):
    answers, statuses = Answers(), []
    async with asking(tmp_path, answers) as peer, trio.open_nursery() as nursery:
        await ask(peer)
        back = await answers.back()

        async def report():
            statuses.append(await back.report(REPORT))

        nursery.start_soon(report)
        command, told = await take_report(peer)
        assert (command.field, command.event_type_id, told) == (CommandField.N_EVENT_REPORT_RQ, 1, REPORT)
        assert await peer.echo() == Status.SUCCESS  # which may come first
        assert statuses == []
        await peer.send(message(5, response_to(command, 0x0107)))
        assert await peer.echo() == Status.SUCCESS
    assert statuses == [0x0107]


async def test_a_request_that_is_refused_has_no_report(tmp_path):
    answers = Answers(Status.RESOURCE_LIMITATION)
    async with asking(tmp_path, answers) as peer:
        assert (await ask(peer)).status == Status.RESOURCE_LIMITATION
        assert await peer.echo() == Status.SUCCESS
    assert answers.backs == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"requested_sop_instance_uid": "1.2.3"}, Status.NO_SUCH_SOP_INSTANCE),
        ({"requested_sop_instance_uid": None}, Status.NO_SUCH_SOP_INSTANCE),
        ({"requested_sop_class_uid": SECONDARY_CAPTURE}, Status.SOP_CLASS_NOT_SUPPORTED),
        ({"action_type_id": 2}, Status.NO_SUCH_ACTION),
        ({"action_type_id": None}, Status.NO_SUCH_ACTION),
        ({"has_data_set": False}, Status.MISTYPED_ARGUMENT),
    ],
)
async def test_a_request_that_the_standard_does_not_know(tmp_path, changes, status):
    answers = Answers()
    async with asking(tmp_path, answers) as peer:
        command = msgspec.structs.replace(ACTION, **changes)
        assert (await ask(peer, command, DATA if command.has_data_set else b"")).status == status
        assert await peer.echo() == Status.SUCCESS
    assert answers.asked == []


async def test_on_another_context_there_is_no_such_thing(tmp_path):
    async with asking(tmp_path, Answers()) as peer:
        assert (await ask(peer, context_id=1)).status == Status.UNRECOGNIZED_OPERATION


async def test_on_its_context_nothing_is_stored(tmp_path):
    async with asking(tmp_path, Answers()) as peer:
        store = Command(
            field=CommandField.C_STORE_RQ,
            has_data_set=True,
            message_id=1,
            affected_sop_class_uid=uids.STORAGE_COMMITMENT,
            affected_sop_instance_uid="1.2.3",
            priority=0,
        )
        assert (await ask(peer, store)).status == Status.SOP_CLASS_NOT_SUPPORTED
        assert await peer.echo() == Status.SUCCESS


async def test_what_cannot_be_read_is_refused(tmp_path):
    async with asking(tmp_path, Answers()) as peer:
        assert (await ask(peer, data=DATA[:-1] + b"")).status == Status.INVALID_ARGUMENT_VALUE
        assert await peer.echo() == Status.SUCCESS


async def test_what_is_too_long_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr("port104.net.answering.MOST_BYTES", 1000)
    answers = Answers()
    async with asking(tmp_path, answers) as peer:
        assert (await ask(peer, data=DATA + bytes(1000))).status == Status.RESOURCE_LIMITATION
        assert (await ask(peer)).status == Status.SUCCESS
    assert len(answers.asked) == 1


async def test_where_nothing_is_answered_reports_are_still_taken(tmp_path):
    answers = Answers()
    async with asking(tmp_path, answers, commits=False) as peer:
        assert (await ask(peer)).status == Status.SOP_CLASS_NOT_SUPPORTED
        response = await ask(peer, EVENT, encode_report(REPORT, IMPLICIT))
        assert (response.field, response.status, response.event_type_id) == (0x8100, Status.SUCCESS, 1)
    assert answers.reports == [("PEER", REPORT)]
    assert answers.asked == []


@pytest.mark.parametrize("event_type_id", [None, 0, 3])
async def test_of_other_events_nothing_is_known(tmp_path, event_type_id):
    async with asking(tmp_path, Answers()) as peer:
        command = msgspec.structs.replace(EVENT, event_type_id=event_type_id)
        assert (await ask(peer, command, encode_report(REPORT, IMPLICIT))).status == Status.NO_SUCH_EVENT_TYPE


async def test_after_a_release_there_is_no_way_back(tmp_path):
    answers = Answers()
    async with asking(tmp_path, answers) as peer:
        await ask(peer)
        back = await answers.back()
        await peer.release()
        with pytest.raises(AbortedError, match="is over"):
            await back.report(REPORT)


async def test_a_release_in_place_of_a_response_ends_the_wait(tmp_path):
    answers = Answers()
    async with asking(tmp_path, answers) as peer, trio.open_nursery() as nursery:
        await ask(peer)
        back = await answers.back()

        async def report():
            with pytest.raises(AbortedError, match="is over"):
                await back.report(REPORT)

        nursery.start_soon(report)
        await take_report(peer)
        await peer.release()


async def test_a_response_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(committing, "_RESPONSE_SECONDS", 0.01)
    answers = Answers()
    async with asking(tmp_path, answers) as peer:
        await ask(peer)
        back = await answers.back()
        with pytest.raises(TimedOutError):
            await back.report(REPORT)
        with pytest.raises(AbortedError, match="never answered"):
            await back.report(REPORT)


async def test_a_long_report_goes_by_another_way(tmp_path):
    answers = Answers()
    async with asking(tmp_path, answers) as peer:
        await ask(peer)
        back = await answers.back()
        many = tuple(Reference(SECONDARY_CAPTURE, f"1.2.{number}") for number in range(5_000))
        with pytest.raises(AbortedError, match="too long"):
            await back.report(CommitmentReport("1.2.99", many))
        assert await peer.echo() == Status.SUCCESS


async def test_responses_to_nothing_are_passed_over(tmp_path):
    async with asking(tmp_path, Answers()) as peer:
        await peer.send(message(5, response_to(EVENT, 0)))
        await peer.send(message(1, echo_request()))
        assert (await peer.response()).status == Status.SUCCESS


async def test_many_are_asked_beside_instances(tmp_path):
    answers = Answers()
    async with asking(tmp_path, answers) as peer:
        for number in range(10):
            assert await peer.store(b"\x08\0\x60\0CS\2\0OT", f"1.2.{number}") == Status.SUCCESS
            assert (await ask(peer)).status == Status.SUCCESS
    assert len(answers.asked) == 10


async def test_where_it_is_not_accepted_the_context_is_refused(tmp_path):
    async with serving(tmp_path) as service, service.peer(presentation_contexts=CONTEXTS) as peer:
        answer = await ask(peer, context_id=1)
        assert answer.status == Status.UNRECOGNIZED_OPERATION
        await peer.send(message(5, ACTION, DATA))
        assert isinstance(await peer.receive(), Abort)
