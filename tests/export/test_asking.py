"""Storage commitment as SCU over sockets: a scripted destination answers, reports, or does something else."""

import contextlib

import msgspec
import pytest

from port104 import uids
from port104.errors import ConfigurationError
from port104.export import dimse
from port104.export.contracts import UnreachableError
from port104.export.dimse import DimseCaller
from port104.net import hearing
from port104.net.calling import Timeouts
from port104.registry.entries import Destination
from port104.wire.command import CommandField, Status
from port104.wire.commitment import (
    CommitmentReport,
    CommitmentRequest,
    Reference,
    decode_request,
    encode_report,
)
from port104.wire.operations import event_report_request
from raw_peer import EXPLICIT, IMPLICIT, message
from scripted_acceptor import acceptor

REQUEST = CommitmentRequest("1.2.9", (Reference("1.2.840.10008.5.1.4.1.1.7", "1.2.3"),))
REPORT = CommitmentReport("1.2.9", REQUEST.references)
QUICK = Timeouts(connect=5.0, associate=5.0, send=5.0, response=5.0)


class Heard:
    def __init__(self, status=Status.SUCCESS):
        self.reports, self.status = [], status

    async def __call__(self, report):
        self.reports.append(report)
        return self.status


def fail():
    raise ConfigurationError("there is no such certificate")


@contextlib.asynccontextmanager
async def destination(script, **changes):
    """A destination that accepts, answers N-ACTION by `script`, and then serves until the release."""

    async def served(peer):
        request = await peer.accept(storage_commitment=True, **changes)
        assert (request.calling_ae_title, request.called_ae_title) == ("ENGINE", "PACS")
        await script(peer)

    async with acceptor(served) as address:
        yield Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=address.port)


async def ask(entry, heard):
    await DimseCaller(calling_ae_title="ENGINE", tls=fail, timeouts=QUICK).ask(entry, REQUEST, heard)


async def answer(peer, status=0):
    context_id, command, data = await peer.take_message()
    assert (command.field, command.action_type_id) == (CommandField.N_ACTION_RQ, 1)
    assert command.requested_sop_instance_uid == uids.STORAGE_COMMITMENT_INSTANCE
    assert decode_request(data, IMPLICIT) == REQUEST
    await peer.respond(context_id, command, status)
    return context_id


def report(context_id, data=None, message_id=1, **changes):
    command = msgspec.structs.replace(event_report_request(1), message_id=message_id, **changes)
    return message(context_id, command, encode_report(REPORT, IMPLICIT) if data is None else data)


async def reporting(heard, *reports):
    """Ask, and have it reported; the statuses that the reports were answered with."""
    statuses = []

    async def script(peer):
        context_id = await answer(peer)
        for each in reports:
            await peer.send(report(context_id, each))
            _, response, _ = await peer.take_message()
            assert (response.field, response.event_type_id) == (CommandField.N_EVENT_REPORT_RSP, 1)
            statuses.append(response.status)
        await peer.serve()

    async with destination(script) as entry:
        await ask(entry, heard)
    return statuses


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.INVALID_ARGUMENT_VALUE])
async def test_a_report_on_the_same_association_is_heard_and_answered(status):
    heard = Heard(status)
    assert await reporting(heard, None) == [status]
    assert heard.reports == [REPORT]


async def test_a_report_that_cannot_be_read_is_refused():
    heard = Heard()
    assert await reporting(heard, b"\1\2\3\4") == [Status.INVALID_ARGUMENT_VALUE]
    assert heard.reports == []


async def test_a_report_that_is_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(hearing, "MOST_BYTES", 10)
    assert await reporting(Heard(), None) == [Status.RESOURCE_LIMITATION]


async def test_without_a_report_the_association_is_released_after_a_while(monkeypatch):
    monkeypatch.setattr(dimse, "_REPORT_SECONDS", 0.01)
    heard = Heard()
    assert await reporting(heard) == []
    assert heard.reports == []


async def test_a_destination_that_releases_at_once_has_been_asked():
    async def script(peer):
        await answer(peer)

    async with destination(script) as entry:
        await ask(entry, Heard())


async def test_what_else_it_asks_is_refused():
    statuses = []

    async def script(peer):
        context_id = await answer(peer)
        await peer.send(report(context_id, field=CommandField.N_ACTION_RQ))
        _, response, _ = await peer.take_message()
        statuses.append(response.status)
        await peer.send(report(context_id))
        await peer.take_message()
        await peer.serve()

    heard = Heard()
    async with destination(script) as entry:
        await ask(entry, heard)
    assert (statuses, heard.reports) == ([Status.UNRECOGNIZED_OPERATION], [REPORT])


async def test_a_destination_that_refuses_is_told_of():
    async def script(peer):
        await answer(peer, Status.RESOURCE_LIMITATION)
        await peer.aborted()

    async with destination(script) as entry:
        with pytest.raises(UnreachableError, match="0213: resource limitation"):
            await ask(entry, Heard())


async def test_a_destination_without_storage_commitment_is_told_of():
    async def script(peer):
        await peer.accept()
        await peer.aborted()

    async with acceptor(script) as address:
        entry = Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=address.port)
        with pytest.raises(UnreachableError, match="does not accept SOP class"):
            await ask(entry, Heard())


async def test_what_is_wrong_with_our_certificate_is_told():
    entry = Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=1, tls=True)
    with pytest.raises(UnreachableError, match="no such certificate"):
        await ask(entry, Heard())


def test_syntaxes_are_both():
    assert {each.transfer_syntax for each in dimse._OF_COMMITMENT} == {IMPLICIT, EXPLICIT}
