"""Audit messages as syslog carries them (RFC 5424), and how TLS delimits them (RFC 5425).

Facility, severity and MSGID are those of PS3.15 A.6 and A.7.
"""

import msgspec

from port104.service.audit.messages import Outcome
from port104.service.log_format import timestamp

_FACILITY = 10  # security and authorization messages
_NOTICE, _WARNING = 5, 4  # "normal but significant", and what the two profiles allow beside it
_MESSAGE_ID = "DICOM+RFC3881"
_BOM = "\ufeff"  # RFC 5424 6.4: text in UTF-8 begins with it
_APPLICATION = "port104"
_LONGEST_HOST = 255


class Origin(msgspec.Struct, frozen=True):
    """Host name and process ID, for the header."""

    host: str
    process: str

    def line(self, message: str, outcome: Outcome, at: float) -> bytes:
        """Put the header before `message`; `at` is the Unix time of the event."""
        severity = _NOTICE if outcome is Outcome.SUCCESS else _WARNING
        header = (
            f"<{_FACILITY * 8 + severity}>1 {timestamp(at)} {_name(self.host)} {_APPLICATION}"
            f" {self.process} {_MESSAGE_ID} -"
        )
        return f"{header} {_BOM}{message}".encode()


def framed(line: bytes) -> bytes:
    """Write the octet count before it that tells where it ends in a stream (RFC 5425 4.3)."""
    return b"%d %b" % (len(line), line)


def _name(host: str) -> str:
    """Keep what a header may hold: printable ASCII without spaces (RFC 5424 6)."""
    return "".join(c for c in host if "!" <= c <= "~")[:_LONGEST_HOST] or "-"
