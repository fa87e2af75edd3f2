"""Command sets: 45 to 50 of the reference."""

import struct

from hostile import crafted
from hostile.case import Associate, Case, Flood
from hostile.cases.established import ECHO_SET, STORE_SET, sent
from hostile.crafted import (
    COMMAND,
    ECHO,
    LAST,
    STORE,
    command,
    data,
    echo_command,
    element,
    fragments,
    image,
    message,
    pdv,
    store_command,
)

ENDLESS = (
    *(
        Case(
            45,
            f"command-without-end-on-context-{number}-of-{len(fragment)}-bytes-at-a-time",
            (
                Associate(),
                Flood(data(pdv(number, COMMAND, fragment)) * times, 400_000 // (len(fragment) * times)),
            ),
            "AB 6",
            ("AB0",),
        )
        for number in (ECHO, STORE)
        for fragment, times in ((bytes(16_000), 1), (bytes(100), 1), (bytes(2), 100))
    ),
    sent(
        45,
        "command-of-more-than-64-kib",
        fragments(ECHO, COMMAND, command(echo_command(), tail=element(0x0902, bytes(70_000)))),
        "AB 6",
        ("OK", "AB0"),
    ),
    sent(
        45,
        "command-of-60-kib",
        fragments(ECHO, COMMAND, command(echo_command(), tail=element(0x0902, bytes(60_000)))),
        "OK",
        ("AB0",),
    ),
)

GROUP_LENGTHS = (
    *(
        sent(
            46,
            f"group-length-{name}",
            message(ECHO, leading + command(echo_command(), group_length=False)),
            "OK",
        )
        for name, leading in (
            ("absent", b""),
            ("0", element(0, bytes(4))),
            ("FFFFFFFF", element(0, b"\xff" * 4)),
            ("one-too-small", element(0, struct.pack("<I", len(ECHO_SET) - 13))),
            ("one-too-large", element(0, struct.pack("<I", len(ECHO_SET) - 11))),
        )
    ),
    sent(
        46,
        "group-length-of-a-store-absent",
        message(STORE, command(store_command(b"1.2.3.46"), group_length=False), image(b"1.2.3.46")),
        "OK",
        stores=1,
    ),
)

BROKEN_COMMANDS = (
    *(
        sent(
            47,
            f"element-{extra}-bytes-too-long",
            message(ECHO, command(echo_command(), tail=element(0x1000, b"1.2.", length=4 + extra))),
            "AB 6",
            ("AB0",),
        )
        for extra in (1, 2, 1000)
    ),
    *(
        sent(
            47,
            f"element-states-{length:08X}",
            message(ECHO, command(echo_command(), tail=element(0x1000, b"1.2.", length=length))),
            "AB 6",
            ("AB0",),
        )
        for length in (0xFFFFFFFF, 0xFFFFFFFE, 0x80000000, 0x7FFFFFFF)
    ),
    *(
        sent(
            47,
            f"{count}-bytes-of-an-element",
            message(ECHO, command(echo_command(), tail=bytes(count))),
            "AB 6",
            ("AB0",),
        )
        for count in range(1, 8)
    ),
    sent(
        47,
        "element-of-another-group",
        message(ECHO, command(echo_command(), tail=element(0x0018, b"1.2.", group=8))),
        "AB 6",
        ("AB0", "OK"),
    ),
    sent(
        47,
        "element-of-undefined-length-in-a-store",
        message(STORE, command(store_command(b"1.2.3.47"), tail=element(0x1031, b"", length=0xFFFFFFFF))),
        "AB 6",
        ("AB0",),
    ),
    *(
        sent(
            47,
            f"command-field-of-{length}-bytes",
            message(ECHO, command(echo_command(e0100=bytes(length)))),
            "AB 6",
            ("AB0",),
        )
        for length in (0, 1, 4)
    ),
    sent(
        47,
        "message-id-of-4-bytes",
        message(ECHO, command(echo_command(e0110=bytes(4)))),
        "AB 6",
        ("AB0", "OK"),
    ),
    sent(47, "empty-command", data(pdv(ECHO, COMMAND | LAST)), "AB 6", ("AB0",)),
    sent(47, "command-of-zeros", message(ECHO, bytes(64)), "AB 6", ("AB0",)),
    sent(47, "command-of-FF", message(ECHO, b"\xff" * 64), "AB 6", ("AB0",)),
    sent(
        47,
        "command-in-explicit-vr",
        message(ECHO, crafted.tag(0, 0x0100, b"US", b"\x30\0")),
        "AB 6",
        ("AB0",),
    ),
)

_UNKNOWN_OPERATION = ("AB0", "0110", "0122", "0210", "0211", "0212", "A900 FF00", "C000 F000", "OK")
COMMAND_FIELDS = (
    sent(48, "no-command-field", message(ECHO, command(echo_command(e0100=None))), "AB 6", ("AB0",)),
    sent(48, "no-data-set-type", message(ECHO, command(echo_command(e0800=None))), "AB 6", ("AB0",)),
    sent(48, "neither-field-nor-type", message(ECHO, command({0x0110: 1})), "AB 6", ("AB0",)),
    *(
        sent(
            48,
            f"command-field-{field:04X}",
            message(ECHO, command(echo_command(e0100=field))),
            "0211",
            _UNKNOWN_OPERATION,
        )
        for field in (0x0000, 0x0002, 0x0010, 0x0020, 0x0021, 0x0100, 0x0110, 0x0130, 0x0140, 0x0150, 0x7777)
    ),
    sent(
        48,
        "command-field-7777-with-a-data-set",
        message(STORE, command(store_command(b"1.2.3.4.5", e0100=0x7777)), b"abcd"),
        "0211",
        _UNKNOWN_OPERATION,
    ),
    sent(
        48,
        "store-on-the-verification-context",
        message(ECHO, STORE_SET, image(b"1.2.3.4.5")),
        "0122",
        _UNKNOWN_OPERATION[:-1],
    ),
    sent(48, "echo-on-the-storage-context", message(STORE, ECHO_SET), "OK", _UNKNOWN_OPERATION),
    *(
        sent(
            48,
            f"response-{field:04X}-unasked",
            message(ECHO, command({0x0100: field, 0x0120: 1, 0x0800: 0x0101, 0x0900: 0})),
            "OK",
            ("AB0",),
            answers=0,
        )
        for field in (0x8001, 0x8030, 0xFFFF)
    ),
    sent(
        48,
        "cancel-of-nothing",
        message(ECHO, command({0x0100: 0x0FFF, 0x0120: 1, 0x0800: 0x0101})),
        "OK",
        ("AB0",),
        answers=0,
    ),
    sent(49, "echo-with-a-data-set", message(ECHO, ECHO_SET, b"abcd"), "AB 5"),
    sent(
        49,
        "store-without-a-data-set-has-one",
        message(STORE, command(store_command(b"1.2.3.4.5", e0800=0x0101)), image(b"1.2.3.4.5")),
        "AB 5",
    ),
    sent(
        49,
        "store-without-a-data-set",
        message(STORE, command(store_command(b"1.2.3.4.5", e0800=0x0101))),
        "0212",
        _UNKNOWN_OPERATION[:-1],
    ),
    *(
        sent(
            49,
            f"data-set-type-{value:04X}",
            message(STORE, command(store_command(b"1.2.3.49", e0800=value)), image(b"1.2.3.49")),
            "OK",
            stores=1,
        )
        for value in (0x0000, 0x0102, 0xFFFF)
    ),
    # In one piece, so that the second is sent before the first can have been answered.
    sent(
        50,
        "message-id-in-use",
        crafted.store(b"1.2.3.50") + crafted.store(b"1.2.3.51"),
        "0210",
        answers=2,
        stores=1,
        whole=True,
    ),
)

CASES = (*ENDLESS, *GROUP_LENGTHS, *BROKEN_COMMANDS, *COMMAND_FIELDS)
