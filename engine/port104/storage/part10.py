"""File Meta Information (PS3.10 7.1) as far as an association decides it; native/meta.c writes it.

What names the instance is written per instance there; what is the same for all that come over one
association is encoded here, once.
"""

import struct

from port104.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLEMENTATION_CLASS,
    IMPLEMENTATION_VERSION,
)

_SHORT_ELEMENT = struct.Struct("<HH2sH")


def encode_origin(*, calling_ae_title: str, called_ae_title: str) -> bytes:
    """The elements (0002,0012) to (0002,0018): what wrote the file, who sent it and who received it.

    (0002,0016) and (0002,0017) name the sender, as the tools of the field do, (0002,0018) the receiver
    (PS3.10 table 7.1-1).
    """
    return (
        _element(0x0012, b"UI", IMPLEMENTATION_CLASS)
        + _element(0x0013, b"SH", IMPLEMENTATION_VERSION)
        + _element(0x0016, b"AE", calling_ae_title)
        + _element(0x0017, b"AE", calling_ae_title)
        + _element(0x0018, b"AE", called_ae_title)
    )


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
        *DEFLATED,
    }


DEFLATED = frozenset(
    {
        "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
    }
)
"""Transfer syntaxes whose data sets are deflated from their first byte (PS3.5 A.5, A.7, A.8)."""
