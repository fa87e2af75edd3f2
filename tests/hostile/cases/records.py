"""TLS itself, broken in the handshake and after it: more of 8 of the reference."""

import struct

from hostile import crafted
from hostile.case import Associate, Beneath, Case, Fin, Rst, Send, Trickle
from hostile.cases.before import CLIENT_HELLO, TLS_ENDS
from hostile.crafted import STORE, command, data, image, message, pdv, store_command

CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION_DATA = range(20, 24)  # content types (RFC 8446 5.1)


def record(content_type, content=b"", *, version=0x0303, length=None):
    """A TLS record in the clear, or one that no key of the session made."""
    return struct.pack(">BHH", content_type, version, len(content) if length is None else length) + content


def _hello(**changes):
    """A ClientHello with fields changed: bytes at places of CLIENT_HELLO."""
    hello = bytearray(CLIENT_HELLO)
    for place, value in changes.items():
        at = int(place[1:])
        hello[at : at + len(value)] = value
    return bytes(hello)


_HANDSHAKES = {
    "hello-twice": CLIENT_HELLO * 2,
    "hello-then-application-data": CLIENT_HELLO + record(APPLICATION_DATA, crafted.request()),
    "hello-then-junk": CLIENT_HELLO + b"\xff" * 100,
    "hello-then-an-alert": CLIENT_HELLO + record(ALERT, b"\x02\x28"),
    "hello-then-close-notify": CLIENT_HELLO + record(ALERT, b"\x01\x00"),
    "hello-without-a-known-suite": _hello(_46=b"\xfa\xfa\xfb\xfb\xfc\xfc"),
    "hello-with-compression-of-255": _hello(_52=b"\xff"),
    "hello-states-16-mib": record(HANDSHAKE, b"\x01\xff\xff\xff" + bytes(200)),
    "hello-of-nothing": record(HANDSHAKE, b"\x01\0\0\0"),
    "hello-of-zeros": record(HANDSHAKE, b"\x01\0\0\xc8" + bytes(200)),
    "hello-whose-session-is-too-long": _hello(_43=b"\xff"),
    "hello-whose-extensions-overrun": _hello(_54=b"\xff\xff"),
    "hello-of-ssl-2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),
    "hello-of-ssl-3": _hello(_1=b"\3\0", _9=b"\3\0"),
    "record-states-FFFF": record(HANDSHAKE, CLIENT_HELLO, length=0xFFFF),
    "record-over-its-limit": record(HANDSHAKE, bytes(20_000)),
    "record-of-version-FFFF": record(HANDSHAKE, CLIENT_HELLO[5:], version=0xFFFF),
    "empty-records": record(HANDSHAKE) * 100,
    "alerts": record(ALERT, b"\x01\x5a") * 100,
    "change-cipher-first": record(CHANGE_CIPHER, b"\1") * 100,
    "application-data-first": record(APPLICATION_DATA, crafted.request()),
    "heartbeat": record(24, b"\x01\x40\x00"),
}
HANDSHAKES = tuple(
    Case(8, name, (Send(sent), Fin()), "CL", TLS_ENDS, naked=True) for name, sent in _HANDSHAKES.items()
)
# Each begins well, and does not end.
UNENDED = (
    Case(8, "hello-and-silence", (Send(CLIENT_HELLO),), "CL", TLS_ENDS, waits=True, naked=True),
    Case(
        8,
        "empty-records-without-end",
        (Send(CLIENT_HELLO[:40]), Trickle(record(CHANGE_CIPHER, b"\1") * 1_000, 0.02, 6)),
        "CL",
        TLS_ENDS,
        waits=True,
        naked=True,
    ),
)

_FOREIGN = {
    "junk": b"GET / HTTP/1.1\r\n\r\n",
    "record-of-no-key": record(APPLICATION_DATA, bytes(100)),
    "record-of-nothing": record(APPLICATION_DATA),
    "record-states-FFFF": record(APPLICATION_DATA, bytes(100), length=0xFFFF),
    "record-over-its-limit": record(APPLICATION_DATA, bytes(20_000)),
    "alert-in-the-clear": record(ALERT, b"\x02\x28"),
    "hello-in-the-clear": CLIENT_HELLO,
    "change-cipher": record(CHANGE_CIPHER, b"\1"),
    "heartbeat-that-asks-for-16-kib": record(24, b"\x01\x40\x00"),
    "request-in-the-clear": crafted.request(),
    "abort-in-the-clear": crafted.abort(),
}
_STORED = b"1.2.3.8"
_BEGUN = Send(
    message(STORE, command(store_command(_STORED)))
    + data(pdv(STORE, 0, image(_STORED, b"\1" * 100_000)[:16_000])) * 3
)
# A stream of records that is broken is at its end, wherever it was. Nothing more can be said in it.
ESTABLISHED = tuple(
    Case(
        8,
        f"{name}-{where}",
        (Associate(), *begun, Beneath(foreign)),
        "CL",
        ("AB0",),
        before=((_STORED, image(_STORED)),) if begun else (),
    )
    for where, begun in (("when-idle", ()), ("in-a-data-set", (_BEGUN,)))
    for name, foreign in _FOREIGN.items()
)
_HALF = record(APPLICATION_DATA, bytes(1_000))[:500]
HALF_RECORDS = tuple(
    Case(
        8,
        f"half-a-record-and-{name}-{where}",
        (Associate(), *begun, Beneath(_HALF), *end),
        "CL" if end else "AB0",
        ("AB0", "CL"),
        before=((_STORED, image(_STORED)),) if begun else (),
        waits=not end,
    )
    for where, begun in (("when-idle", ()), ("in-a-data-set", (_BEGUN,)))
    for name, end in (("silence", ()), ("fin", (Fin(),)), ("rst", (Rst(),)))
)

CASES = (*HANDSHAKES, *UNENDED, *ESTABLISHED, *HALF_RECORDS)
