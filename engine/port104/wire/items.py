"""The items inside A-ASSOCIATE PDUs: reading type and length, and the user information sub-items.

Every item is (type: 1 byte, reserved: 1 byte, length: 2 bytes, value) (PS3.8 9.3.2, PS3.7 annex D).
Unknown types are skipped, reserved bytes ignored; a length that does not fit is a fault. Decoders
raise RemoteProtocolError and nothing else, whatever the bytes; encoders raise LocalProtocolError for
values that the fields cannot hold.
"""

import struct
from collections.abc import Iterator

import msgspec

from port104.errors import LocalProtocolError, RemoteProtocolError

# 128 contexts of 100 transfer syntaxes each are 13,000, and no peer comes near. A PDU could hold 262,144: as
# it is read on the event loop, before anybody is known, others would wait for it.
MOST_ITEMS = 16_384

UNEXPECTED_PARAMETER = 5
INVALID_PARAMETER_VALUE = 6

_ITEM = struct.Struct(">BBH")
_UINT8 = struct.Struct(">B")
_UINT16 = struct.Struct(">H")
_UINT32 = struct.Struct(">I")
_WINDOW = struct.Struct(">HH")


class AsynchronousOperationsWindow(msgspec.Struct, frozen=True):
    """53H (PS3.7 D.3.3.3): operations that may be outstanding, invoked and performed by the requestor.

    0 means unlimited.
    """

    invoked: int
    performed: int


class RoleSelection(msgspec.Struct, frozen=True):
    """54H (PS3.7 D.3.3.4): the roles that the requestor proposes, or is granted, for a SOP class."""

    sop_class_uid: str
    scu_role: bool
    scp_role: bool


class ExtendedNegotiation(msgspec.Struct, frozen=True):
    """56H (PS3.7 D.3.3.5): information whose meaning the SOP class defines."""

    sop_class_uid: str
    application_information: bytes


class CommonExtendedNegotiation(msgspec.Struct, frozen=True):
    """57H (PS3.7 D.3.3.6): the service class and related general SOP classes of a SOP class."""

    sop_class_uid: str
    service_class_uid: str
    related: tuple[str, ...] = ()


class UserIdentity(msgspec.Struct, frozen=True):
    """58H (PS3.7 D.3.3.7). `type`: 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JWT."""

    type: int
    positive_response_requested: bool
    primary: bytes
    secondary: bytes = b""

    def __repr__(self) -> str:
        """Without its fields, which are secrets: a passcode, a ticket, a token."""
        return f"UserIdentity(type={self.type})"


