"""Storage commitment that cannot be (PS3.4 annex J): 62, beyond the reference."""

import struct

from hostile import crafted
from hostile.case import Associate, Case, Send
from hostile.crafted import ECHO_CONTEXT, IMPLICIT, USER, command, context, message, request, uid

COMMITMENT = b"1.2.840.10008.1.20.1"
INSTANCE = b"1.2.840.10008.1.20.1.1"
COMMIT = 9
REQUEST = request(crafted.APPLICATION, ECHO_CONTEXT, context(COMMIT, COMMITMENT, IMPLICIT), USER)
UNDEFINED = 0xFFFFFFFF

# What a peer without storage commitment answers, or one that says less.
_OTHERS = ("0110", "0112", "0113", "0115", "0117", "0122", "0123", "0211", "0212", "0213", "0124", "AB0")


def element(group, number, value, *, length=None):
    """An element, an item or a delimiter in implicit VR."""
    return struct.pack("<HHI", group, number, len(value) if length is None else length) + value


def action(**changes):
    """An N-ACTION-RQ."""
    usual = {
        0x0003: uid(COMMITMENT),
        0x0100: 0x0130,
        0x0110: 1,
        0x0800: 0x0001,
        0x1001: uid(INSTANCE),
        0x1008: 1,
    }
    return command(usual | {int(name[1:], 16): value for name, value in changes.items()})


def event(**changes):
    """An N-EVENT-REPORT-RQ."""
    usual = {
        0x0002: uid(COMMITMENT),
        0x0100: 0x0100,
        0x0110: 1,
        0x0800: 0x0001,
        0x1000: uid(INSTANCE),
        0x1002: 1,
    }
    return command(usual | {int(name[1:], 16): value for name, value in changes.items()})


TRANSACTION = element(8, 0x1195, uid(b"1.2.3.4.62"))
ITEM = element(
    0xFFFE,
    0xE000,
    element(8, 0x1150, uid(crafted.SECONDARY_CAPTURE)) + element(8, 0x1155, uid(b"1.2.3.4.63")),
)
REFERENCES = element(8, 0x1199, ITEM)
NESTED = (element(8, 0x1199, b"", length=UNDEFINED) + element(0xFFFE, 0xE000, b"", length=UNDEFINED)) * 5_000


def asked(name, data, pinned="0115", command_set=None):
    """A case that asks on the context of storage commitment."""
    sent = message(COMMIT, command_set or action(), data)
    return Case(62, name, (Associate(REQUEST), Send(sent)), pinned, _OTHERS)


CASES = (
    asked("no-transaction-uid", REFERENCES),
    asked("transaction-uid-of-letters", element(8, 0x1195, b"../../../") + REFERENCES),
    asked("transaction-uid-of-100-digits", element(8, 0x1195, b"1" * 100) + REFERENCES),
    asked("no-references", TRANSACTION),
    asked("no-items", TRANSACTION + element(8, 0x1199, b"")),
    asked("items-without-uids", TRANSACTION + element(8, 0x1199, element(0xFFFE, 0xE000, b""))),
    asked("no-data-set-at-all", b""),
    asked("noise", b"\xa5" * 1_000),
    asked("sequence-without-end", TRANSACTION + element(8, 0x1199, ITEM, length=UNDEFINED)),
    asked("item-longer-than-all", TRANSACTION + element(8, 0x1199, ITEM, length=0x7FFFFFFE)),
    asked("ten-thousand-sequences-in-each-other", TRANSACTION + NESTED),
    asked("ten-thousand-references-and-one", TRANSACTION + element(8, 0x1199, ITEM * 10_001), "0213"),
    asked("three-mebibytes", TRANSACTION + REFERENCES + element(9, 0x0010, bytes(3 << 20)), "0213"),
    asked("another-instance", TRANSACTION + REFERENCES, "0112", action(e1001=uid(b"1.2.3"))),
    asked("another-class", TRANSACTION + REFERENCES, "0122", action(e0003=uid(crafted.CT_IMAGE))),
    asked("another-action", TRANSACTION + REFERENCES, "0123", action(e1008=7)),
    asked("report-of-an-unknown-transaction", TRANSACTION + REFERENCES, "0115", event()),
    asked("report-of-noise", b"\xa5" * 1_000, "0115", event()),
    asked("report-of-another-event", TRANSACTION + REFERENCES, "0113", event(e1002=9)),
)
