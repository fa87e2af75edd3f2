"""Whether a peer answers C-ECHO; and which of address, port, AE title or TLS is wrong."""

import datetime as dt
import errno
import re
import socket
import time

import pytest
import trio
from OpenSSL import SSL

from acceptor_service import serving
from port104.errors import (
    ConfigurationError,
    ConnectError,
    NotAcceptedError,
    Port104Error,
    RejectedError,
    StatusError,
    Suspect,
    TimedOutError,
)
from port104.net.calling import Address, Timeouts
from port104.net.credentials import Credentials, build_calling_context
from port104.net.verification import suspect_of, verify
from port104.wire.negotiation import Rejection
from port104.wire.pdu import Abort
from port104.wire.proposal import VERIFICATION, Proposal
from scripted_acceptor import QUICK, acceptor
from tls_peers import HOST, Site

PROPOSAL = Proposal(calling_ae_title="PEER", called_ae_title="PORT104", syntaxes=(VERIFICATION,))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


async def ask(address):
    return await verify(address, PROPOSAL, QUICK)


async def found(address):
    """What is wrong, and in which words."""
    with pytest.raises(Port104Error) as caught:
        await ask(address)
    return suspect_of(caught.value), str(caught.value)


async def found_of(script):
    async with acceptor(script) as address:
        return await found(address)


def assert_found(found, suspect, words):
    assert (found[0], words in found[1]) == (suspect, True), found


async def test_all_is_well(tmp_path):
    async with serving(tmp_path) as service:
        answer = await ask(Address(HOST, service.port))
    assert (answer.status, answer.associated > 0, answer.answered > 0) == (0, True, True)


# ---- no connection ----


@pytest.mark.parametrize(
    ("failure", "suspect", "words"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            Suspect.ADDRESS,
            "host is known",
        ),
        (UnicodeError("label too long"), Suspect.ADDRESS, "it is no host name; look at the address"),
        (
            OSError(errno.EHOSTUNREACH, "No route"),
            Suspect.ADDRESS,
            "No route to host; look at the address: no way",
        ),
        (OSError(errno.ENETUNREACH, "x"), Suspect.ADDRESS, "look at the address: no way leads there"),
        (OSError(errno.ECONNREFUSED, "x"), Suspect.PORT, "look at the port: the host is there, and nobody"),
    ],
)
async def test_no_connection(monkeypatch, failure, suspect, words):
    async def fail(*_):
        raise OSError("all attempts failed") from ExceptionGroup("attempts", [failure])

    async def fail_at_once(*_):
        raise failure

    by_address = isinstance(failure, OSError) and not isinstance(failure, socket.gaierror)
    monkeypatch.setattr(trio, "open_tcp_stream", fail if by_address else fail_at_once)
    assert_found(await found(Address("pacs.example", 104)), suspect, words)


async def test_nobody_takes_the_connection(monkeypatch, autojump_clock):
    async def never(*_):
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", never)
    wrong, text = await found(Address("pacs.example", 104))
    assert (wrong, "look at the address, and at firewalls between" in text) == (Suspect.ADDRESS, True)


# ---- somebody else ----


async def web_server(peer):
    await peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await trio.sleep_forever()


async def closes(peer):
    await peer.receive()


async def tls_server(peer):
    await peer.receive()
    await peer.send(bytes.fromhex("15030100020246"))  # alert: protocol version
    await peer.receive()


@pytest.mark.parametrize(
    ("script", "suspect", "words"),
    [
        (web_server, Suspect.PORT, "look at the port: somebody listens there, and sends no DICOM"),
        (closes, Suspect.PORT, "look at the port: somebody listens there, and sends no DICOM"),
        (tls_server, Suspect.TLS, "look at TLS: it speaks TLS on this port, and was called without"),
    ],
)
async def test_who_listens_there_speaks_no_dicom(script, suspect, words):
    assert_found(await found_of(script), suspect, words)


async def test_who_listens_there_says_nothing():
    async def silent(_):
        await trio.sleep_forever()

    async with acceptor(silent) as address:
        with pytest.raises(TimedOutError, match="look at the port: somebody listens there") as caught:
            await verify(address, PROPOSAL, Timeouts(associate=0.05))
    assert caught.value.suspect is Suspect.PORT


# ---- TLS ----


def calling(authorities, own=None):
    return build_calling_context(authorities=authorities, own=own)


async def test_no_tls_is_spoken_there(tmp_path, site):
    async with acceptor(web_server) as address:
        wrong = await found(Address(HOST, address.port, calling(site.authorities)))
        assert_found(wrong, Suspect.TLS, "look at TLS: does it speak TLS on this port?")
    async with serving(tmp_path) as service:
        wrong = await found(Address(HOST, service.port, calling(site.authorities)))
        assert_found(wrong, Suspect.TLS, "does it speak TLS on this port?")


