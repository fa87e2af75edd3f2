"""The PROXY header: whole, byte by byte, with bytes of the client behind it, and wrong."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.net.proxy_protocol import SIGNATURE, HeaderReader, Origin, ProxyHeaderError


def version_2(command, family, body, version=2):
    return SIGNATURE + struct.pack(">BBH", version << 4 | command, family, len(body)) + body


def addresses(source, destination="::", ports=(40000, 104)):
    kind = ipaddress.ip_address(source)
    other = ipaddress.ip_address(destination if kind.version == 6 else "10.0.0.1")
    return kind.packed + other.packed + struct.pack(">HH", *ports)


HEADERS = {
    "1, IPv4": (b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 104\r\n", "10.1.2.3"),
    "1, IPv6": (b"PROXY TCP6 fd00::5 fd00::1 40000 104\r\n", "fd00::5"),
    "1, the longest": (b"PROXY UNKNOWN" + b" " + b"f" * 91 + b"\r\n", None),
    "1, unknown": (b"PROXY UNKNOWN\r\n", None),
    "1, ports 0": (b"PROXY TCP4 10.1.2.3 10.0.0.1 0 65535\r\n", "10.1.2.3"),
    "2, IPv4": (version_2(1, 0x11, addresses("10.1.2.3")), "10.1.2.3"),
    "2, IPv6": (version_2(1, 0x21, addresses("fd00::5")), "fd00::5"),
    "2, with more": (version_2(1, 0x11, addresses("10.1.2.3") + b"\x03\x00\x04abcd"), "10.1.2.3"),
    "2, health check": (version_2(0, 0x00, b""), None),
    "2, health check with addresses": (version_2(0, 0x11, addresses("10.1.2.3")), None),
    "2, unspecified": (version_2(1, 0x00, b"whatever"), None),
    "2, UDP": (version_2(1, 0x12, addresses("10.1.2.3")), None),
    "2, Unix socket": (version_2(1, 0x31, bytes(216)), None),
    "2, the longest": (version_2(1, 0x11, addresses("10.1.2.3") + bytes(4084)), "10.1.2.3"),
}
WRONG = {
    "a DICOM PDU": b"\x01\x00\x00\x00\x00\xd1\x00\x01",
    "a TLS hello": b"\x16\x03\x01\x02\x00",
    "HTTP": b"POST / HTTP/1.1\r\n",
    "lower case": b"proxy TCP4 10.1.2.3 10.0.0.1 40000 104\r\n",
    "no address": b"PROXY TCP4\r\n",
    "LF alone": b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 104\n",
    "two blanks": b"PROXY  TCP4 10.1.2.3 10.0.0.1 40000 104\r\n",
    "one field too many": b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 104 1\r\n",
    "another protocol": b"PROXY UDP4 10.1.2.3 10.0.0.1 40000 104\r\n",
    "other family": b"PROXY TCP4 fd00::5 fd00::1 40000 104\r\n",
    "a name": b"PROXY TCP4 localhost 10.0.0.1 40000 104\r\n",
    "octal": b"PROXY TCP4 010.1.2.3 10.0.0.1 40000 104\r\n",
    "a port too high": b"PROXY TCP4 10.1.2.3 10.0.0.1 65536 104\r\n",
    "a signed port": b"PROXY TCP4 10.1.2.3 10.0.0.1 +1 104\r\n",
    "a padded port": b"PROXY TCP4 10.1.2.3 10.0.0.1 01 104\r\n",
    "no ASCII": b"PROXY TCP4 10.1.2.\xb3 10.0.0.1 40000 104\r\n",
    "too long a line": b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    "no end": b"PROXY UNKNOWN " + b"f" * 200,
    "version 1 in binary": version_2(1, 0x11, addresses("10.1.2.3"), version=1),
    "version 3": version_2(1, 0x11, addresses("10.1.2.3"), version=3),
    "an unknown command": version_2(2, 0x11, addresses("10.1.2.3")),
    "too long a body": version_2(1, 0x11, addresses("10.1.2.3") + bytes(4085)),
    "no room for IPv4": version_2(1, 0x11, bytes(11)),
    "no room for IPv6": version_2(1, 0x21, bytes(35)),
}


def read(pieces):
    """What a header says and how many bytes it took."""
    reader, taken = HeaderReader(), 0
    for piece in pieces:
        count = reader.take(piece)
        assert 0 <= count <= len(piece)
        taken += count
        if reader.origin is not None:
            break
        assert count == len(piece)
    return reader.origin, taken


@pytest.mark.parametrize("behind", [b"", b"\x01\x00\x00", b"\r\n", b"PROXY UNKNOWN\r\n"])
@pytest.mark.parametrize(("header", "address"), HEADERS.values(), ids=HEADERS)
def test_a_header_is_taken_and_not_a_byte_more(header, address, behind):
    sent = header + behind
    assert read([sent]) == (Origin(address), len(header))
    assert read([sent[at : at + 1] for at in range(len(sent))]) == (Origin(address), len(header))


@pytest.mark.parametrize(("header", "address"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_goes_on_is_not_there_yet(header, address):
    assert read([header[:-1]]) == (None, len(header) - 1)


@pytest.mark.parametrize("sent", WRONG.values(), ids=WRONG)
def test_what_is_no_header_is_a_fault(sent):
    with pytest.raises(ProxyHeaderError):
        read([sent])
    with pytest.raises(ProxyHeaderError):
        read([sent[at : at + 1] for at in range(len(sent))])


@given(st.ip_addresses(), st.integers(1, 20), st.binary(max_size=5), st.sampled_from([1, 2]))
def test_every_address_arrives_however_it_is_cut(address, size, behind, version):
    family = 0x11 if address.version == 4 else 0x21
    text = f"PROXY TCP{address.version} {address} {address} 1 2\r\n".encode()
    header = text if version == 1 else version_2(1, family, addresses(str(address)))
    sent = header + behind
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    origin, taken = read(pieces)
    assert taken == len(header)
    assert ipaddress.ip_address(origin.address) == address


@given(st.one_of(st.binary(), st.binary().map(SIGNATURE.__add__), st.binary().map(b"PROXY ".__add__)))
def test_any_bytes_are_a_header_or_a_fault_however_they_are_cut(sent):
    outcomes = []
    for pieces in ([sent], [sent[at : at + 1] for at in range(len(sent))]):
        try:
            outcomes.append(read(pieces) if sent else None)
        except ProxyHeaderError:
            outcomes.append("fault")
    assert outcomes[0] == outcomes[1]
