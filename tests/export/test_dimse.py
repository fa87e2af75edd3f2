"""A destination by C-STORE: everything that may go wrong there is said in the words of delivery."""

import contextlib
import os
from pathlib import Path

import pytest
import trio
from pydicom.data import get_testdata_file

from acceptor_service import serving
from part10_files import write_file
from port104 import uids
from port104.errors import ConfigurationError
from port104.export.contracts import BrokenOffError, NotProposedError, UnreachableError, UnsendableError
from port104.export.dimse import DimseCaller
from port104.export.verdicts import Answered, BrokenOff
from port104.net.calling import Timeouts
from port104.net.credentials import Credentials, build_calling_context
from port104.registry.entries import Destination
from port104.wire.negotiation import NegotiationPolicy, negotiate
from port104.wire.pdu import Abort, AssociateRJ
from raw_peer import SECONDARY_CAPTURE
from scripted_acceptor import acceptor
from tls_peers import Site

MR = "1.2.840.10008.5.1.4.1.1.4"
QUICK = Timeouts(connect=5.0, associate=5.0, send=5.0, response=0.2)


def fail():
    raise ConfigurationError("there is no such certificate")


def calling(port, paths=(), *, tls=None, **changes):
    caller = DimseCaller(calling_ae_title="ENGINE", tls=tls or fail, timeouts=QUICK)
    return caller.open(entry_at(port, tls=tls is not None, **changes), paths)


@contextlib.asynccontextmanager
async def called(script, paths=(), **changes):
    async with acceptor(script) as address, calling(address.port, paths, **changes) as peer:
        yield peer


async def stored(peer, path):
    (answer,) = await peer.store([path])
    return answer.status


async def broken_off(peer, path):
    (answer,) = await peer.store([path])
    assert isinstance(answer, BrokenOff)
    return answer.why


def statuses(*answers):
    """Accept, and answer each message in turn; then serve until the release."""

    async def script(peer):
        request = await peer.accept()
        assert (request.calling_ae_title, request.called_ae_title) == ("ENGINE", "PACS")
        for status in answers:
            context, command, _ = await peer.take_message()
            await peer.respond(context, command, status)
        await peer.serve()

    return script


def entry_at(port, **changes):
    facts = {"name": "PACS", "ae_title": "PACS", "host": "127.0.0.1", "port": port}
    return Destination(**(facts | changes))


async def test_it_is_asked_at_once_as_it_is_called_for_results():
    async with acceptor(statuses()) as address:
        outcome = await DimseCaller(calling_ae_title="ENGINE", tls=fail).verify(entry_at(address.port))
    assert (outcome.answered, outcome.wrong, outcome.reason) == (True, None, "")
    assert outcome.association_seconds > 0
    assert outcome.echo_seconds > 0


async def test_what_is_wrong_is_told_when_it_is_asked():
    caller = DimseCaller(calling_ae_title="ENGINE", tls=fail)
    nobody = await caller.verify(entry_at(1))
    assert (nobody.answered, nobody.wrong, "Connection refused" in nobody.reason) == (False, "port", True)
    ours = await caller.verify(entry_at(1, tls=True))
    assert (ours.answered, ours.wrong, ours.reason) == (False, "tls", "there is no such certificate")


async def test_files_are_stored_and_the_statuses_told(tmp_path):
    paths = [write_file(tmp_path, f"1.2.{number}") for number in range(3)]
    async with called(statuses(0, 0xB000, 0xA700), paths) as peer:
        assert [await stored(peer, path) for path in paths] == [0, 0xB000, 0xA700]


async def test_several_are_under_way_where_its_entry_says_so(tmp_path):
    paths = [write_file(tmp_path, f"1.2.{number}") for number in range(3)]

    async def script(peer):
        request = await peer.accept(window=8)
        assert request.user_information.asynchronous_operations_window.invoked == 4
        taken = [await peer.take_message() for _ in paths]
        for context, command, _ in reversed(taken):
            await peer.respond(context, command, 0xB000 + command.message_id)
        await peer.serve()

    async with called(script, paths, window=4) as peer:
        assert await peer.store(paths) == [Answered(0xB001), Answered(0xB002), Answered(0xB003)]


