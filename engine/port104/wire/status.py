"""What a status (0000,0900) means: its class, and the standard's words (PS3.7 annex C, PS3.4 table B.2-1)."""

import enum


class StatusClass(enum.Enum):
    """PS3.7 annex C."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    CANCEL = "cancel"
    PENDING = "pending"


_WARNINGS = frozenset({0x0001, 0x0107, 0x0116})
_CLASSES = {0x0000: StatusClass.SUCCESS, 0xFE00: StatusClass.CANCEL} | {
    0xFF00: StatusClass.PENDING,
    0xFF01: StatusClass.PENDING,
}

_WORDS = {
    0x0000: "success",
    0x0001: "requested optional attributes are not supported",
    0x0105: "no such attribute",
    0x0106: "invalid attribute value",
    0x0107: "attribute list error",
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0112: "no such SOP instance",
    0x0113: "no such event type",
    0x0114: "no such argument",
    0x0115: "invalid argument value",
    0x0116: "attribute value out of range",
    0x0117: "invalid SOP instance",
    0x0118: "no such SOP class",
    0x0119: "class-instance conflict",
    0x0120: "missing attribute",
    0x0121: "missing attribute value",
    0x0122: "refused: SOP class not supported",
    0x0123: "no such action",
    0x0124: "refused: not authorized",
    0x0210: "duplicate invocation",
    0x0211: "unrecognized operation",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
    0xB000: "coercion of data elements",
    0xB006: "elements discarded",
    0xB007: "data set does not match SOP class",
    0xFE00: "cancel",
    0xFF00: "pending",
    0xFF01: "pending",
}
# C-STORE gives a meaning to whole ranges: status with its low bits cleared -> words.
_RANGES = (
    (0xFF00, {0xA700: "refused: out of resources", 0xA900: "error: data set does not match SOP class"}),
    (0xF000, {0xC000: "error: cannot understand", 0xB000: "warning", 0xA000: "failure"}),
)


def class_of(status: int) -> StatusClass:
    """The class of a status. What the standard does not know is a failure: nothing may be taken for done."""
    if status in _WARNINGS or status & 0xF000 == 0xB000:
        return StatusClass.WARNING
    return _CLASSES.get(status, StatusClass.FAILURE)


def words_of(status: int) -> str:
    """The standard's words for a status; those of its class where it has none of its own."""
    if status in _WORDS:
        return _WORDS[status]
    for mask, words in _RANGES:
        if status & mask in words:
            return words[status & mask]
    return class_of(status).value
