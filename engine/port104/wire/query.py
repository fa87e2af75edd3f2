"""The identifier of a query: what is asked for, and what must match (PS3.4 C.2.2, C.4.1.1.3).

Only what queries are made of: elements with one value of a VR that has a length of 16 bits (PS3.5 7.1.2).
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from port104 import uids
from port104.errors import LocalProtocolError
from port104.wire.items import text

_TAG = struct.Struct("<HH")
_LENGTH_OF_16 = struct.Struct("<H")
_LENGTH_OF_32 = struct.Struct("<I")
_LONGEST_VALUE = 0xFFFE


class Key(NamedTuple):
    """An element of an identifier. `tag`: group << 16 | element; an empty value asks for what it is."""

    tag: int
    vr: str
    value: str = ""


def encode_identifier(keys: Iterable[Key], transfer_syntax: str) -> bytes:
    """Encode an identifier in Implicit or Explicit VR Little Endian (PS3.5 annex A).

    Raises LocalProtocolError where a value has characters beyond ISO 8859-1, or more than 65,534 of them.
    """
    is_implicit = transfer_syntax == uids.IMPLICIT_VR_LITTLE_ENDIAN
    return b"".join(_element(key, is_implicit=is_implicit) for key in sorted(keys))


def _element(key: Key, *, is_implicit: bool) -> bytes:
    value = text(key.value)
    if len(value) % 2:
        value += b"\0" if key.vr == "UI" else b" "
    if len(value) > _LONGEST_VALUE:
        raise LocalProtocolError(f"a value of VR {key.vr} has at most {_LONGEST_VALUE} bytes")
    tag = _TAG.pack(key.tag >> 16, key.tag & 0xFFFF)
    if is_implicit:
        return tag + _LENGTH_OF_32.pack(len(value)) + value
    return tag + key.vr.encode("ascii") + _LENGTH_OF_16.pack(len(value)) + value