async def test_one_that_drops_who_proposes_a_window_is_called_without(tmp_path):
    path = write_file(tmp_path, "1.2.3")

    async def script(peer):
        request = await peer.receive()
        if request.user_information.asynchronous_operations_window is None:
            await peer.send(negotiate(request, NegotiationPolicy()).encode())
            await peer.serve()

    async with called(script, [path], window=4) as peer:
        assert await stored(peer, path) == 0


async def test_several_go_one_after_another_without_a_window(tmp_path):
    paths = [write_file(tmp_path, f"1.2.{number}") for number in range(3)]
    (tmp_path / "text").write_text("no DICOM")
    async with called(statuses(0, 0xB000, 0xA700), paths) as peer:
        answers = await peer.store([*paths, tmp_path / "text", *paths])
    assert answers == [Answered(0), Answered(0xB000), Answered(0xA700)]


@pytest.mark.parametrize(("answered", "window"), [(1, 4), (2, 1)])
async def test_which_of_several_ended_the_association_is_said_where_it_is_known(tmp_path, answered, window):
    paths = [write_file(tmp_path, f"1.2.{number}") for number in range(4)]

    async def script(peer):
        await peer.accept(window=8)
        for number in range(answered + min(window, 2)):
            context, command, _ = await peer.take_message()
            if number < answered:
                await peer.respond(context, command)
        await peer.send(Abort(0, 0).encode())

    async with called(script, paths, window=window) as peer:
        answers = await peer.store(paths)
        with pytest.raises(BrokenOffError):
            await peer.store(paths)
    assert answers[:answered] == [Answered(0)] * answered
    unknown = answers[answered:]
    if window == 1:
        assert [type(each) for each in unknown] == [BrokenOff]
    else:
        assert set(unknown) == {None}
        assert len(unknown) > 1


async def test_over_an_association_that_was_made_for_others(tmp_path):
    path, other = write_file(tmp_path, "1.2.3"), write_file(tmp_path, "1.2.4", sop_class=MR)
    async with called(statuses(), [path]) as peer:
        with pytest.raises(NotProposedError):
            await peer.store([other])
        assert await stored(peer, path) == 0


async def test_what_the_peer_does_not_accept_is_no_fault_of_the_association(tmp_path):
    path, other = write_file(tmp_path, "1.2.3"), write_file(tmp_path, "1.2.4", sop_class=MR)

    async def script(peer):
        await peer.accept(allowed_sop_classes=frozenset({SECONDARY_CAPTURE}))
        await peer.serve()

    async with called(script, [path, other]) as peer:
        with pytest.raises(UnsendableError, match="does not accept SOP class") as refused:
            await peer.store([other])
        assert not refused.value.final
        assert await stored(peer, path) == 0


async def test_files_that_cannot_be_sent(tmp_path):
    path, text, closed = write_file(tmp_path, "1.2.3"), tmp_path / "text", tmp_path / "closed"
    text.write_text("no DICOM")
    closed.symlink_to(closed)  # whoever opens it is told that there are too many links
    async with called(statuses(), [path, text, closed, tmp_path / "gone"]) as peer:
        for each, final, words in (
            (tmp_path / "gone", True, "its file is gone"),
            (text, True, "no DICOM file"),
            (closed, False, "its file cannot be read"),
        ):
            with pytest.raises(UnsendableError, match=words) as refused:
                await peer.store([each])
            assert refused.value.final is final
        assert await stored(peer, path) == 0


async def test_a_file_that_is_cut_while_it_is_sent_ends_the_association(tmp_path):
    path = write_file(tmp_path, "1.2.3", 8_000_000)

    async def script(peer):
        await peer.accept()
        await peer.receive()
        os.truncate(path, 2_000_000)
        await peer.aborted()

    async with called(script, [path]) as peer:
        assert "a file became shorter while it was sent" in await broken_off(peer, path)


