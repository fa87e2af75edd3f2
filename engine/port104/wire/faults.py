"""What a peer can break before a PDU is decoded: PDU headers, and the framing that native/pdata.c checks.

Each fault carries the A-ABORT reason that answers it (PS3.8 9.3.8).
"""

from port104 import native
from port104.errors import RemoteProtocolError
from port104.wire.items import invalid, unexpected
from port104.wire.pdu import PDUType
from port104.wire.states import Evt

_UNRECOGNISED_PDU = 1

# 128 contexts of 100 transfer syntaxes each take 0.9 MiB; no peer comes near.
_ASSOCIATE_CAP = 1 << 20
_ASSOCIATE_FIXED = 68  # protocol version, AE titles and reserved bytes (PS3.8 9.3.2, 9.3.3)
_SHORT_PDU = 4  # A-ASSOCIATE-RJ, A-RELEASE-RQ, A-RELEASE-RP, A-ABORT (PS3.8 9.3.4, 9.3.6 to 9.3.8)

EVENT_OF: dict[int, Evt] = {
    PDUType.ASSOCIATE_RQ: Evt.EVT6,
    PDUType.ASSOCIATE_AC: Evt.EVT3,
    PDUType.ASSOCIATE_RJ: Evt.EVT4,
    PDUType.DATA_TF: Evt.EVT10,
    PDUType.RELEASE_RQ: Evt.EVT12,
    PDUType.RELEASE_RP: Evt.EVT13,
    PDUType.ABORT: Evt.EVT16,
}

# What stands in the place of a PDU's type and length where "PROXY " or the signature of version 2 comes.
_PROXY_HEADERS = ((0x50, 0x4F585920), (0x0D, 0x0D0A000D))
PROXY_HEADER = "it begins as a header of the PROXY protocol does"


def header_fault(pdu_type: int, length: int) -> RemoteProtocolError | None:
    """Why a PDU of this type cannot state this length, in bytes; None where it can."""
    if (pdu_type, length) in _PROXY_HEADERS:
        return RemoteProtocolError(PROXY_HEADER, reason=_UNRECOGNISED_PDU)
    if pdu_type not in EVENT_OF:
        return RemoteProtocolError(f"{pdu_type:02X}H is no PDU type", reason=_UNRECOGNISED_PDU)
    if pdu_type in (PDUType.ASSOCIATE_RQ, PDUType.ASSOCIATE_AC):
        possible = _ASSOCIATE_FIXED <= length <= _ASSOCIATE_CAP
    else:  # P-DATA-TF comes here only where the state has no use for it, whatever its length
        possible = length == _SHORT_PDU or pdu_type == PDUType.DATA_TF
    return None if possible else invalid(f"a {PDUType(pdu_type).name} PDU states {length} bytes")


def scan_fault(found: int) -> RemoteProtocolError:
    """Describe a fault that the link's scanner found."""
    if found == native.FAULT_PDU_LENGTH:
        return invalid("P-DATA-TF is longer than the maximum length that we stated")
    if found == native.FAULT_PDV_LENGTH:
        return invalid("a PDV item does not fit its P-DATA-TF PDU")
    return unexpected("a fragment came that the message in progress does not ask for")
