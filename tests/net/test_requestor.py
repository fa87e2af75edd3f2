"""The requestor over real sockets: with our own acceptor, and with peers that refuse, or answer oddly."""

import os
import socket
import struct
import time

import msgspec
import pytest
import trio
import trio.testing

from acceptor_service import serving
from association_peer import p_data
from port104.errors import (
    AbortedError,
    ConnectError,
    LocalProtocolError,
    NotAcceptedError,
    RejectedError,
    StatusError,
    TimedOutError,
)
from port104.net.calling import Address
from port104.net.credentials import Credentials, build_calling_context
from port104.net.requestor import associate
from port104.wire.command import Command, CommandField, Status, decode_command
from port104.wire.negotiation import Rejection
from port104.wire.pdu import Abort, AssociateAC, PDataTF, ReleaseRQ, UserIdentity
from port104.wire.proposal import Proposal, Syntaxes
from raw_peer import DATA_SET, SECONDARY_CAPTURE
from scripted_acceptor import PROPOSAL, QUICK, STORAGE, Bytes, acceptor, associated
from stored import data_set_of
from tls_peers import HOST, Site

LARGE = DATA_SET + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 5_000_000) + os.urandom(5_000_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


# ---- with our own acceptor ----


async def test_an_echo_and_instances_of_every_size_arrive_as_they_are(tmp_path):
    data_sets = [DATA_SET, LARGE[:1001], LARGE[:300_000], LARGE]
    async with serving(tmp_path) as service:
        async with associate(Address("127.0.0.1", service.port), PROPOSAL, QUICK) as requestor:
            assert (await requestor.echo()).status == Status.SUCCESS
            for number, data_set in enumerate(data_sets):
                pieces = [data_set[at : at + 700_000] for at in range(0, len(data_set), 700_000)]
                response = await requestor.store(Bytes(*pieces, instance=f"1.2.{number}"))
                response.check()
                assert response.status == Status.SUCCESS
                path = service.store.path_of("PORT104", f"1.2.{number}")
                assert data_set_of(path) == data_set + b"\0" * (len(data_set) % 2)
            assert requestor.usable


async def test_over_tls_both_sides_show_certificates(tmp_path, site):
    certificate, key = site.issue("scu")
    context = build_calling_context(
        authorities=site.authorities, own=site.files(certificate=certificate, key=key)
    )
    shown = []
    credentials = Credentials(site.files(), time.time())
    async with serving(tmp_path / "storage", credentials=credentials, shown=shown) as service:
        async with associate(Address(HOST, service.port, context), PROPOSAL, QUICK) as requestor:
            assert (await requestor.echo()).status == Status.SUCCESS
            assert (await requestor.store(Bytes(LARGE))).status == Status.SUCCESS
            assert data_set_of(service.files()[0]) == LARGE
    assert shown[0].fingerprint == site.fingerprint("scu")


async def test_a_certificate_of_somebody_else_is_not_trusted(tmp_path, site):
    other = tmp_path / "other"
    other.mkdir()
    stranger = Site(other)
    credentials = Credentials(site.files(require_certificate=False), time.time())
    _certificate, _key = site.issue("elsewhere")
    async with serving(tmp_path / "storage", credentials=credentials) as service:
        untrusted = build_calling_context(authorities=stranger.authorities, own=None)
        with pytest.raises(ConnectError, match="failed; look at TLS: its certificate is of no"):
            async with associate(Address(HOST, service.port, untrusted), PROPOSAL, QUICK):
                pass
        trusted = build_calling_context(authorities=site.authorities, own=None)
        with pytest.raises(ConnectError, match="for another host than localhost"):
            async with associate(Address("localhost", service.port, trusted), PROPOSAL, QUICK):
                pass
        with pytest.raises(AbortedError, match="lost"):  # the other way round: we do not speak TLS
            async with associate(Address(HOST, service.port), PROPOSAL, QUICK):
                pass


async def test_a_plain_port_is_told_from_a_tls_one(tmp_path, site):
    context = build_calling_context(authorities=site.authorities, own=None)
    async with serving(tmp_path) as service:
        with pytest.raises(ConnectError, match="TLS"):
            async with associate(Address(HOST, service.port, context), PROPOSAL, QUICK):
                pass


# ---- no association ----


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectError, match=f"127.0.0.1:{port} cannot be reached: Connection refused"):
        async with associate(Address("127.0.0.1", port), PROPOSAL, QUICK):
            pass


