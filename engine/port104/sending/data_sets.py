"""Data sets that a program made with pydicom, encoded for the wire by pynetdicom's dsutils."""

from typing import Any

from port104 import uids
from port104.storage.part10 import DEFLATED
from port104.wire.proposal import Syntaxes


class EncodedDataSet:
    """A data set in memory; satisfies net.outgoing.DataSet."""

    def __init__(self, data_set: Any) -> None:
        """Encode a pydicom.Dataset in the transfer syntax of its `file_meta`.

        Where that names none it is Explicit VR Little Endian. Raises ValueError where the data set has no
        SOP class or instance UID, or cannot be encoded.
        """
        self.syntaxes = syntaxes_of(data_set)
        self.sop_instance_uid = str(data_set.get("SOPInstanceUID") or "")
        if not self.sop_instance_uid:
            raise ValueError("the data set has no SOP Instance UID (0008,0018)")
        self._encoded = _encode(data_set, self.syntaxes.transfer_syntax)
        self.length = len(self._encoded)

    async def read(self) -> bytes:
        """All of it, and then nothing."""
        data, self._encoded = self._encoded, b""
        return data


def syntaxes_of(data_set: Any) -> Syntaxes:
    """The presentation context that a pydicom.Dataset needs. Raises ValueError where it has no SOP class."""
    sop_class_uid = str(data_set.get("SOPClassUID") or "")
    if not sop_class_uid:
        raise ValueError("the data set has no SOP Class UID (0008,0016)")
    meta = getattr(data_set, "file_meta", None)
    transfer_syntax = meta.get("TransferSyntaxUID") if meta else None
    return Syntaxes(sop_class_uid, str(transfer_syntax or uids.EXPLICIT_VR_LITTLE_ENDIAN))


def _encode(data_set: Any, transfer_syntax: str) -> bytes:
    from pynetdicom.dsutils import encode  # noqa: PLC0415 - only who sends data sets pays for it

    encoded: bytes | None = encode(
        data_set,
        transfer_syntax == uids.IMPLICIT_VR_LITTLE_ENDIAN,
        transfer_syntax != uids.EXPLICIT_VR_BIG_ENDIAN,
        transfer_syntax in DEFLATED,
    )
    if encoded is None:
        raise ValueError(f"the data set cannot be encoded in transfer syntax {transfer_syntax}")
    return encoded