class UserInformation(msgspec.Struct, frozen=True):
    """50H (PS3.8 9.3.2.3, PS3.7 annex D); None and () where a sub-item is absent.

    `maximum_length`: bytes of the longest P-DATA-TF PDU that its sender can receive, 0 = unlimited.
    `user_identity` belongs in A-ASSOCIATE-RQ, `user_identity_response` in A-ASSOCIATE-AC.
    """

    maximum_length: int | None = None
    implementation_class_uid: str | None = None
    implementation_version_name: str | None = None
    asynchronous_operations_window: AsynchronousOperationsWindow | None = None
    role_selections: tuple[RoleSelection, ...] = ()
    extended_negotiations: tuple[ExtendedNegotiation, ...] = ()
    common_extended_negotiations: tuple[CommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentity | None = None
    user_identity_response: bytes | None = None

    def encode(self) -> bytes:
        """The sub-items, in ascending order of type; empty when there is none."""
        parts = []
        if self.maximum_length is not None:
            parts.append(item(0x51, packed(_UINT32, self.maximum_length)))
        if self.implementation_class_uid is not None:
            parts.append(item(0x52, text(self.implementation_class_uid)))
        if self.asynchronous_operations_window is not None:
            window = self.asynchronous_operations_window
            parts.append(item(0x53, packed(_WINDOW, window.invoked, window.performed)))
        parts.extend(item(0x54, _encode_role(role)) for role in self.role_selections)
        if self.implementation_version_name is not None:
            parts.append(item(0x55, text(self.implementation_version_name)))
        parts.extend(item(0x56, _encode_extended(one)) for one in self.extended_negotiations)
        parts.extend(item(0x57, _encode_common(one)) for one in self.common_extended_negotiations)
        if self.user_identity is not None:
            parts.append(item(0x58, _encode_identity(self.user_identity)))
        if self.user_identity_response is not None:
            parts.append(item(0x59, sized(self.user_identity_response)))
        return b"".join(parts)


class Reader:
    """Takes fields off the front of an item's value; what is not there is a fault of the peer."""

    def __init__(self, value: bytes, what: str) -> None:
        self._value = value
        self._at = 0
        self._what = what

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._value) - self._at

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        end = self._at + length
        if end > len(self._value):
            raise invalid(f"{self._what} is {end - len(self._value)} bytes short")
        taken = self._value[self._at : end]
        self._at = end
        return taken

    def rest(self) -> bytes:
        """Everything that was not taken yet."""
        return self.take(self.left)

    def uint8(self) -> int:
        """An unsigned 8 bit integer."""
        return self.take(1)[0]

    def uint16(self) -> int:
        """An unsigned 16 bit integer, big endian."""
        value: int = _UINT16.unpack(self.take(2))[0]
        return value

    def uint32(self) -> int:
        """An unsigned 32 bit integer, big endian."""
        value: int = _UINT32.unpack(self.take(4))[0]
        return value

    def sized(self) -> bytes:
        """A 16 bit length and as many bytes."""
        return self.take(self.uint16())

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise invalid(f"{self._what} has {self.left} bytes too many")


def invalid(message: str) -> RemoteProtocolError:
    """An error for A-ABORT reason 6, invalid PDU parameter value."""
    return RemoteProtocolError(message, reason=INVALID_PARAMETER_VALUE)


def unexpected(message: str) -> RemoteProtocolError:
    """An error for A-ABORT reason 5, unexpected PDU parameter."""
    return RemoteProtocolError(message, reason=UNEXPECTED_PARAMETER)


class Items:
    """The items of one A-ASSOCIATE PDU, those within others too, of which there may be so many in all."""

    def __init__(self) -> None:
        self._left = MOST_ITEMS

    def of(self, value: bytes, what: str) -> Iterator[tuple[int, bytes]]:
        """Every item in `value` as (type, its value).

        The byte between the two is reserved, or the version of 57H, which changes nothing that is read here.
        """
        at, end = 0, len(value)
        while at < end:
            start = at + _ITEM.size
            if start > end:
                raise invalid(f"{what} is {start - end} bytes short")
            kind, _, length = _ITEM.unpack_from(value, at)
            at = start + length
            if at > end:
                raise invalid(f"{what} is {at - end} bytes short")
            self._left -= 1
            if self._left < 0:
                raise invalid(f"{what}: there are more than {MOST_ITEMS} items")
            yield kind, value[start:at]


def packed(layout: struct.Struct, *values: int | bytes) -> bytes:
    """Encode fields of a fixed layout."""
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise LocalProtocolError(f"{values} do not fit their fields: {error}") from error


def item(kind: int, value: bytes) -> bytes:
    """Encode one item."""
    if len(value) > 0xFFFF:
        raise LocalProtocolError(f"item {kind:02X}H cannot hold {len(value)} bytes, at most 65535")
    return _ITEM.pack(kind, 0, len(value)) + value


def sized(value: bytes) -> bytes:
    """Encode a 16 bit length and the bytes."""
    if len(value) > 0xFFFF:
        raise LocalProtocolError(f"a field cannot hold {len(value)} bytes, at most 65535")
    return _UINT16.pack(len(value)) + value


def text(value: str) -> bytes:
    """Encode a UID or name; each byte is one character (ISO 8859-1), so that decoding cannot fail."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"{value!r} has characters beyond ISO 8859-1") from error


def decode_uid(value: bytes, what: str) -> str:
    """A UID's characters, whatever they are, without trailing NUL padding; it may not be empty."""
    uid = value.decode("latin-1").rstrip("\0")
    if not uid:
        raise invalid(f"{what} is empty")
    return uid


