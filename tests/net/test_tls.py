"""The TLS port over real sockets: who comes in, what is stored, and what a bad peer can do."""

import contextlib
import datetime as dt
import os
import socket
import ssl
import struct
import time

import pytest
import trio
import trustme

from acceptor_service import serving, until
from port104.net.credentials import CIPHER_SUITES, Credentials
from port104.wire.command import Status
from port104.wire.pdu import PDataTF
from raw_peer import DATA_SET, RawPeer, association_request, echo_request, message, store_request
from stored import data_set_of
from tls_peers import HOST, SecureSender, Site, secure_peer


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


@contextlib.asynccontextmanager
async def secured(folder, site, **changes):
    """A service on a TLS port; `changes` of the files, and of what `serving` takes."""
    files = {name: changes.pop(name) for name in tuple(changes) if hasattr(site.files(), name)}
    credentials = Credentials(site.files(**files), time.time())
    async with serving(folder / "storage", credentials=credentials, **changes) as service:
        service.credentials = credentials
        yield service


def data_set_of_length(length):
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, length) + os.urandom(length)
    return DATA_SET + pixels


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_sides_show_certificates_and_an_instance_is_stored(tmp_path, site, version):
    shown = []
    context = site.client("ct1")
    context.maximum_version = version
    data_set = data_set_of_length(70_000)
    async with secured(tmp_path, site, shown=shown) as service, secure_peer(service.port, context) as peer:
        await peer.associate()
        assert await peer.echo() == Status.SUCCESS
        assert await peer.store(data_set) == Status.SUCCESS
        assert data_set_of(service.files()[0]) == data_set
        await peer.release()
    assert shown[0].fingerprint == site.fingerprint("ct1")
    assert shown[0].names == {"ct1", "ct1.local", HOST}


@pytest.mark.parametrize("trace", [False, True], ids=["native", "traced"])
async def test_large_and_small_come_as_they_were_sent(tmp_path, site, trace):
    sizes = [2, 16_000, 300_000, 10, 200_000]
    async with secured(tmp_path, site, trace=trace) as service:
        async with secure_peer(service.port, site.client("ct1")) as peer:
            await peer.associate()
            for number, size in enumerate(sizes):
                data_set = data_set_of_length(size)
                assert await peer.store(data_set, f"1.2.{number}") == Status.SUCCESS
                path = service.store.path_of("PORT104", f"1.2.{number}")
                assert data_set_of(path) == data_set
            await peer.release()


async def test_a_large_object_comes_byte_for_byte(tmp_path, site):
    data_set = data_set_of_length(32 * 1024 * 1024)
    async with secured(tmp_path, site) as service:

        def send():
            with SecureSender(service.port, site.client("ct1")) as sender:
                return sender.store("1.2.3", data_set)

        assert await trio.to_thread.run_sync(send) == Status.SUCCESS
        assert data_set_of(service.files()[0]) == data_set


