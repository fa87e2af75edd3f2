"""Data sets in every encoding, and command sets whose elements come twice: more of 47, 54, 55 and 56.

What was read first must not be what is acted on: whoever looks twice takes the same one of two.
"""

import struct
import zlib

from hostile import crafted
from hostile.case import Associate, Case, Send
from hostile.cases.established import sent
from hostile.cases.instances import ENDED, FAILURES
from hostile.crafted import (
    DEFLATED_STORE,
    EXPLICIT,
    IMPLICIT,
    SECONDARY_CAPTURE,
    STORE,
    UNHEARD_OF,
    command,
    context,
    element,
    image,
    message,
    store,
    store_command,
    tag,
    uid,
    with_context,
)

BIG_ENDIAN = b"1.2.840.10008.1.2.2"
JPEG = b"1.2.840.10008.1.2.4.50"
CONTEXT = 11
UNDEFINED = 0xFFFFFFFF
_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
_ENDS = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
_PIXELS = len(tag(0x7FE0, 0x0010, b"OB", bytes(64)))


def implicit(group, number, value, *, length=None):
    """An element in implicit VR little endian."""
    return struct.pack("<HHI", group, number, len(value) if length is None else length) + value


def big(group, number, vr, value, *, length=None):
    """An element in explicit VR big endian."""
    return struct.pack(">HH2sH", group, number, vr, len(value) if length is None else length) + value


def _implicit_image(own, behind=b""):
    uids = implicit(0x0008, 0x0016, uid(SECONDARY_CAPTURE)) + implicit(0x0008, 0x0018, uid(own))
    return uids + implicit(0x0020, 0x000D, b"1.2.3.4.61") + behind


def _big_image(own):
    return big(0x0008, 0x0016, b"UI", uid(SECONDARY_CAPTURE)) + big(0x0008, 0x0018, b"UI", uid(own))


_SEQUENCE = implicit(0x0040, 0xA730, b"", length=UNDEFINED) + _ITEM
_SEQUENCE_BEFORE = implicit(0x0008, 0x0006, b"", length=UNDEFINED) + _ITEM
_FRAGMENTS = tag(0x7FE0, 0x0010, b"OB", b"", length=UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
_STRANGE = {
    IMPLICIT: {
        "right": _implicit_image,
        "10000-sequences-deep": lambda own: _implicit_image(own, _SEQUENCE * 10_000 + _ENDS * 10_000),
        "10000-sequences-deep-before-the-uids": lambda own: (
            _SEQUENCE_BEFORE * 10_000 + _ENDS * 10_000 + _implicit_image(own)
        ),
        "element-states-FFFFFFFF": lambda own: (
            implicit(0x0008, 0x0005, b"x" * 8, length=UNDEFINED) + _implicit_image(own)
        ),
        "uid-states-FFFFFFFF": lambda own: implicit(0x0008, 0x0018, own, length=UNDEFINED),
        "uid-states-80000000": lambda own: implicit(0x0008, 0x0018, own, length=0x80000000),
        "pixels-state-FFFFFFFE": lambda own: _implicit_image(
            own, implicit(0x7FE0, 0x0010, b"x", length=0xFFFFFFFE)
        ),
        "group-0000-inside": lambda own: implicit(0x0000, 0x0100, b"\1\0") + _implicit_image(own),
        "group-0002-inside": lambda own: implicit(0x0002, 0x0010, b"1.2\0") + _implicit_image(own),
        "cut-in-a-header": lambda own: _implicit_image(own)[:-15],
        "in-explicit-vr": image,
        "zeros": lambda _: bytes(1_000),
        "FF": lambda _: b"\xff" * 1_000,
    },
    EXPLICIT: {"in-implicit-vr": _implicit_image, "in-big-endian": _big_image},
    BIG_ENDIAN: {
        "right": _big_image,
        "in-little-endian": image,
        "zeros": lambda _: bytes(1_000),
        "FF": lambda _: b"\xff" * 1_000,
        "cut-in-a-value": lambda own: _big_image(own)[:-3],
        "uid-states-FFFF": lambda own: big(0x0008, 0x0018, b"UI", own, length=0xFFFF),
    },
    JPEG: {
        "fragment-states-FFFFFFF0": lambda own: (
            image(own)[:-_PIXELS] + _FRAGMENTS + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFF0) + b"abcd"
        ),
        "no-end-of-fragments": lambda own: image(own)[:-_PIXELS] + _FRAGMENTS,
        "pixels-not-encapsulated": image,
    },
    UNHEARD_OF: {"FF": lambda _: b"\xff" * 1_000, "nothing": lambda _: b""},
}
_NAMES = {
    IMPLICIT: "implicit",
    EXPLICIT: "explicit",
    BIG_ENDIAN: "big-endian",
    JPEG: "jpeg",
    UNHEARD_OF: "private",
}