def decode_user_information(value: bytes, items: Items) -> UserInformation:
    """Decode the value of a 50H item, one of `items`."""
    if not value:
        raise invalid("user information is empty")
    single: dict[str, object] = {}
    several: dict[str, list[object]] = {}
    for kind, sub_value in items.of(value, "user information"):
        known = _SUB_ITEMS.get(kind)
        if known is None:
            continue
        name, repeats, decode = known
        reader = Reader(sub_value, f"user information sub-item {kind:02X}H")
        decoded = decode(reader)
        reader.end()
        if repeats:
            several.setdefault(name, []).append(decoded)
        elif name in single:
            raise unexpected(f"user information sub-item {kind:02X}H comes twice")
        else:
            single[name] = decoded
    lists = {name: tuple(values) for name, values in several.items()}
    return UserInformation(**single, **lists)  # type: ignore[arg-type]


def _decode_name(reader: Reader) -> str:
    return decode_uid(reader.rest(), "implementation version name")


def _decode_class_uid(reader: Reader) -> str:
    return decode_uid(reader.rest(), "implementation class UID")


def _decode_window(reader: Reader) -> AsynchronousOperationsWindow:
    return AsynchronousOperationsWindow(reader.uint16(), reader.uint16())


def _decode_role(reader: Reader) -> RoleSelection:
    uid = decode_uid(reader.sized(), "SOP class UID of a role selection")
    return RoleSelection(uid, bool(reader.uint8() & 1), bool(reader.uint8() & 1))


def _encode_role(role: RoleSelection) -> bytes:
    return sized(text(role.sop_class_uid)) + bytes([role.scu_role, role.scp_role])


def _decode_extended(reader: Reader) -> ExtendedNegotiation:
    uid = decode_uid(reader.sized(), "SOP class UID of an extended negotiation")
    return ExtendedNegotiation(uid, reader.rest())


def _encode_extended(negotiation: ExtendedNegotiation) -> bytes:
    return sized(text(negotiation.sop_class_uid)) + negotiation.application_information


def _decode_common(reader: Reader) -> CommonExtendedNegotiation:
    sop_class = decode_uid(reader.sized(), "SOP class UID of a common extended negotiation")
    service_class = decode_uid(reader.sized(), "service class UID of a common extended negotiation")
    list_reader = Reader(reader.sized(), "related general SOP class list")
    related = []
    while list_reader.left:
        related.append(decode_uid(list_reader.sized(), "related general SOP class UID"))
    reader.rest()  # reserved for later versions (PS3.7 table D.3-12)
    return CommonExtendedNegotiation(sop_class, service_class, tuple(related))


def _encode_common(negotiation: CommonExtendedNegotiation) -> bytes:
    related = b"".join(sized(text(uid)) for uid in negotiation.related)
    uids = (negotiation.sop_class_uid, negotiation.service_class_uid)
    return b"".join(sized(text(uid)) for uid in uids) + sized(related)


def _decode_identity(reader: Reader) -> UserIdentity:
    return UserIdentity(reader.uint8(), bool(reader.uint8()), reader.sized(), reader.sized())


def _encode_identity(identity: UserIdentity) -> bytes:
    flags = packed(_UINT8, identity.type) + packed(_UINT8, identity.positive_response_requested)
    return flags + sized(identity.primary) + sized(identity.secondary)


# Sub-item type -> (field of UserInformation, whether it may repeat, decoder).
_SUB_ITEMS = {
    0x51: ("maximum_length", False, Reader.uint32),
    0x52: ("implementation_class_uid", False, _decode_class_uid),
    0x53: ("asynchronous_operations_window", False, _decode_window),
    0x54: ("role_selections", True, _decode_role),
    0x55: ("implementation_version_name", False, _decode_name),
    0x56: ("extended_negotiations", True, _decode_extended),
    0x57: ("common_extended_negotiations", True, _decode_common),
    0x58: ("user_identity", False, _decode_identity),
    0x59: ("user_identity_response", False, Reader.sized),
}
