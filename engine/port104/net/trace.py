"""`logDataPDUs`: logs the header of every PDU that comes, and of every PDV in it (PS3.8 9.3.1, 9.3.5).

Headers name lengths, presentation contexts and message control bits; no byte of a command or data
set is logged. This reader follows the bytes beside the native scanner and judges nothing.
"""

import structlog

from port104.wire.pdu import PDUType

log = structlog.get_logger("port104.pdu")

_HEADER = 6  # of a PDU (PS3.8 9.3.1) and of a PDV item with its control header (PS3.8 9.3.5.1, E.2)
_NAMES = {int(kind): kind.name for kind in PDUType}


class PDUTrace:
    """Call it with the bytes of one connection, as they come."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._header = bytearray()
        self._pdu_left = 0  # bytes of a P-DATA-TF PDU in which PDV items are still to be found
        self._skip = 0  # bytes to pass over

    def __call__(self, data: bytes) -> None:
        """Log the headers that end in `data`."""
        position = 0
        while position < len(data):
            if self._skip:
                passed = min(self._skip, len(data) - position)
                self._skip -= passed
                position += passed
                continue
            taken = data[position : position + _HEADER - len(self._header)]
            self._header += taken
            position += len(taken)
            if len(self._header) == _HEADER:
                self._read_header()
                self._header.clear()

    def _read_header(self) -> None:
        if self._pdu_left:
            self._read_pdv()
        else:
            self._read_pdu()

    def _read_pdu(self) -> None:
        number = self._header[0]
        length = int.from_bytes(self._header[2:6], "big")
        name = _NAMES.get(number, f"{number:02X}H")
        log.info("PDU received", address=self._address, type=name, length=length)
        if number == PDUType.DATA_TF and length >= _HEADER:
            self._pdu_left = length
        else:
            self._skip = length

    def _read_pdv(self) -> None:
        length = int.from_bytes(self._header[:4], "big")
        control = self._header[5]
        log.info(
            "PDV received",
            address=self._address,
            length=length,
            context=self._header[4],
            message="command" if control & 1 else "data set",
            last=bool(control & 2),
        )
        self._skip = min(max(length - 2, 0), self._pdu_left - _HEADER)
        self._pdu_left -= _HEADER + self._skip
        if self._pdu_left < _HEADER:
            self._skip += self._pdu_left
            self._pdu_left = 0
