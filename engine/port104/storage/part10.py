"""The bytes in front of a stored data set: preamble and File Meta Information (PS3.10 7.1).

Written by hand because it is on the way of every instance: all but the UIDs is the same for every
instance of one presentation context and is encoded once.
"""

import struct

from port104.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLEMENTATION_CLASS,
    IMPLEMENTATION_VERSION,
)

_PREAMBLE = bytes(128) + b"DICM"
_GROUP_LENGTH = struct.Struct("<HH2sHI")
_SHORT_ELEMENT = struct.Struct("<HH2sH")
# (0002,0001) File Meta Information Version OB: version 1.
_VERSION = struct.pack("<HH2sHI2s", 0x0002, 0x0001, b"OB", 0, 2, b"\x00\x01")


class Header:
    """Makes the header of every instance that comes on one presentation context.

    `calling_ae_title` sent it and `called_ae_title`, ours, received it (PS3.10 table 7.1-1:
    (0002,0016) and (0002,0017) name the sender, as the tools of the field do, (0002,0018) the receiver).
    """

    def __init__(
        self,
        *,
        sop_class_uid: str,
        transfer_syntax_uid: str,
        calling_ae_title: str,
        called_ae_title: str,
    ) -> None:
        self._before = _VERSION + _element(0x0002, b"UI", sop_class_uid)
        self._identity = _element(0x0010, b"UI", transfer_syntax_uid)
        self._after = (
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS)
            + _element(0x0013, b"SH", IMPLEMENTATION_VERSION)
            + _element(0x0016, b"AE", calling_ae_title)
            + _element(0x0017, b"AE", calling_ae_title)
            + _element(0x0018, b"AE", called_ae_title)
        )

    def encode(self, sop_instance_uid: str) -> tuple[bytes, int]:
        """Return the header, and where in it the part ends that tells one instance from another.

        Bytes from the group length element on to that end name SOP class, SOP instance and transfer
        syntax; what follows only says who sent it and may differ between two sendings.
        """
        identity = self._before + _element(0x0003, b"UI", sop_instance_uid) + self._identity
        group = identity + self._after
        length = _GROUP_LENGTH.pack(0x0002, 0x0000, b"UL", 4, len(group))
        start = _PREAMBLE + length
        return start + group, len(start) + len(identity)


def _element(number: int, vr: bytes, text: str) -> bytes:
    """One group 0002 element of explicit VR little endian; UI is padded with NUL, others with space."""
    value = text.encode("latin-1")
    if len(value) % 2:
        value += b"\x00" if vr == b"UI" else b" "
    return _SHORT_ELEMENT.pack(0x0002, number, vr, len(value)) + value


def is_little_endian_stream(transfer_syntax_uid: str) -> bool:
    """Whether a data set of this transfer syntax reads as little endian elements from its first byte.

    Not so for big endian, for the deflated syntaxes (PS3.5 A.5; JPIP, PS3.5 A.7 and A.8) and for
    private ones, of which nothing is known.
    """
    return transfer_syntax_uid.startswith("1.2.840.10008.1.2") and transfer_syntax_uid not in {
        EXPLICIT_VR_BIG_ENDIAN,
        *_DEFLATED,
    }


_DEFLATED = frozenset(
    {
        "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
    }
)
