"""C-STORE commands and data sets that are wrong in what they say: 51 to 57 of the reference."""

import functools
import struct
import zlib

from hostile.case import Associate, Case, Send
from hostile.crafted import (
    ABSENT,
    CT_IMAGE,
    DEFLATED_STORE,
    SECONDARY_CAPTURE,
    VERIFICATION,
    command,
    image,
    message,
    store,
    store_command,
    tag,
    uid,
)

# A C-STORE that is refused: any failure of PS3.7 annex C and PS3.4 table B.2-1 will do elsewhere.
FAILURES = ("0110", "0117", "0122", "0124", "0210", "0211", "0212", "A700 FF00", "A900 FF00", "C000 F000")
ENDED = ("AB0",)


def stored(number, name, sent, pinned, allowed=(), **more):
    """A case that sends `sent` on an established association."""
    return Case(number, name, (Associate(), Send(sent)), pinned, allowed, **more)


ABSENT_UIDS = (
    stored(51, "sop-class-absent", store(b"1.2.3.4.5", e0002=ABSENT), "0212", (*FAILURES, *ENDED)),
    stored(51, "sop-instance-absent", store(b"1.2.3.4.5", e1000=ABSENT), "0212", (*FAILURES, *ENDED)),
    stored(51, "both-absent", store(b"1.2.3.4.5", e0002=ABSENT, e1000=ABSENT), "0212", (*FAILURES, *ENDED)),
    stored(51, "sop-class-empty", store(b"1.2.3.4.5", e0002=b""), "0212", (*FAILURES, *ENDED)),
    stored(51, "sop-instance-empty", store(b"1.2.3.4.5", e1000=b""), "0212", (*FAILURES, *ENDED)),
    stored(51, "sop-instance-all-nul", store(b"1.2.3.4.5", e1000=bytes(8)), "0212", (*FAILURES, *ENDED)),
    stored(51, "sop-instance-all-spaces", store(b"1.2.3.4.5", e1000=b" " * 8), "0212", (*FAILURES, *ENDED)),
    stored(51, "sop-instance-with-nul", store(b"1.2.3.511"), "OK", stores=1),
)

_MALFORMED = {
    "letters": b"1.2.CT",
    "two-dots": b"1.2..3",
    "dot-first": b".1.2.3",
    "dot-last": b"1.2.3.",
    "one-dot": b".",
    "leading-zero": b"1.2.03",
    "zeros": b"00",
    "space-inside": b"1.2 3",
    "space-first": b" 1.2.3",
    "comma": b"1,2,3",
    "negative": b"1.-2.3",
    "high-bytes": b"1.2.\xff\xfe",
    "line-feed": b"1.2\n.3",
}
_PATHS = {
    "parent": b"../x",
    "parent-of-parent": b"../../../../tmp/port104-was-here",
    "absolute": b"/etc/x",
    "absolute-of-this-machine": b"/tmp/port104-was-here",
    "two-dots-only": b"..",
    "slash": b"1.2/3",
    "backslash": b"..\\..\\x",
    "drive": b"C:\\x",
    "semicolon": b"a;b",
    "command": b"$(touch /tmp/port104-was-here)",
    "backticks": b"`id`",
    "pipe": b"1.2|id",
    "nul-inside": b"1.2\x00.3",
    "nul-then-path": b"1.2\x00/../x",
    "nul-first": b"\x001.2.3",
    "format": b"%s%n%x",
    "template": b"{0.__class__}",
    "markup": b"<script>",
    "65-characters": b"1." * 32 + b"1",
    "66-characters": b"2.25." + b"1" * 61,
    "1000-characters": b"1." * 499 + b"12",
    "60000-characters": b"1" * 60_000,
    "escape": b"\x1b[2J",
    "forged-log-line": b'1\r\n{"level": 1}',
}
MALFORMED_UIDS = (
    *(
        stored(51, f"sop-instance-{name}", store(b"1.2.3.4.5", e1000=value), "0117", (*FAILURES, *ENDED))
        for name, value in _MALFORMED.items()
    ),
    *(
        stored(53, f"sop-instance-{name}", store(b"1.2.3.4.5", e1000=value), "0117", (*FAILURES, *ENDED))
        for name, value in _PATHS.items()
    ),
    stored(51, "sop-instance-of-64-characters", store(b"2.25." + b"1" * 59), "OK", stores=1),
    stored(51, "sop-instance-one-component", store(b"0"), "OK", stores=1),
)