async def test_the_cipher_suites_are_those_of_the_profile(tmp_path, site):
    context = site.client("ct1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with secured(tmp_path, site) as service:
        for suite in CIPHER_SUITES:
            context.set_ciphers(suite)
            async with secure_peer(service.port, context) as peer:
                if "RSA" in suite:
                    with pytest.raises(trio.BrokenResourceError):  # our key is of the other kind
                        await peer.associate()
                    continue
                await peer.associate()
        context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:AES128-SHA")
        async with secure_peer(service.port, context) as peer:
            with pytest.raises(trio.BrokenResourceError):
                await peer.associate()


async def test_many_associations_at_a_time(tmp_path, site):
    context = site.client("ct1")

    async def one(number):
        async with secure_peer(service.port, context) as peer:
            await peer.associate()
            for each in range(5):
                assert await peer.store(DATA_SET, f"1.2.{number}.{each}") == Status.SUCCESS
            await peer.release()

    async with secured(tmp_path, site, associations=100) as service:
        async with trio.open_nursery() as nursery:
            for number in range(1, 21):
                nursery.start_soon(one, number)
        assert len(service.files()) == 100


async def test_bytes_one_by_one(tmp_path, site):
    """Each a record of its own."""
    async with secured(tmp_path, site) as service, secure_peer(service.port, site.client("ct1")) as peer:
        await peer.associate()
        for byte in message(3, store_request(), DATA_SET) + message(1, echo_request()):
            await peer.send(bytes([byte]))
        assert (await peer.response()).status == Status.SUCCESS
        assert (await peer.response()).status == Status.SUCCESS


async def test_many_messages_in_few_records_are_all_answered(tmp_path, site):
    """None may stay behind decrypted while the socket is silent."""
    async with secured(tmp_path, site, window=64) as service:
        async with secure_peer(service.port, site.client("ct1")) as peer:
            await peer.associate()
            await peer.send(b"".join(message(1, echo_request(number)) for number in range(1000)))
            for number in range(1000):
                assert (await peer.response()).message_id_being_responded_to == number


# ---- who may not come in ----


async def refused(service, context):
    """Whether a peer with that context gets no answer to its request."""
    try:
        async with secure_peer(service.port, context) as peer:
            await peer.send(association_request().encode())
            return await peer.receive() is None
    except (trio.BrokenResourceError, ssl.SSLError):
        return True


def stranger(site):
    return site.client("stranger", authority=trustme.CA())


def expired(site):
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    return site.client("expired", not_after=yesterday)


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (Site.client, "peer did not return a certificate"),
        (stranger, "certificate verify failed"),
        (expired, "certificate verify failed"),
    ],
    ids=["none", "of another authority", "expired"],
)
async def test_a_peer_without_a_good_certificate_is_turned_away_and_the_log_says_why(
    tmp_path, site, logged, client, reason
):
    async with secured(tmp_path, site) as service:
        assert await refused(service, client(site))
        await until(lambda: any(one["event"] == "TLS handshake failed" for one in logged))
        (entry,) = [one for one in logged if one["event"] == "TLS handshake failed"]
        assert entry["reason"].startswith(reason)
        assert entry["hint"]
        assert entry["address"] == HOST
        assert not await refused(service, site.client("ct1"))


async def test_a_certificate_may_be_left_out_where_it_is_optional_but_not_be_wrong(tmp_path, site):
    shown = []
    async with secured(tmp_path, site, require_certificate=False, shown=shown) as service:
        assert not await refused(service, site.client())
        assert await refused(service, stranger(site))
        assert not await refused(service, site.client("ct1"))
    assert shown[0] is None
    assert "ct1" in shown[1].names


async def test_without_authorities_peers_are_not_asked(tmp_path, site):
    shown = []
    async with secured(tmp_path, site, authorities=None, shown=shown) as service:
        assert not await refused(service, stranger(site))
    assert shown == [None]


async def test_a_peers_own_certificate_may_stand_in_for_its_authority(tmp_path, site):
    modality, _ = site.issue("modality")
    async with secured(tmp_path, site, authorities=modality) as service:
        assert await refused(service, site.client("another"))
        context = site.client()
        context.load_cert_chain(modality, site.folder / "modality-key.pem")
        assert not await refused(service, context)


