"""Before an association: 1 to 10 of the reference."""

from hostile import crafted
from hostile.case import Case, Fin, Rst, Send, Trickle
from hostile.crafted import pdu, request

REQUEST = request()
# What other protocols begin with.
STRANGERS = {
    "http": b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "smb": b"\x00\x00\x00\x54\xffSMB" + bytes(32),
    "hl7": b"\x0bMSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.3\r\x1c\r",
    "proxy-v1": b"PROXY TCP4 10.0.0.1 10.0.0.2 40000 104\r\n" + REQUEST,
    "proxy-v2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + REQUEST,
}
CLIENT_HELLO = bytes.fromhex(
    "160301007b010000770303" + "5a" * 32 + "00"  # record and handshake header, TLS 1.2, no session
    "0006130113021303" + "0100"  # cipher suites, no compression
    "0048002b0003020304000a00040002001d000d000400020403"  # versions, groups, signature algorithms
    "003300260024001d0020" + "a5" * 32 + "ff01000100"  # key share, renegotiation
)
TLS_ENDS = ("PDU 15", "AB0")  # a TLS alert, where the port speaks TLS

SILENT = (
    Case(1, "silence", (), "CL", waits=True),
    *(
        Case(2, f"{length}-bytes-and-silence", (Send(REQUEST[:length]),), "CL", waits=True)
        for length in (1, 2, 3, 4, 5, 6, 7, 73, 74, len(REQUEST) - 1)
    ),
    Case(2, "lone-header-of-64-kib-and-silence", (Send(pdu(crafted.RQ, length=65536)),), "CL", waits=True),
    Case(3, "a-byte-at-a-time", (Trickle(REQUEST, 0.05),), "CL", waits=True),
    Case(
        3,
        "a-large-request-in-pieces",
        (Trickle(request(*[crafted.item(0x7F, bytes(60_000))] * 15), 0.05, 16_384),),
        "CL",
        waits=True,
    ),
    Case(
        3,
        "a-byte-at-a-time-of-a-large-one",
        (Trickle(request(*[crafted.item(0x7F, bytes(60_000))] * 15)[:200], 0.05),),
        "CL",
        waits=True,
    ),
)

LENGTHS = (
    *(
        Case(4, f"request-of-{length}-bytes", (Send(pdu(crafted.RQ, bytes(length))),), "AB0")
        for length in (0, 1, 2, 3, 4, 16, 66, 67)
    ),
    *(
        Case(5, f"request-states-{length:08X}", (Send(pdu(crafted.RQ, REQUEST[6:], length=length)),), "AB0")
        for length in (0xFFFFFFFF, 0xFFFFFFFE, 0x80000000, 0x7FFFFFFF, 0x10000000, 0x01000000)
    ),
    Case(
        5,
        "request-states-FFFFFFFF-and-4-mib-come",
        (Send(pdu(crafted.RQ, REQUEST[6:] + bytes(1 << 22), length=0xFFFFFFFF)),),
        "AB0",
    ),
)

TYPES = (
    *(
        Case(6, f"type-{kind:02X}", (Send(pdu(kind, bytes(4))),), "AB0")
        for kind in (0x00, 0x08, 0x09, 0x10, 0x7F, 0x80, 0x81, 0xFE, 0xFF)
    ),
    *(
        Case(6, f"type-{kind:02X}-of-length-{length:X}", (Send(pdu(kind, length=length)),), "AB0")
        for kind in (0x00, 0x08, 0xFF)
        for length in (0, 0xFFFFFFFF)
    ),
    *(Case(6, f"stranger-{name}", (Send(sent),), "AB0", ("CL",)) for name, sent in STRANGERS.items()),
)

# Over TLS the first two are what its first records hold.
TLS = (
    Case(7, "client-hello-on-the-plain-port", (Send(CLIENT_HELLO),), "AB0", ("CL",)),
    Case(7, "half-a-client-hello", (Send(CLIENT_HELLO[:40]),), "AB0", ("CL",)),
    Case(8, "plain-request", (Send(REQUEST),), "CL", TLS_ENDS, naked=True),
    Case(8, "no-handshake", (), "CL", TLS_ENDS, waits=True, naked=True),
    *(
        Case(
            8,
            f"{length}-bytes-of-a-client-hello",
            (Send(CLIENT_HELLO[:length]),),
            "CL",
            TLS_ENDS,
            waits=True,
            naked=True,
        )
        for length in (1, 5, 40)
    ),
    Case(
        8,
        "client-hello-a-byte-at-a-time",
        (Trickle(CLIENT_HELLO, 0.05),),
        "CL",
        TLS_ENDS,
        waits=True,
        naked=True,
    ),
    *(
        Case(8, f"stranger-{name}", (Send(sent), Fin()), "CL", TLS_ENDS, naked=True)
        for name, sent in STRANGERS.items()
    ),
    Case(8, "fin-in-the-handshake", (Send(CLIENT_HELLO[:40]), Fin()), "CL", TLS_ENDS, naked=True),
    Case(8, "rst-in-the-handshake", (Send(CLIENT_HELLO[:40]), Rst()), "CL", naked=True),
)

UNEXPECTED = (
    Case(9, "accept-first", (Send(request(kind=crafted.AC)),), "AB0"),
    Case(9, "reject-first", (Send(crafted.reject()),), "AB0"),
    Case(9, "data-first", (Send(crafted.echo()),), "AB0"),
    Case(9, "data-of-no-length-first", (Send(crafted.data()),), "AB0"),
    Case(9, "data-states-FFFFFFFF-first", (Send(crafted.data(length=0xFFFFFFFF)),), "AB0"),
    Case(9, "release-first", (Send(crafted.release()),), "AB0"),
    Case(9, "release-response-first", (Send(crafted.release(crafted.RELEASE_RP)),), "AB0"),
    Case(9, "abort-first", (Send(crafted.abort()),), "CL"),
    Case(9, "abort-of-length-0-first", (Send(pdu(crafted.ABORT)),), "AB0", ("CL",)),
    Case(9, "data-behind-the-rejected-request", (Send(request(version=2) + crafted.echo()),), "RJ 1/2/2"),
)

BROKEN_OFF = tuple(
    Case(10, f"{name}-after-{length}-bytes", (Send(REQUEST[:length]), end), "CL", ("AB0",))
    for name, end in (("fin", Fin()), ("rst", Rst()))
    for length in (0, 1, 5, 6, 7, 74, len(REQUEST) // 2, len(REQUEST) - 1)
)
WHOLE = (
    # After a whole request a FIN ends only what the requestor says (PS3.8 9.1.4 leaves the answer open).
    Case(10, "fin-after-the-request", (Send(REQUEST), Fin()), "CL", ("AB0",)),
    Case(10, "rst-after-the-request", (Send(REQUEST), Rst()), "CL"),
)

CASES = (*SILENT, *LENGTHS, *TYPES, *TLS, *UNEXPECTED, *BROKEN_OFF, *WHOLE)