async def test_a_name_that_nobody_has():
    with pytest.raises(ConnectError, match="cannot be reached"):
        async with associate(Address("no.such.host.invalid", 104), PROPOSAL, QUICK):
            pass


async def test_a_peer_that_never_takes_the_connection(autojump_clock, monkeypatch):
    async def never(*_):
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", never)
    with pytest.raises(ConnectError, match="did not answer within 5 s"):
        async with associate(Address("::1", 104), PROPOSAL, QUICK):
            pass


@pytest.mark.parametrize(
    "rejection", [Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED, Rejection.LOCAL_LIMIT_EXCEEDED]
)
async def test_a_rejection_is_told_in_the_words_of_the_standard(rejection):
    async def reject(peer):
        await peer.receive()
        await peer.send(rejection.value.encode())

    async with acceptor(reject) as address:
        with pytest.raises(RejectedError, match=rejection.words) as caught:
            async with associate(address, PROPOSAL, QUICK):
                pass
    assert caught.value.transient == (rejection.value.result == 2)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"", AbortedError, "the peer closed it"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", AbortedError, "48H is no PDU type"),
        (Abort(2, 2).encode(), AbortedError, "by the service provider: unexpected PDU"),
        (Abort(0, 0).encode(), AbortedError, "by the service user"),
        (ReleaseRQ().encode(), AbortedError, "broke the protocol"),
        (b"\2\0\0\0\0\4abcd", AbortedError, "broke the protocol"),
        (b"\2\0\xff\xff\xff\xff", AbortedError, "broke the protocol"),
        (p_data(1, 3, b""), AbortedError, "broke the protocol"),
    ],
)
async def test_a_peer_that_answers_something_else(answer, error, words):
    async def script(peer):
        await peer.receive()
        await peer.send(answer)

    async with acceptor(script) as address:
        with pytest.raises(error, match=words):
            async with associate(address, PROPOSAL, QUICK):
                pass


async def test_a_peer_that_never_answers_is_sent_an_abort():
    aborts = []

    async def script(peer):
        await peer.receive()
        aborts.append(await peer.aborted())

    async with acceptor(script) as address:
        with pytest.raises(TimedOutError, match="silent for too long"):
            async with associate(address, PROPOSAL, msgspec.structs.replace(QUICK, associate=0.05)):
                pass
        await trio.testing.wait_all_tasks_blocked()
    assert aborts == [Abort(0, 0)]


async def test_what_is_no_request_is_not_sent():
    async def script(peer):
        assert await peer.receive() is None

    async with acceptor(script) as address:
        bad = Proposal(calling_ae_title="", called_ae_title="X", syntaxes=(STORAGE,))
        with pytest.raises(LocalProtocolError, match="calling AE title"):
            async with associate(address, bad, QUICK):
                pass


async def test_a_user_is_named():
    identities = []

    async def script(peer):
        identities.append((await peer.accept()).user_information.user_identity)
        await peer.serve()

    identity = UserIdentity(2, False, b"jane", b"secret")
    proposal = Proposal(
        calling_ae_title="US", called_ae_title="THEM", syntaxes=(STORAGE,), user_identity=identity
    )
    async with acceptor(script) as address, associate(address, proposal, QUICK):
        pass
    assert identities == [identity]


# ---- contexts ----


async def test_only_what_was_accepted_is_sent():
    refused = Syntaxes("1.2.840.10008.5.1.4.1.2.2.1", STORAGE.transfer_syntax)

    async def script(peer):
        await peer.serve()

    async with associated(script, syntaxes=(STORAGE, refused)) as requestor:
        with pytest.raises(NotAcceptedError, match=r"does not accept SOP class .*: abstract syntax not"):
            await requestor.store(Bytes(DATA_SET, syntaxes=refused))
        with pytest.raises(NotAcceptedError, match="was not proposed"):
            await requestor.echo()
        assert (await requestor.store(Bytes(DATA_SET))).status == Status.SUCCESS


async def test_a_context_without_an_answer_is_not_accepted():
    async def script(peer):
        request = await peer.receive()
        await peer.send(AssociateAC("A", "B", (), request.user_information).encode())
        await peer.serve()

    async with acceptor(script) as address, associate(address, PROPOSAL, QUICK) as requestor:
        with pytest.raises(NotAcceptedError, match="it said nothing of that"):
            await requestor.echo()


# ---- messages ----