async def test_old_versions_are_turned_away(tmp_path, site, logged):
    context = site.client("ct1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with secured(tmp_path, site, minimum_version=0x0304) as service:
        assert await refused(service, context)
        await until(lambda: logged)
    assert "unsupported protocol" in [one.get("reason") for one in logged]


@pytest.mark.parametrize("junk", [association_request().encode(), b"GET / HTTP/1.1\r\n\r\n", bytes(100)])
async def test_who_does_not_speak_tls_is_closed(tmp_path, site, junk):
    async with secured(tmp_path, site) as service:
        peer = await RawPeer.connect(service.port)
        await peer.send(junk)
        with trio.fail_after(5), contextlib.suppress(trio.BrokenResourceError):
            while await peer.stream.receive_some():  # an alert may come before the end
                pass
        await peer.close()
        assert not await refused(service, site.client("ct1"))


async def test_a_client_hello_on_the_plain_port_is_closed(tmp_path, site):
    async with serving(tmp_path) as service:
        with pytest.raises((ssl.SSLError, trio.BrokenResourceError)):
            async with secure_peer(service.port, site.client("ct1")) as peer:
                await peer.associate()
        async with service.peer() as peer:
            assert await peer.echo() == Status.SUCCESS


async def test_a_peer_silent_in_its_handshake_is_closed_while_others_are_served(tmp_path, site):
    async with secured(tmp_path, site, tls_handshake_timeout=0.3) as service:
        silent = [await RawPeer.connect(service.port) for _ in range(50)]
        await silent[0].send(b"\x16\x03\x01")
        async with secure_peer(service.port, site.client("ct1")) as peer:
            await peer.associate()
            assert await peer.echo() == Status.SUCCESS
        with trio.fail_after(5):
            for each in silent:
                with contextlib.suppress(trio.BrokenResourceError):
                    assert await each.stream.receive_some() == b""
                await each.close()
        await until(lambda: service.acceptor.associations == 0)


# ---- how it ends ----


@pytest.mark.parametrize("how", ["close_notify", "FIN", "RST", "garbage"])
async def test_a_peer_that_goes_in_mid_data_set_leaves_nothing(tmp_path, site, how):
    data_set = data_set_of_length(500_000)
    async with secured(tmp_path, site) as service:
        async with secure_peer(service.port, site.client("ct1")) as peer:
            await peer.associate()
            await peer.send(message(3, store_request(), data_set)[:300_000])
            await until(service.parts)
            tcp = peer.stream.transport_stream
            if how == "RST":
                tcp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if how == "garbage":
                await tcp.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
                await until(lambda: service.acceptor.associations == 0)
            if how == "close_notify":
                await peer.close()
            await tcp.aclose()
        await until(lambda: service.acceptor.associations == 0)
        assert service.files() == []
        assert service.parts() == []


async def test_a_peer_that_reads_nothing_is_cut_off(tmp_path, site):
    async with secured(tmp_path, site) as service:
        async with secure_peer(service.port, site.client("ct1")) as peer:
            await peer.associate()
            echoes = message(1, echo_request()) * 1000
            with contextlib.suppress(trio.BrokenResourceError), trio.fail_after(30):
                while True:
                    await peer.send(echoes)
        await until(lambda: service.acceptor.associations == 0)


async def test_the_end_is_told_by_close_notify(tmp_path, site):
    async with secured(tmp_path, site, deadline=0) as service:
        tcp = await trio.open_tcp_stream(HOST, service.port)
        peer = RawPeer(trio.SSLStream(tcp, site.client("ct1"), server_hostname=HOST))  # insists on it
        await peer.associate()
        service.nursery.start_soon(service.acceptor.drain)
        assert type(await peer.receive()).__name__ == "Abort"
        assert await peer.receive() is None
        await tcp.aclose()


async def test_what_was_acknowledged_before_the_end_stays(tmp_path, site):
    async with secured(tmp_path, site) as service:
        async with secure_peer(service.port, site.client("ct1")) as peer:
            await peer.associate()
            assert await peer.store(DATA_SET) == Status.SUCCESS
        await until(lambda: service.acceptor.associations == 0)
        assert data_set_of(service.files()[0]) == DATA_SET


async def test_new_files_are_taken_for_new_connections(tmp_path, site):
    old, new = site.issue("old"), site.issue("new")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(old[0].read_bytes())
    key.write_bytes(old[1].read_bytes())

    async def name_shown():
        async with secure_peer(service.port, site.client("ct1")) as peer:
            await peer.associate()
            subject = dict(part[0] for part in peer.stream.getpeercert()["subject"])
            return subject["commonName"]

    async with secured(tmp_path, site, certificate=certificate, key=key) as service:
        assert await name_shown() == "old"
        async with secure_peer(service.port, site.client("ct1")) as before:
            await before.associate()
            certificate.write_bytes(new[0].read_bytes())
            key.write_bytes(new[1].read_bytes())
            assert service.credentials.reload(time.time())
            assert await name_shown() == "new"
            assert await before.echo() == Status.SUCCESS
            await before.send(message(1, echo_request()))
            assert isinstance(await before.receive(), PDataTF)
