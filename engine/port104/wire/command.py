"""Command sets (PS3.7 6.3.1, annex E): implicit VR little endian, group 0000 only.

Decoding takes any bytes: what breaks the encoding raises RemoteProtocolError, what is merely absent is
None, and whether a UID is valid is the caller's question.
"""

import enum
import struct

import msgspec

from port104.wire.items import invalid, text

_ELEMENT = struct.Struct("<HHI")
_UINT16 = struct.Struct("<H")
_UINT32 = struct.Struct("<I")
_NO_DATA_SET = 0x0101  # (0000,0800); every other value announces one (PS3.7 E.1)
_DATA_SET = 0x0001
_RESPONSE = 0x8000  # bit of (0000,0100) that tells a response from its request


class CommandField(enum.IntEnum):
    """(0000,0100) (PS3.7 E.1), as far as the code names it."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    C_CANCEL_RQ = 0x0FFF


class Status(enum.IntEnum):
    """(0000,0900) (PS3.7 annex C, PS3.4 table B.2-1)."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    NO_SUCH_SOP_INSTANCE = 0x0112
    NO_SUCH_EVENT_TYPE = 0x0113
    INVALID_ARGUMENT_VALUE = 0x0115
    INVALID_SOP_INSTANCE = 0x0117
    CLASS_INSTANCE_CONFLICT = 0x0119
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORISED = 0x0124
    DUPLICATE_INVOCATION = 0x0210
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
    COERCION_OF_DATA_ELEMENTS = 0xB000
    ELEMENTS_DISCARDED = 0xB006
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS_WARNING = 0xB007
    CANNOT_UNDERSTAND = 0xC000


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command set. Fields are None where the element is absent; `field` is (0000,0100).

    `has_data_set`: (0000,0800) announces a data set.
    """

    field: int
    has_data_set: bool
    message_id: int | None = None
    message_id_being_responded_to: int | None = None
    affected_sop_class_uid: str | None = None
    requested_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    requested_sop_instance_uid: str | None = None
    event_type_id: int | None = None
    action_type_id: int | None = None
    priority: int | None = None
    status: int | None = None
    error_comment: str | None = None
    move_originator_ae_title: str | None = None
    move_originator_message_id: int | None = None

    def encode(self) -> bytes:
        """The command set, elements in ascending order, group length first."""
        parts = [
            _uid(0x0002, self.affected_sop_class_uid),
            _uid(0x0003, self.requested_sop_class_uid),
            _uint16(0x0100, self.field),
            _uint16(0x0110, self.message_id),
            _uint16(0x0120, self.message_id_being_responded_to),
            _uint16(0x0700, self.priority),
            _uint16(0x0800, _DATA_SET if self.has_data_set else _NO_DATA_SET),
            _uint16(0x0900, self.status),
            _text(0x0902, self.error_comment),
            _uid(0x1000, self.affected_sop_instance_uid),
            _uid(0x1001, self.requested_sop_instance_uid),
            _uint16(0x1002, self.event_type_id),
            _uint16(0x1008, self.action_type_id),
            _text(0x1030, self.move_originator_ae_title),
            _uint16(0x1031, self.move_originator_message_id),
        ]
        elements = b"".join(parts)
        return _ELEMENT.pack(0, 0x0000, 4) + _UINT32.pack(len(elements)) + elements


def decode_command(data: bytes) -> Command:
    """Decode a whole command set.

    A wrong or absent group length changes nothing: the elements tell their own lengths. Raises
    RemoteProtocolError, and nothing else.
    """
    elements = _read_elements(data)
    field = _number(elements, 0x0100)
    data_set_type = _number(elements, 0x0800)
    if field is None:
        raise invalid("the command set has no command field (0000,0100)")
    if data_set_type is None:
        raise invalid("the command set has no command data set type (0000,0800)")
    return Command(
        field=field,
        has_data_set=data_set_type != _NO_DATA_SET,
        message_id=_number(elements, 0x0110),
        message_id_being_responded_to=_number(elements, 0x0120),
        affected_sop_class_uid=_string(elements, 0x0002),
        requested_sop_class_uid=_string(elements, 0x0003),
        affected_sop_instance_uid=_string(elements, 0x1000),
        requested_sop_instance_uid=_string(elements, 0x1001),
        event_type_id=_number(elements, 0x1002),
        action_type_id=_number(elements, 0x1008),
        priority=_number(elements, 0x0700),
        status=_number(elements, 0x0900),
        error_comment=_string(elements, 0x0902),
        move_originator_ae_title=_string(elements, 0x1030),
        move_originator_message_id=_number(elements, 0x1031),
    )


def is_response(command: Command) -> bool:
    """Whether the command answers another (PS3.7 E.1)."""
    return bool(command.field & _RESPONSE)


def has_response(request: Command) -> bool:
    """Whether the command is answered: not C-CANCEL-RQ, and not a response (PS3.7 9.3.2.3)."""
    return request.field != CommandField.C_CANCEL_RQ and not is_response(request)


def response_field(request: Command) -> int:
    """The command field of what answers `request`."""
    return request.field | _RESPONSE


def response_to(request: Command, status: int) -> Command:
    """The response that ends `request` with `status`.

    SOP class, instance and type are repeated as the request gave them (PS3.7 9.3.1.2, 9.3.5.2, 10.3).
    """
    return Command(
        field=response_field(request),
        has_data_set=False,
        message_id_being_responded_to=request.message_id or 0,
        affected_sop_class_uid=request.affected_sop_class_uid or request.requested_sop_class_uid,
        affected_sop_instance_uid=(request.affected_sop_instance_uid or request.requested_sop_instance_uid),
        event_type_id=request.event_type_id,
        action_type_id=request.action_type_id,
        status=status,
    )


def _read_elements(data: bytes) -> dict[int, bytes]:
    """Split a command set into values by element number. On the way of every message: kept plain."""
    elements = {}
    at, end = 0, len(data)
    unpack = _ELEMENT.unpack_from
    while at < end:
        if end - at < _ELEMENT.size:
            raise invalid(f"the command set ends inside an element header, at byte {at}")
        group, element, length = unpack(data, at)
        if group != 0:
            raise invalid(f"element ({group:04X},{element:04X}) stands in a command set")
        at += _ELEMENT.size
        stop = at + length
        if stop > end:  # the undefined length FFFFFFFF among others
            raise invalid(f"element (0000,{element:04X}) is longer than the command set")
        elements[element] = data[at:stop]
        at = stop
    return elements


def _number(elements: dict[int, bytes], element: int) -> int | None:
    """A value of VR US; None where absent."""
    value = elements.get(element)
    if value is None:
        return None
    if len(value) != _UINT16.size:
        raise invalid(f"element (0000,{element:04X}) has {len(value)} bytes instead of 2")
    return value[0] | value[1] << 8


def _string(elements: dict[int, bytes], element: int) -> str | None:
    """A value of VR UI, AE or LO without padding; None where absent or empty."""
    value = elements.get(element)
    return value.decode("latin-1").rstrip("\0 ") or None if value else None


def _uint16(element: int, value: int | None) -> bytes:
    if value is None:
        return b""
    return _ELEMENT.pack(0, element, _UINT16.size) + _UINT16.pack(value)


def _padded(element: int, value: str | None, padding: bytes) -> bytes:
    if value is None:
        return b""
    encoded = text(value)
    if len(encoded) % 2:
        encoded += padding
    return _ELEMENT.pack(0, element, len(encoded)) + encoded


def _uid(element: int, value: str | None) -> bytes:
    return _padded(element, value, b"\0")


def _text(element: int, value: str | None) -> bytes:
    return _padded(element, value, b" ")
