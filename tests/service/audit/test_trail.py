"""The audit trail of a running server, in a file and at a collector."""

import contextlib
import socket
import ssl
import struct
import zlib

import pytest
import trustme

from audit_reading import read_line, read_trail
from engine_process import engine, free_port
from port104.wire.command import Status
from port104.wire.pdu import PresentationContext
from raw_peer import SECONDARY_CAPTURE, VERIFICATION
from sender import Sender, element, image
from tls_peers import Site

PATIENT_ID = element(0x0010, 0x0020, b"LO", b"PAT-1 ")
EXPLICIT_BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
APPLICATION, ALERT, TRANSFERRED = "110100", "110113", "110104"


@pytest.fixture
def trail(tmp_path):
    return tmp_path / "audit.log"


@pytest.fixture
def start(tmp_path, trail):
    return lambda **changes: engine(tmp_path / "storage", **({"audit": {"file": str(trail)}} | changes))


def send(server, *instances, **request):
    with Sender(server.port, **request) as sender:
        for instance, data_set in instances:
            assert sender.store(instance, data_set) == Status.SUCCESS
        sender.release()


def messages(trail, event):
    return [message for message in read_trail(trail) if message.event == event]


def wait_for(server, trail, event, count=1):
    server.wait_for(lambda: trail.read_bytes().count(event.encode()) >= count)
    return messages(trail, event)


def test_start_and_stop(start, trail):
    with start() as server:
        (started,) = wait_for(server, trail, APPLICATION)
        assert server.terminate() == 0
    assert [message.type for message in read_trail(trail)] == ["110120", "110121"]
    assert started.participants == [(str(server.pid), "AETITLES=PORT104", None)]


def test_a_study_is_one_message(start, trail):
    with start() as server:
        study = [
            (f"1.2.{n}", image(f"1.2.{n}", bytes(1000), study="1.9", patient=PATIENT_ID)) for n in range(9)
        ]
        send(server, *study, ("1.3.1", image("1.3.1", b"pixels", study="1.8", patient=PATIENT_ID)))
        send(server, study[0], calling_ae_title="AGAIN")
        assert server.terminate() == 0
    first, other, again = messages(trail, TRANSFERRED)
    assert (first.objects, first.action) == ({"110180": "1.9", "2": "PAT-1"}, "C")
    assert first.sop_classes == {SECONDARY_CAPTURE: 9}
    assert first.participants[0] == ("PEER", "AETITLES=PEER", "127.0.0.1")
    assert first.participants[1] == (str(server.pid), "AETITLES=PORT104", None)
    assert other.objects["110180"] == "1.8"
    assert (again.action, again.participants[0][0]) == ("R", "AGAIN")


def test_an_instance_that_was_replaced(start, trail):
    local_ae = {"aeTitle": "PORT104", "overwriteSameInstance": True}
    with start(scp={"aeTitles": [local_ae]}) as server:
        send(server, ("1.2.1", image("1.2.1", b"one")))
        send(server, ("1.2.1", image("1.2.1", b"other")))
        assert server.terminate() == 0
    assert [message.action for message in messages(trail, TRANSFERRED)] == ["C", "U"]


def big_endian(group, number, vr, value):
    return struct.pack(">HH2sH", group, number, vr, len(value)) + value


def data_set_of(syntax, elements):
    if syntax == EXPLICIT_BIG:
        return b"".join(big_endian(*each) for each in elements)
    plain = b"".join(element(*each) for each in elements)
    deflating = zlib.compressobj(wbits=-15)
    return deflating.compress(plain) + deflating.flush()


@pytest.mark.parametrize("syntax", [EXPLICIT_BIG, DEFLATED])
def test_what_cannot_be_picked_while_it_passes_is_read(start, trail, syntax):
    elements = [
        (0x0008, 0x0016, b"UI", SECONDARY_CAPTURE.encode() + b"\0"),
        (0x0010, 0x0020, b"LO", b"PAT-2 "),
        (0x0020, 0x000D, b"UI", b"1.7\0"),
    ]
    contexts = (
        PresentationContext(1, VERIFICATION, (syntax,)),
        PresentationContext(3, SECONDARY_CAPTURE, (syntax,)),
    )
    with start() as server:
        send(server, ("1.2.1", data_set_of(syntax, elements)), presentation_contexts=contexts)
        assert server.terminate() == 0
    (message,) = messages(trail, TRANSFERRED)
    assert message.objects == {"110180": "1.7", "2": "PAT-2"}
    assert message.sop_classes == {SECONDARY_CAPTURE: 1}


def test_nothing_is_read_from_what_is_no_data_set(start, trail):
    contexts = (PresentationContext(3, SECONDARY_CAPTURE, (DEFLATED,)),)
    with start() as server:
        send(server, ("1.2.1", b"\xff" * 1000), presentation_contexts=contexts)
        assert server.terminate() == 0
    (message,) = messages(trail, TRANSFERRED)
    assert message.objects == {"110180": "<none>", "2": "<none>"}


def test_a_rejected_association_is_an_alert(start, trail):
    with start() as server:
        with pytest.raises(ConnectionError):
            Sender(server.port, called_ae_title="NOBODY", calling_ae_title="EVIL\x01\n<")
        (alert,) = wait_for(server, trail, ALERT)
    assert (alert.type, alert.outcome) == ("110126", "8")
    assert alert.objects == {"110182": "127.0.0.1"}
    assert alert.participants[1][0] == "EVIL\\x01\\x0a<"
    assert "NOBODY" in alert.description
    assert "1/1/3" in alert.description