@pytest.mark.parametrize("maximum", [128, 16384, 0])
async def test_the_peers_maximum_length_is_kept(maximum):
    lengths, taken = [], []

    async def script(peer):
        await peer.accept(maximum_length=maximum)
        receive = peer.receive

        async def noted():
            pdu = await receive()
            if isinstance(pdu, PDataTF):
                lengths.append(len(pdu.encode()) - 6)
            return pdu

        peer.receive = noted
        context_id, command, data_set = await peer.take_message()
        taken.append(data_set)
        await peer.respond(context_id, command)
        await peer.serve()

    data_set = LARGE[:600_000] if maximum else LARGE
    async with acceptor(script) as address, associate(address, PROPOSAL, QUICK) as requestor:
        await requestor.store(Bytes(data_set))
    assert taken == [data_set]
    assert max(lengths) <= (maximum or 256 * 1024)
    assert sum(lengths) < len(data_set) * 1.2


async def test_an_empty_data_set_has_an_end():
    taken = []

    async def script(peer):
        context_id, command, data_set = await peer.take_message()
        taken.append(data_set)
        await peer.respond(context_id, command)
        await peer.serve()

    async with associated(script) as requestor:
        await requestor.store(Bytes())
    assert taken == [b""]


@pytest.mark.parametrize(
    ("status", "fails"), [(0xA700, True), (0xB000, False), (0xFF00, True), (0xFE00, True)]
)
async def test_statuses(status, fails):
    async def script(peer):
        await peer.serve(status)

    async with associated(script) as requestor:
        response = await requestor.store(Bytes(DATA_SET))
        assert response.status == status
        if fails:
            with pytest.raises(StatusError, match=f"{status:04X}") as caught:
                response.check()
            assert caught.value.status == status
        else:
            response.check()


async def test_several_operations_are_outstanding_and_answered_in_any_order():
    async def script(peer):
        messages = [await peer.take_message() for _ in range(3)]
        for number, (context_id, command, _) in enumerate(reversed(messages)):
            await peer.respond(context_id, command, 0xB000 + number)
        await peer.serve()

    statuses = {}

    async def store(requestor, name):
        statuses[name] = (await requestor.store(Bytes(DATA_SET, instance=f"1.2.{name}"))).status

    async with associated(script, window=3) as requestor:
        async with trio.open_nursery() as nursery:
            for name in range(3):
                nursery.start_soon(store, requestor, name)
                await trio.testing.wait_all_tasks_blocked()
        assert (await requestor.echo()).status == 0
    assert statuses == {0: 0xB002, 1: 0xB001, 2: 0xB000}


async def test_without_a_window_one_waits_for_the_other():
    async def script(peer):
        for _ in range(2):
            context_id, command, _ = await peer.take_message()
            await trio.testing.wait_all_tasks_blocked()
            assert not peer._bytes
            await peer.respond(context_id, command)
        await peer.serve()

    async with associated(script) as requestor, trio.open_nursery() as nursery:
        nursery.start_soon(requestor.store, Bytes(DATA_SET))
        nursery.start_soon(requestor.store, Bytes(DATA_SET))


async def test_a_peer_may_answer_before_the_data_set_has_ended():
    async def script(peer):
        pdu = await peer.receive()
        await peer.respond(3, decode_command(pdu.pdvs[0].fragment), 0xA700)
        while pdu.pdvs[0].control != 2:
            pdu = await peer.receive()
        await peer.serve()

    async with associated(script) as requestor:
        assert (await requestor.store(Bytes(*[LARGE[:500_000]] * 5))).status == 0xA700
        assert (await requestor.echo()).status == 0


async def test_what_a_peer_asks_of_us_is_refused():
    async def script(peer):
        event = Command(
            field=0x0100, has_data_set=True, message_id=5, affected_sop_class_uid=SECONDARY_CAPTURE
        )
        await peer.send(p_data(3, 3, event.encode()) + p_data(3, 2, b"data"))
        cancel = Command(field=CommandField.C_CANCEL_RQ, has_data_set=False, message_id=1)
        await peer.send(p_data(3, 3, cancel.encode()))
        _context_id, answer, _ = await peer.take_message()
        answers.append((answer.field, answer.status, answer.message_id_being_responded_to))
        await peer.serve()

    answers = []
    async with associated(script) as requestor:
        await requestor.echo()
    assert answers == [(0x8100, Status.UNRECOGNIZED_OPERATION, 5)]
