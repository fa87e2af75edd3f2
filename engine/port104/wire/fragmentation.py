"""Cuts messages into P-DATA-TF PDUs that the peer can receive (PS3.8 9.3.5, annex D.1, annex E)."""

import struct

from port104.errors import LocalProtocolError

_PDU = struct.Struct(">BxIIBB")
_P_DATA_TF = 4
# What a PDU's length counts besides the fragment: PDV item length, context ID, control header.
_OVERHEAD = 6
_HEADERS = _PDU.size  # of one PDU with one PDV
# Our own cap where the peer states none: larger PDUs gained nothing and cost memory at both ends.
UNLIMITED = 256 * 1024
# The shortest maximum length that leaves room for a fragment, which has an even length (PS3.8 E.1).
SMALLEST = _OVERHEAD + 2

COMMAND = 1  # message control header, PS3.8 E.2
LAST = 2


def fragments(context_id: int, data: bytes, control: int, *, maximum_length: int, last: bool = True) -> bytes:
    """Encode `data` as whole PDUs of one PDV each.

    `control`: COMMAND or 0. `maximum_length`: what the peer stated, 0 = unlimited. `last`: whether the
    command set or data set ends here. Raises LocalProtocolError where the peer's maximum leaves no room.
    """
    room = _room(maximum_length)
    if room < 1:
        raise LocalProtocolError(
            f"the peer receives PDUs of at most {maximum_length} bytes, in which nothing fits"
        )
    if len(data) <= room:
        return _pdu(context_id, data, control | LAST if last else control)
    pdus = []
    for at in range(0, len(data), room):
        ends = last and at + room >= len(data)
        pdus.append(_pdu(context_id, data[at : at + room], control | LAST if ends else control))
    return b"".join(pdus)


def portion(maximum_length: int, most: int) -> int:
    """Bytes of a data set that become at most `most` bytes, in PDUs as full as the peer and `most` allow."""
    room = min(_room(maximum_length), (most - _HEADERS) & ~1)
    return most // (room + _HEADERS) * room


def _room(maximum_length: int) -> int:
    """Bytes of a message in a PDU that the peer can receive, an even number."""
    return (min(maximum_length or UNLIMITED, UNLIMITED) - _OVERHEAD) & ~1


def _pdu(context_id: int, fragment: bytes, control: int) -> bytes:
    length = len(fragment)
    return _PDU.pack(_P_DATA_TF, length + _OVERHEAD, length + 2, context_id, control) + fragment