CLASSES = tuple(
    stored(52, f"sop-class-{name}", store(b"1.2.3.4.5", e0002=uid(value)), "0122", (*FAILURES, *ENDED))
    for name, value in {
        "of-another-image": CT_IMAGE,
        "verification": VERIFICATION,
        "longer": SECONDARY_CAPTURE + b".1",
        "shorter": SECONDARY_CAPTURE[:-2],
        "letters": b"1.2.CT",
        "path": b"../../x",
        "65-characters": b"1." * 32 + b"1",
        "private": b"1.2.3.4",
    }.items()
)


# What an image ends with: the Pixel Data, which sequences and others stand in for here.
_PIXELS = 76


def _head(instance):
    return image(instance)[:-_PIXELS]


def _nested(instance, depth, *, close):
    """An image with sequences of undefined length in each other, closed or not."""
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = tag(0x0040, 0xA730, b"SQ", b"", length=0xFFFFFFFF) + item
    return _head(instance) + sequence * depth + (_DELIMITERS * depth if close else b"")


def _nested_in_lengths(instance, depth):
    """Sequences in each other, each of a stated length that is right."""
    content = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
        content = tag(0x0040, 0xA730, b"SQ", item)
    return _head(instance) + content


_DELIMITERS = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
_PATH = b"../port104-was-here"
# Name -> the data set of an instance, as a function of its UID.
_STRANGE = {
    "10000-sequences-deep": lambda own: _nested(own, 10_000, close=True),
    "10000-sequences-deep-and-not-closed": lambda own: _nested(own, 10_000, close=False),
    "1000-sequences-deep-of-stated-length": lambda own: _nested_in_lengths(own, 1_000),
    "cut-in-a-header": lambda own: image(own)[:3],
    "cut-in-a-value": lambda own: image(own)[:20],
    "cut-in-the-pixels": lambda own: image(own)[:-7],
    "of-one-byte": lambda _: b"\x08",
    "of-odd-length": lambda own: image(own) + b"\0",
    "group-0000-inside": lambda own: tag(0x0000, 0x0100, b"US", b"\1\0") + image(own),
    "group-0002-inside": lambda own: tag(0x0002, 0x0010, b"UI", b"1.2\0") + image(own),
    "group-0002-behind": lambda own: image(own) + tag(0x0002, 0x0010, b"UI", b"1.2\0"),
    "part-10-file": lambda own: bytes(128) + b"DICM" + tag(0x0002, 0, b"UL", bytes(4)) + image(own),
    "zeros": lambda _: bytes(1000),
    "FF": lambda _: b"\xff" * 1000,
    "text": lambda _: b"<html>" * 200,
    "element-states-FFFFFFFF": lambda _: tag(0x0009, 0x0010, b"OB", b"x" * 8, length=0xFFFFFFFF),
    "pixels-state-FFFFFFFE": lambda own: _head(own) + tag(0x7FE0, 0x0010, b"OB", b"x", length=0xFFFFFFFE),
    "pixels-state-80000000": lambda own: _head(own) + tag(0x7FE0, 0x0010, b"OB", b"x", length=0x80000000),
    "elements-descending": lambda own: tag(0x0020, 0x000D, b"UI", b"1.2\0") + image(own),
    "elements-twice": lambda own: _head(own) * 2,
    "unknown-vr": lambda own: tag(0x0008, 0x0005, b"ZZ", b"ab") + image(own),
    "vr-of-nul": lambda own: tag(0x0008, 0x0005, b"\0\0", b"ab") + image(own),
    "implicit-vr": lambda own: struct.pack("<HHI", 8, 0x18, len(uid(own))) + uid(own),
    "stray-delimiters": lambda own: _DELIMITERS + image(own),
    "stray-item": lambda own: struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + image(own),
    "unknown-character-set": lambda own: tag(0x0008, 0x0005, b"CS", b"ISO_IR 9999 ") + image(own),
    "broken-utf-8": lambda own: (
        tag(0x0008, 0x0005, b"CS", b"ISO_IR 192")
        + _head(own)
        + tag(0x0032, 0x4000, b"LT", b"\xff\xfe\xc0\x80")
    ),
    "uid-of-60000-characters": lambda own: _head(own) + tag(0x0020, 0x0052, b"UI", b"1" * 60_000),
    "study-uid-path": lambda own: tag(0x0008, 0x0018, b"UI", uid(own)) + tag(0x0020, 0x000D, b"UI", _PATH),
    "patient-id-path": lambda _: tag(0x0010, 0x0020, b"LO", _PATH),
    "20000-small-elements": lambda _: b"".join(tag(0x0009, 0x1000 + n, b"LO", b"") for n in range(20_000)),
}