def _in(syntax, number, name, own, content, pinned, allowed=FAILURES):
    """A case of a data set for `own` on a context of this transfer syntax, which others may refuse."""
    request = with_context(context(CONTEXT, SECONDARY_CAPTURE, syntax))
    steps = (Associate(request), Send(store(own, content, number=CONTEXT)))
    return Case(number, f"{_NAMES[syntax]}-{name}", steps, pinned, (*allowed, *ENDED), stores=1)


def _strange(syntax, name, make):
    own = b"1.2.3.55.%d" % zlib.crc32(syntax + name.encode())
    return _in(syntax, 55, name, own, make(own), "OK")


STRANGE = tuple(
    _strange(syntax, name, make) for syntax, makes in _STRANGE.items() for name, make in makes.items()
)
OTHER_UIDS = (
    _in(IMPLICIT, 54, "of-another-instance", b"1.2.3.54.1", _implicit_image(b"1.2.3.540"), "A900", ("OK",)),
    _in(IMPLICIT, 54, "of-a-path", b"1.2.3.54.1", _implicit_image(b"../x"), "A900", ("OK",)),
)


def _deflated(content):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(content) + deflate.flush()


def _bomb_before_the_uids(own):
    """Zeros of 1 GiB, in an element that comes before the UIDs."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [deflate.compress(tag(0x0008, 0x0001, b"UN", b"", length=1 << 30))]
    parts.append(deflate.flush(zlib.Z_FULL_FLUSH))
    mebibyte = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return b"".join([*parts, mebibyte * 1024, deflate.compress(image(own)), deflate.flush()])


_DEFLATED = {
    "right": lambda own: _deflated(image(own)),
    "cut-off": lambda own: _deflated(image(own) * 50)[:-5],
    "with-a-zlib-header": lambda own: zlib.compress(image(own)),
    "with-a-gzip-header": lambda own: zlib.compress(image(own), wbits=31),
    "and-bytes-behind": lambda own: _deflated(image(own)) + b"x" * 1_000,
    "of-one-byte": lambda _: b"\3",
    "of-FF": lambda _: b"\xff" * 1_000,
    "bomb-before-the-uids": _bomb_before_the_uids,
}
DEFLATED = tuple(
    sent(
        56,
        f"deflated-{name}",
        message(DEFLATED_STORE, command(store_command(own)), make(own)),
        "OK",
        (*FAILURES, *ENDED),
        stores=1,
    )
    for number, (name, make) in enumerate(_DEFLATED.items())
    for own in (b"1.2.3.56.%d" % number,)
)


def _twice(name, tail, pinned, own, *, data_set=True, **changes):
    """A C-STORE-RQ with an element more, that was there before: the last counts, for everything."""
    command_set = command(store_command(own, **changes), tail=tail)
    content = message(STORE, command_set, image(own) if data_set else None)
    return sent(47, f"{name}-twice", content, pinned, ("OK", *FAILURES, *ENDED), stores=1)


TWICE = (
    _twice("sop-instance-a-path", element(0x1000, b"../x"), "0117", b"1.2.3.47.1"),
    _twice("sop-instance-good", element(0x1000, b"1.2.3.47.2"), "OK", b"1.2.3.47.2", e1000=b"../x"),
    _twice("sop-class-another", element(0x0002, uid(crafted.CT_IMAGE)), "0122", b"1.2.3.47.3"),
    _twice("data-set-type-none", element(0x0800, 0x0101), "AB 5", b"1.2.3.47.4"),
    _twice("data-set-type", element(0x0800, 1), "OK", b"1.2.3.47.5", e0800=0x0101),
    _twice("command-field-store", element(0x0100, 1), "OK", b"1.2.3.47.6", e0100=0x0030),
    _twice("message-id", element(0x0110, 0x7777), "OK", b"1.2.3.47.7"),
    _twice("move-originator", element(0x1030, b"\xff\n" * 8), "OK", b"1.2.3.47.8", e1030=b"A"),
)

CASES = (*STRANGE, *OTHER_UIDS, *DEFLATED, *TWICE)