async def test_an_abort_in_the_middle(tmp_path):
    path = write_file(tmp_path, "1.2.3")

    async def script(peer):
        await peer.accept()
        await peer.take_message()
        await peer.send(Abort(0, 0).encode())

    async with called(script, [path]) as peer:
        assert "aborted" in await broken_off(peer, path)


async def test_a_peer_that_hangs(tmp_path):
    path = write_file(tmp_path, "1.2.3")

    async def script(peer):
        await peer.accept()
        await peer.take_message()
        await peer.aborted()

    async with called(script, [path]) as peer:
        assert "sent no response within 0.2 s" in await broken_off(peer, path)


async def test_a_rejected_association():
    async def script(peer):
        await peer.receive()
        await peer.send(AssociateRJ(1, 1, 7).encode())

    async with acceptor(script) as address:
        with pytest.raises(UnreachableError, match="called AE title not recognized"):
            async with calling(address.port):
                pass


async def test_nobody_listens():
    async with acceptor(None) as address:
        port = address.port
    with pytest.raises(UnreachableError, match="cannot be reached: Connection refused"):
        async with calling(port):
            pass


@pytest.mark.parametrize(("status", "words"), [(0, ""), (0x0122, "SOP class not supported")])
async def test_an_echo(status, words):
    async with called(statuses(status)) as peer:
        if not words:
            await peer.echo()
        else:
            with pytest.raises(BrokenOffError, match=words):
                await peer.echo()


async def test_over_tls(tmp_path):
    site, path = Site(tmp_path), write_file(tmp_path, "1.2.3")
    credentials = Credentials(site.files(authorities=None), 0)

    def context():
        return build_calling_context(authorities=site.authorities, own=None)

    async with serving(tmp_path / "storage", credentials=credentials) as service:
        async with calling(service.port, [path], tls=context) as peer:
            assert await stored(peer, path) == 0
        with pytest.raises(UnreachableError, match="no such certificate"):
            async with calling(service.port, [path], tls=fail):
                pass


async def test_what_goes_wrong_within_comes_out_as_it_is():
    async def script(peer):
        await peer.accept()
        await peer.aborted()

    async with acceptor(script) as address:
        with pytest.raises(trio.TooSlowError):
            async with calling(address.port):
                raise trio.TooSlowError


# ---- conversion ----


RLE = "1.2.840.10008.1.2.5"
NATIVE = (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN)


def converting(port, paths):
    caller = DimseCaller(calling_ae_title="ENGINE", tls=fail, timeouts=Timeouts())
    entry = Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=port, conversion="lossless")
    return caller.open(entry, paths)


@pytest.mark.parametrize("native", NATIVE)
async def test_what_is_refused_as_it_is_is_converted(native):
    path = Path(get_testdata_file("MR_small_RLE.dcm"))
    got = []

    async def script(peer):
        await peer.accept_all(refused={RLE, *NATIVE} - {native})
        context, command, data_set = await peer.take_message()
        got.append((command.affected_sop_instance_uid, len(data_set)))
        await peer.respond(context, command, 0)
        await peer.serve()

    async with acceptor(script) as address, converting(address.port, [path]) as peer:
        assert await stored(peer, path) == 0
    ((uid, size),) = got
    assert uid == "1.3.6.1.4.1.5962.1.1.4.1.1.20040826185059.5457"
    assert size > 64 * 64 * 2


async def test_what_cannot_be_converted_is_a_failure_of_the_instance(tmp_path):
    path = write_file(tmp_path, "1.2.3", syntax="1.2.840.10008.1.2.4.50")

    async def script(peer):
        await peer.accept_all(refused={"1.2.840.10008.1.2.4.50"})
        await peer.serve()

    async with acceptor(script) as address, converting(address.port, [path]) as peer:
        with pytest.raises(UnsendableError, match="does not accept SOP class"):
            await peer.store([path])