async def test_a_peer_that_does_not_answer_the_handshake(site):
    async def silent(_):
        await trio.sleep_forever()

    async with acceptor(silent) as address:
        secure = Address(HOST, address.port, calling(site.authorities))
        with pytest.raises(ConnectError, match="look at TLS: it took the connection") as caught:
            await verify(secure, PROPOSAL, Timeouts(connect=0.1))
    assert caught.value.suspect is Suspect.TLS


async def test_a_certificate_that_is_not_trusted_is_told_from_one_for_another_host(tmp_path, site):
    (tmp_path / "other").mkdir()
    stranger = Site(tmp_path / "other")
    credentials = Credentials(site.files(require_certificate=False), time.time())
    async with serving(tmp_path / "storage", credentials=credentials) as service:
        wrong = await found(Address(HOST, service.port, calling(stranger.authorities)))
        assert_found(wrong, Suspect.TLS, "its certificate is of no authority that we trust")
        wrong = await found(Address("localhost", service.port, calling(site.authorities)))
        assert_found(wrong, Suspect.TLS, "its certificate is for another host than localhost")


async def test_a_certificate_that_has_expired(tmp_path, site):
    certificate, key = site.issue("late", not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    files = site.files(certificate=certificate, key=key, require_certificate=False)
    async with serving(tmp_path, credentials=Credentials(files, time.time())) as service:
        assert_found(
            await found(Address(HOST, service.port, calling(site.authorities))),
            Suspect.TLS,
            "its certificate is not valid today",
        )


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
async def test_a_peer_that_wants_a_certificate_of_ours(tmp_path, site, version):
    context = calling(site.authorities)
    context.set_max_proto_version(version)
    async with serving(tmp_path, credentials=Credentials(site.files(), time.time())) as service:
        wrong = await found(Address(HOST, service.port, context))
    # Of TLS 1.3 the alert is read where the peer's reset did not overtake it.
    assert wrong[0] is Suspect.TLS
    assert re.search("look at TLS: (it|so does a peer that) wants a certificate of ours", wrong[1])


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
async def test_a_peer_that_does_not_trust_our_certificate(tmp_path, site, version):
    (tmp_path / "other").mkdir()
    stranger = Site(tmp_path / "other")
    own = stranger.files(authorities=None)
    context = calling(site.authorities, own)
    context.set_max_proto_version(version)
    async with serving(tmp_path / "storage", credentials=Credentials(site.files(), time.time())) as service:
        wrong = await found(Address(HOST, service.port, context))
    assert wrong[0] is Suspect.TLS
    assert re.search("it does not trust who signed our certificate|or does not trust ours", wrong[1])


# ---- a DICOM peer that does not take our calls ----


@pytest.mark.parametrize(
    ("rejection", "suspect", "words"),
    [
        (Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED, Suspect.CALLED_AE_TITLE, "look at the called AE title"),
        (
            Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED,
            Suspect.CALLING_AE_TITLE,
            "look at the calling AE",
        ),
        (Rejection.LOCAL_LIMIT_EXCEEDED, Suspect.PEER, "local limit exceeded (2/3/2)"),
    ],
)
async def test_a_rejection(rejection, suspect, words):
    async def script(peer):
        await peer.receive()
        await peer.send(rejection.value.encode())

    assert_found(await found_of(script), suspect, words)


async def test_an_abort_in_place_of_an_answer_is_the_peers():
    async def script(peer):
        await peer.receive()
        await peer.send(Abort(0, 0).encode())

    wrong, text = await found_of(script)
    assert (wrong, text.endswith("aborted by the service user")) == (Suspect.PEER, True)


async def test_a_peer_without_verification():
    async def script(peer):
        await peer.accept_all(refused=(VERIFICATION.transfer_syntax,))
        await peer.serve()

    async with acceptor(script) as address:
        with pytest.raises(NotAcceptedError, match="it takes our calls, and no Verification") as caught:
            await ask(address)
    assert suspect_of(caught.value) is Suspect.SERVICE


async def test_a_peer_that_fails():
    async def script(peer):
        await peer.accept()
        await peer.serve(0x0122)

    async with acceptor(script) as address:
        with pytest.raises(StatusError, match="0122") as caught:
            await ask(address)
    assert suspect_of(caught.value) is Suspect.SERVICE


def test_what_is_ours_is_about_tls():
    assert suspect_of(ConfigurationError("certificate.pem cannot be read")) is Suspect.TLS


def test_errors_know_what_they_suspect():
    assert ConnectError("x").suspect is Suspect.PEER
    assert RejectedError("x", transient=True).suspect is Suspect.PEER