def _strange(name, make):
    own = b"1.2.3.55.%d" % zlib.crc32(name.encode())
    sent = store(own, make(own))
    return stored(55, f"data-set-{name}", sent, "OK", (*FAILURES, *ENDED), stores=1)


STRANGE_DATA_SETS = (
    *(_strange(name, make) for name, make in _STRANGE.items()),
    # A data set that is not looked into is stored as it came; who looks may refuse it.
    stored(55, "data-set-empty", store(b"1.2.3.55", b""), "OK", (*FAILURES, *ENDED), stores=1),
)


@functools.cache
def _bomb(gibibytes):
    """A deflated image of so many GiB of zeros; it has a thousandth of that."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    pixels = tag(0x7FE0, 0x0010, b"OB", b"", length=gibibytes << 30)
    start = deflate.compress(_head(b"1.2.3.56") + pixels) + deflate.flush(zlib.Z_FULL_FLUSH)
    mebibyte = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return start + mebibyte * (gibibytes << 10) + deflate.flush()


BOMBS = (
    stored(
        56,
        "deflate-bomb-of-1-gib",
        message(DEFLATED_STORE, command(store_command(b"1.2.3.56")), _bomb(1)),
        "OK",
        (*FAILURES, *ENDED),
        stores=1,
    ),
    stored(
        56,
        "not-deflated-at-all",
        message(DEFLATED_STORE, command(store_command(b"1.2.3.561")), image(b"1.2.3.561")),
        "OK",
        (*FAILURES, *ENDED),
        stores=1,
    ),
)


def _other(name, data_set, pinned="A900", allowed=("OK", *FAILURES), **more):
    """A data set for 1.2.3.54 that names other UIDs than the command, or none."""
    return stored(
        54, f"data-set-{name}", store(b"1.2.3.54", data_set), pinned, (*allowed, *ENDED), stores=1, **more
    )


OTHER_UIDS = (
    _other("of-another-instance", image(b"1.2.3.540")),
    _other("of-a-shorter-uid", image(b"1.2.3.5")),
    _other("of-another-class", image(b"1.2.3.54", sop_class=CT_IMAGE)),
    _other("of-another-class-and-instance", image(b"1.2.3.55", sop_class=CT_IMAGE)),
    _other("of-a-path", image(b"../port104-was-here")),
    _other("of-another-instance-and-300-kib", image(b"1.2.3.540", bytes(300_000))),
    stored(
        54,
        "data-set-uid-padded-with-a-space",
        store(b"1.2.3.541", image(b"1.2.3.541 ")),
        "OK",
        FAILURES,
        stores=1,
    ),
    _other("uid-padded-with-nuls", image(b"1.2.3.54\0\0"), "OK", FAILURES),
    _other("without-uids", tag(0x0008, 0x0060, b"CS", b"OT"), "OK", FAILURES),
)

# What the test's engine keeps at most (dicom.scp.maximumObjectSize); the reference's cap is any.
OBJECT_LIMIT = 2 << 20
_WITHOUT_PIXELS = len(image(b"1.2.3.57.2", b""))


def _sized(extra):
    """A data set of so many bytes more than the limit."""
    return image(b"1.2.3.57.2", bytes(OBJECT_LIMIT - _WITHOUT_PIXELS + extra))


# Elsewhere no limit was set, so that to store it is right.
TOO_LARGE = (
    stored(57, "data-set-of-the-limit", store(b"1.2.3.57.2", _sized(0)), "OK", FAILURES, stores=1),
    *(
        stored(
            57,
            f"data-set-{extra}-bytes-over",
            store(b"1.2.3.57.2", _sized(extra)),
            "A700",
            ("OK", *FAILURES),
            stores=1,
        )
        for extra in (1, 2, OBJECT_LIMIT)
    ),
    stored(
        57,
        "pixels-state-80000000",
        store(
            b"1.2.3.57.3",
            _head(b"1.2.3.57.3") + tag(0x7FE0, 0x0010, b"OB", bytes(OBJECT_LIMIT), length=1 << 31),
        ),
        "A700",
        ("OK", *FAILURES, *ENDED),
        stores=1,
    ),
)

CASES = (*ABSENT_UIDS, *MALFORMED_UIDS, *CLASSES, *OTHER_UIDS, *STRANGE_DATA_SETS, *BOMBS, *TOO_LARGE)