def test_one_that_may_try_again_is_a_minor_one(start, trail):
    with start(scp={"maximumNumberOfAssociations": 1}) as server, Sender(server.port):
        with pytest.raises(ConnectionError):
            Sender(server.port)
        (alert,) = wait_for(server, trail, ALERT)
    assert alert.outcome == "4"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("160301020001")])
def test_bytes_that_are_no_dicom_are_an_alert(start, trail, data):
    with start() as server:
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(data)
            peer.recv(100)
        (alert,) = wait_for(server, trail, ALERT)
    assert alert.participants[1] == ("127.0.0.1", None, "127.0.0.1")


@pytest.fixture
def secured(tmp_path):
    """A site, and the settings of a TLS port on which peers must show its certificates."""
    site, port = Site(tmp_path), free_port()
    files = {
        "certificate": str(site.certificate),
        "key": str(site.key),
        "clientCertificateAuthorities": str(site.authorities),
    }
    return site, port, {"tls": {"enabled": True, "port": port} | files}


def shake_hands(port, context):
    """Try to speak TLS, and wait for the end."""
    peer = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(peer, do_handshake_on_connect=False, server_hostname="127.0.0.1") as secure:
        with contextlib.suppress(OSError):
            secure.do_handshake()
        wait_for_end(secure)


def wait_for_end(peer):
    with contextlib.suppress(OSError):
        while peer.recv(100):
            pass


def test_a_handshake_that_fails_is_an_alert(start, trail, secured):
    site, port, scp = secured
    with start(scp=scp) as server:
        server.wait_for(lambda: server.listens(port))
        shake_hands(port, site.client())
        shake_hands(port, site.client("stranger", trustme.CA()))
        shake_hands(port, ssl.create_default_context())
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            wait_for_end(peer)
        server.wait_for(lambda: len(messages(trail, ALERT)) == 4)
        alerts = messages(trail, ALERT)
    assert {(alert.type, alert.outcome) for alert in alerts} == {("110126", "8")}
    assert {alert.participants[1] for alert in alerts} == {("127.0.0.1", None, "127.0.0.1")}
    assert {alert.description for alert in alerts} == {
        "TLS handshake failed: peer did not return a certificate",
        "TLS handshake failed: certificate verify failed",
        "TLS handshake failed: tlsv1 alert unknown ca",
        "TLS handshake failed: http request",
    }


def test_health_checks_are_no_alert(start, trail, secured):
    _, port, scp = secured
    with start(scp=scp) as server:
        server.wait_for(lambda: server.listens(port))
        for checked in (server.port, port):
            socket.create_connection(("127.0.0.1", checked)).close()
        assert server.terminate() == 0
    assert messages(trail, ALERT) == []


def test_a_scan_of_the_tls_port_is_counted(start, trail, secured):
    site, port, scp = secured
    with start(scp=scp) as server:
        server.wait_for(lambda: server.listens(port))
        for _ in range(15):
            shake_hands(port, site.client())
        assert server.terminate() == 0
    alerts = messages(trail, ALERT)
    assert len(alerts) == 11
    assert "5 more associations failed" in alerts[-1].description


def test_a_flood_is_counted(start, trail):
    with start() as server:
        for _ in range(25):
            with pytest.raises(ConnectionError):
                Sender(server.port, called_ae_title="NOBODY")
        assert server.terminate() == 0
    alerts = messages(trail, ALERT)
    assert len(alerts) == 11
    assert "15 more associations failed" in alerts[-1].description


def test_a_collector_gets_the_same(tmp_path):
    with socket.socket(type=socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(5)
        address = {"host": "127.0.0.1", "port": collector.getsockname()[1], "transport": "udp"}
        audit = {"syslog": address, "sourceId": "gateway", "siteId": "Hospital"}
        with engine(tmp_path / "storage", audit=audit) as server:
            send(server, ("1.2.1", image("1.2.1", b"pixels")))
            assert server.terminate() == 0
        received = [read_line(collector.recv(65_507)) for _ in range(3)]
    assert [message.event for message in received] == [APPLICATION, TRANSFERRED, APPLICATION]
    source = received[0].xml.find("AuditSourceIdentification")
    assert (source.get("AuditSourceID"), source.get("AuditEnterpriseSiteID")) == ("gateway", "Hospital")


def test_a_collector_that_is_not_there_holds_up_nothing_but_the_stop(tmp_path):
    audit = {"syslog": {"host": "127.0.0.1", "port": free_port()}}
    with engine(tmp_path / "storage", audit=audit) as server:
        send(server, ("1.2.1", image("1.2.1", b"pixels")))
        assert server.terminate(15) == 0
        events = [entry["event"] for entry in server.log_entries()]
        assert "audit messages cannot be delivered" in events
        (lost,) = [
            entry for entry in server.log_entries() if entry["event"].startswith("audit messages lost")
        ]
        assert lost["count"] == 3


def test_nothing_is_recorded_unless_asked_for(tmp_path, start, trail):
    with start(audit={}) as server:
        send(server, ("1.2.1", image("1.2.1", b"pixels")))
        assert server.terminate() == 0
    assert not trail.exists()
