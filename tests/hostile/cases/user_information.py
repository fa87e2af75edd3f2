"""The user information of an A-ASSOCIATE-RQ: 29 to 34 of the reference."""

import struct

from hostile import crafted
from hostile.case import Associate, Case, Send
from hostile.crafted import APPLICATION, CONTEXTS, SECONDARY_CAPTURE, item, request, user, with_user

_UID = SECONDARY_CAPTURE
_SIZED_UID = struct.pack(">H", len(_UID)) + _UID


def asked(number, name, sub_items, pinned, allowed=(), **more):
    """A case that is one request with exactly these user information sub-items."""
    return Case(
        number, name, (Send(request(APPLICATION, *CONTEXTS, user(*sub_items))),), pinned, allowed, **more
    )


def beside(number, name, sub_item, pinned, allowed=(), **more):
    """A case that is one request with this sub-item beside the usual ones."""
    return Case(number, name, (Send(with_user(sub_item)),), pinned, allowed, **more)


def _maximum(value):
    return item(0x51, struct.pack(">I", value))


MAXIMUM_LENGTHS = (
    *(
        asked(29, f"maximum-length-of-{length}-bytes", (item(0x51, bytes(length)),), "AB0")
        for length in (1, 2, 3, 5, 6, 8)
    ),
    asked(29, "two-maximum-lengths", (_maximum(16384), _maximum(16384)), "AB0", ("OK",)),
    *(
        asked(30, f"maximum-length-{value:08X}", (_maximum(value), crafted.IMPLEMENTATION), "OK")
        for value in (0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0, 4096, 128, 16, 10, 9, 8)
    ),
    asked(30, "no-maximum-length", (crafted.IMPLEMENTATION,), "OK"),
    # What is sent to such a peer would have to be longer than it allows (PS3.8 D.1).
    *(
        Case(
            30,
            f"maximum-length-{value}-leaves-no-room",
            (
                Associate(request(APPLICATION, *CONTEXTS, user(_maximum(value), crafted.IMPLEMENTATION))),
                Send(crafted.echo()),
            ),
            "AB 6",
            ("AB0", "CL", "RJ"),
        )
        for value in (1, 2, 6, 7)
    ),
)

IMPLEMENTATION = (
    asked(31, "no-implementation-class", (crafted.MAXIMUM_LENGTH,), "OK", ("RJ",)),
    Case(31, "no-user-information", (Send(request(APPLICATION, *CONTEXTS)),), "OK", ("RJ", "AB0")),
    asked(
        31,
        "implementation-class-of-letters",
        (crafted.MAXIMUM_LENGTH, item(0x52, b"ACME")),
        "OK",
        ("RJ", "AB0"),
    ),
    asked(
        31,
        "implementation-class-of-65-characters",
        (crafted.MAXIMUM_LENGTH, item(0x52, b"1." * 32 + b"1")),
        "OK",
        ("RJ", "AB0"),
    ),
    beside(31, "version-name-of-17-characters", item(0x55, b"A" * 17), "OK", ("RJ", "AB0")),
    beside(31, "version-name-of-60000-characters", item(0x55, b"A" * 60_000), "OK", ("RJ", "AB0")),
    beside(31, "version-name-of-control-characters", item(0x55, b"\x1b[2J\r\n\x00\xff"), "OK", ("RJ", "AB0")),
    asked(31, "two-implementation-classes", (crafted.IMPLEMENTATION, crafted.IMPLEMENTATION), "AB0", ("OK",)),
)

# Lengths inside a sub-item that lead out of it, or leave bytes behind.
INNER_LENGTHS = (
    *(
        beside(32, f"role-uid-length-{name}", item(0x54, struct.pack(">H", length) + _UID + b"\1\0"), "AB0")
        for name, length in (
            ("1-too-long", len(_UID) + 1),
            ("2-too-long", len(_UID) + 2),
            ("3-too-long", len(_UID) + 3),
            ("FFFF", 0xFFFF),
            ("1-too-short", len(_UID) - 1),
            ("0", 0),
        )
    ),
    beside(32, "role-without-roles", item(0x54, _SIZED_UID), "AB0"),
    beside(32, "role-of-one-byte", item(0x54, b"\0"), "AB0"),
    *(
        beside(32, f"window-of-{length}-bytes", item(0x53, bytes(length)), "AB0")
        for length in (1, 2, 3, 5, 8)
    ),
    *(
        beside(
            32,
            f"extended-negotiation-uid-length-{length:X}",
            item(0x56, struct.pack(">H", length) + _UID),
            "AB0",
        )
        for length in (0, len(_UID) + 1, 0xFFFF)
    ),
    *(
        beside(32, f"common-extended-negotiation-{name}", item(0x57, content), "AB0", ("OK",))
        for name, content in (
            ("uid-overrun", b"\xff\xff" + _UID),
            ("service-class-overrun", _SIZED_UID + b"\xff\xff" + _UID),
            ("related-list-overrun", _SIZED_UID + _SIZED_UID + b"\xff\xff"),
            ("related-uid-overrun", _SIZED_UID + _SIZED_UID + b"\0\4\xff\xff1."),
            ("cut-off", _SIZED_UID),
        )
    ),
    *(
        beside(32, f"identity-{name}", item(0x58, content), "AB0", ("RJ", "OK"))
        for name, content in (
            ("of-one-byte", b"\1"),
            ("primary-overrun", b"\1\0\xff\xffname\0\0"),
            ("primary-1-too-long", b"\1\0\0\5name\0\0"),
            ("secondary-overrun", b"\2\0\0\4name\0\5pass"),
            ("secondary-absent", b"\1\0\0\4name"),
            ("trailing-byte", b"\1\0\0\4name\0\0\0"),
        )
    ),
    beside(32, "role-of-a-class-not-proposed", item(0x54, b"\0\x071.2.3.4\1\1"), "OK"),
    beside(32, "role-scp-proposed", item(0x54, _SIZED_UID + b"\0\1"), "OK"),
    beside(32, "role-values-FF", item(0x54, _SIZED_UID + b"\xff\xff"), "OK", ("AB0", "RJ")),
    Case(
        32, "1000-roles", (Send(with_user(*[item(0x54, _SIZED_UID + b"\1\1")] * 1000)),), "OK", ("AB0", "RJ")
    ),
    beside(
        32, "extended-negotiation-of-60000-bytes", item(0x56, _SIZED_UID + bytes(60_000)), "OK", ("AB0", "RJ")
    ),
    beside(32, "common-extended-negotiation", item(0x57, _SIZED_UID + _SIZED_UID + b"\0\0"), "OK"),
    beside(32, "identity-response-in-a-request", item(0x59, b"\0\2ok"), "OK", ("AB0", "RJ")),
)

WINDOWS = tuple(
    beside(
        34,
        f"window-{invoked:04X}-{performed:04X}",
        item(0x53, struct.pack(">HH", invoked, performed)),
        "OK",
        offered=(invoked, performed),
    )
    for invoked, performed in (
        (0xFFFF, 0xFFFF),
        (0, 0),
        (1, 1),
        (0, 1),
        (1, 0),
        (2, 0xFFFF),
        (0x8000, 0x8000),
    )
)

CASES = (*MAXIMUM_LENGTHS, *IMPLEMENTATION, *INNER_LENGTHS, *WINDOWS)
