"""The seven PDUs of the DICOM upper layer (PS3.8 9.3), encoded and decoded side by side.

AE titles and UIDs are text of any bytes (ISO 8859-1), without their padding; whether they are valid is
asked elsewhere (identifiers.py), because an invalid one has an answer of its own.
"""

import enum
import struct
from collections.abc import Callable

import msgspec

from port104.errors import LocalProtocolError, RemoteProtocolError
from port104.uids import APPLICATION_CONTEXT
from port104.wire.items import (
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    Items,
    Reader,
    RoleSelection,
    UserIdentity,
    UserInformation,
    decode_uid,
    decode_user_information,
    invalid,
    item,
    packed,
    text,
    unexpected,
)

__all__ = [
    "PDU",
    "PDV",
    "Abort",
    "AssociateAC",
    "AssociateRJ",
    "AssociateRQ",
    "AsynchronousOperationsWindow",
    "CommonExtendedNegotiation",
    "ExtendedNegotiation",
    "PDUType",
    "PDataTF",
    "PresentationContext",
    "PresentationContextResult",
    "ReleaseRP",
    "ReleaseRQ",
    "RoleSelection",
    "UserIdentity",
    "UserInformation",
    "decode",
]

_UNRECOGNISED_PDU = 1
_HEADER = struct.Struct(">BxI")
_FIXED = struct.Struct(">H2x16s16s32x")
_PDV = struct.Struct(">IBB")
_FOUR_BYTES = struct.Struct(">4B")
_AE_TITLE_LENGTH = 16


class PDUType(enum.IntEnum):
    """PDU types (PS3.8 9.3.1)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class PresentationContext(msgspec.Struct, frozen=True):
    """A proposed presentation context, 20H (PS3.8 9.3.2.2).

    `abstract_syntax` is empty where none, or more than one, was proposed: such a context is refused.
    """

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]

    def encode(self) -> bytes:
        """The item."""
        abstract = item(0x30, text(self.abstract_syntax)) if self.abstract_syntax else b""
        transfer = b"".join(item(0x40, text(uid)) for uid in self.transfer_syntaxes)
        return item(0x20, packed(_FOUR_BYTES, self.id, 0, 0, 0) + abstract + transfer)


class PresentationContextResult(msgspec.Struct, frozen=True):
    """The answer to a proposed presentation context, 21H (PS3.8 9.3.3.2).

    `result`: 0 acceptance, 1 user rejection, 2 no reason, 3 abstract syntax not supported, 4 transfer
    syntaxes not supported. `transfer_syntax` means something with result 0 only.
    """

    id: int
    result: int
    transfer_syntax: str

    def encode(self) -> bytes:
        """The item."""
        transfer = item(0x40, text(self.transfer_syntax)) if self.transfer_syntax else b""
        return item(0x21, packed(_FOUR_BYTES, self.id, 0, self.result, 0) + transfer)


class AssociateRQ(msgspec.Struct, frozen=True):
    """A-ASSOCIATE-RQ (PS3.8 9.3.2). `application_context` is empty where it was absent."""

    called_ae_title: str
    calling_ae_title: str
    presentation_contexts: tuple[PresentationContext, ...]
    user_information: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1

    def encode(self) -> bytes:
        """The whole PDU."""
        return _encode_associate(PDUType.ASSOCIATE_RQ, self)


class AssociateAC(msgspec.Struct, frozen=True):
    """A-ASSOCIATE-AC (PS3.8 9.3.3). The AE titles repeat the request's and are not tested."""

    called_ae_title: str
    calling_ae_title: str
    presentation_contexts: tuple[PresentationContextResult, ...]
    user_information: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1

    def encode(self) -> bytes:
        """The whole PDU."""
        return _encode_associate(PDUType.ASSOCIATE_AC, self)


class AssociateRJ(msgspec.Struct, frozen=True):
    """A-ASSOCIATE-RJ (PS3.8 9.3.4).

    `result`: 1 permanent, 2 transient. `source`: 1 service user, 2 service provider (ACSE), 3 service
    provider (presentation). `reason`: see negotiation.Rejection.
    """

    result: int
    source: int
    reason: int

    def encode(self) -> bytes:
        """The whole PDU."""
        fields = packed(_FOUR_BYTES, 0, self.result, self.source, self.reason)
        return _pdu(PDUType.ASSOCIATE_RJ, fields)


class PDV(msgspec.Struct, frozen=True):
    """One presentation data value item (PS3.8 9.3.5.1).

    `control`, the message control header (PS3.8 E.2): bit 0 command, else data set; bit 1 last fragment.
    """

    context_id: int
    control: int
    fragment: bytes

    def encode(self) -> bytes:
        """The item."""
        header = packed(_PDV, len(self.fragment) + 2, self.context_id, self.control)
        return header + self.fragment


class PDataTF(msgspec.Struct, frozen=True):
    """P-DATA-TF (PS3.8 9.3.5)."""

    pdvs: tuple[PDV, ...]

    def encode(self) -> bytes:
        """The whole PDU."""
        return _pdu(PDUType.DATA_TF, b"".join(pdv.encode() for pdv in self.pdvs))


class ReleaseRQ(msgspec.Struct, frozen=True):
    """A-RELEASE-RQ (PS3.8 9.3.6)."""

    def encode(self) -> bytes:
        """The whole PDU."""
        return _pdu(PDUType.RELEASE_RQ, bytes(4))


class ReleaseRP(msgspec.Struct, frozen=True):
    """A-RELEASE-RP (PS3.8 9.3.7)."""

    def encode(self) -> bytes:
        """The whole PDU."""
        return _pdu(PDUType.RELEASE_RP, bytes(4))


class Abort(msgspec.Struct, frozen=True):
    """A-ABORT (PS3.8 9.3.8).

    `source`: 0 service user, 2 service provider. `reason`, of a provider: 0 not specified, 1
    unrecognised PDU, 2 unexpected PDU, 4 unrecognised, 5 unexpected, 6 invalid PDU parameter value.
    """

    source: int
    reason: int

    def encode(self) -> bytes:
        """The whole PDU."""
        return _pdu(PDUType.ABORT, packed(_FOUR_BYTES, 0, 0, self.source, self.reason))


PDU = AssociateRQ | AssociateAC | AssociateRJ | PDataTF | ReleaseRQ | ReleaseRP | Abort


def decode(pdu_type: int, body: bytes) -> PDU:
    """Decode a PDU's variable field, the bytes behind its six byte header.

    Raises RemoteProtocolError, and nothing else, with the A-ABORT reason that answers the fault.
    """
    decoder = _DECODERS.get(pdu_type)
    if decoder is None:
        raise RemoteProtocolError(f"{pdu_type:02X}H is no PDU type of PS3.8 9.3.1", reason=_UNRECOGNISED_PDU)
    return decoder(body)


def _pdu(pdu_type: PDUType, body: bytes) -> bytes:
    return _HEADER.pack(pdu_type, len(body)) + body


def _encode_associate(pdu_type: PDUType, pdu: AssociateRQ | AssociateAC) -> bytes:
    called, calling = map(_encode_ae_title, (pdu.called_ae_title, pdu.calling_ae_title))
    information = pdu.user_information.encode()
    parts = [packed(_FIXED, pdu.protocol_version, called, calling)]
    if pdu.application_context:
        parts.append(item(0x10, text(pdu.application_context)))
    parts.extend(context.encode() for context in pdu.presentation_contexts)
    if information:
        parts.append(item(0x50, information))
    return _pdu(pdu_type, b"".join(parts))


def _encode_ae_title(title: str) -> bytes:
    encoded = text(title).ljust(_AE_TITLE_LENGTH)
    if len(encoded) > _AE_TITLE_LENGTH:  # struct would cut it off without a word
        raise LocalProtocolError(f"AE title {title!r} is longer than {_AE_TITLE_LENGTH} characters")
    return encoded


class _Association(msgspec.Struct):
    """The fields that A-ASSOCIATE-RQ and -AC share, while they are read; `contexts` are values of `items`."""

    protocol_version: int
    called: str
    calling: str
    items: Items
    application_context: str | None = None
    contexts: list[bytes] = []
    information: UserInformation | None = None


def _decode_associate(body: bytes, what: str, context_type: int) -> _Association:
    reader = Reader(body, what)
    version, called, calling = _FIXED.unpack(reader.take(_FIXED.size))
    read = _Association(version, _decode_ae_title(called), _decode_ae_title(calling), Items())
    for kind, value in read.items.of(reader.rest(), what):
        if kind == 0x10:
            if read.application_context is not None:
                raise unexpected(f"{what} names two application contexts")
            read.application_context = decode_uid(value, "application context name")
        elif kind == context_type:
            read.contexts.append(value)
        elif kind == 0x50:
            if read.information is not None:
                raise unexpected(f"{what} has two user information items")
            read.information = decode_user_information(value, read.items)
    return read


def _decode_ae_title(field: bytes) -> str:
    """Leading and trailing spaces are not significant; some peers pad with NUL."""
    return field.decode("latin-1").rstrip("\0 ").lstrip(" ")


def _decode_request(body: bytes) -> AssociateRQ:
    read = _decode_associate(body, "A-ASSOCIATE-RQ", 0x20)
    contexts = tuple(_decode_context(value, read.items) for value in read.contexts)
    _each_once([context.id for context in contexts], "A-ASSOCIATE-RQ proposes")
    return AssociateRQ(
        read.called,
        read.calling,
        contexts,
        read.information or UserInformation(),
        read.application_context or "",
        read.protocol_version,
    )


def _decode_accept(body: bytes) -> AssociateAC:
    read = _decode_associate(body, "A-ASSOCIATE-AC", 0x21)
    results = tuple(_decode_context_result(value, read.items) for value in read.contexts)
    _each_once([result.id for result in results], "A-ASSOCIATE-AC answers")
    return AssociateAC(
        read.called,
        read.calling,
        results,
        read.information or UserInformation(),
        read.application_context or "",
        read.protocol_version,
    )


def _each_once(context_ids: list[int], what: str) -> None:
    if len(set(context_ids)) < len(context_ids):
        raise invalid(f"{what} a presentation context ID twice")


def _decode_context(value: bytes, items: Items) -> PresentationContext:
    reader = Reader(value, "presentation context item")
    context_id = reader.take(4)[0]
    if context_id % 2 == 0:
        raise invalid(f"presentation context ID {context_id} is not odd")
    abstract, transfer = [], []
    for kind, sub_value in items.of(reader.rest(), "presentation context item"):
        if kind == 0x30:
            abstract.append(decode_uid(sub_value, "abstract syntax"))
        elif kind == 0x40:
            transfer.append(decode_uid(sub_value, "transfer syntax"))
    return PresentationContext(context_id, abstract[0] if len(abstract) == 1 else "", tuple(transfer))


def _decode_context_result(value: bytes, items: Items) -> PresentationContextResult:
    reader = Reader(value, "presentation context item")
    context_id, _, result, _ = reader.take(4)
    transfer = ""
    for kind, sub_value in items.of(reader.rest(), "presentation context item"):
        # Peers leave it empty where the context is refused and it means nothing.
        if kind == 0x40 and sub_value:
            transfer = decode_uid(sub_value, "transfer syntax")
    return PresentationContextResult(context_id, result, transfer)


def _decode_data(body: bytes) -> PDataTF:
    reader = Reader(body, "P-DATA-TF")
    pdvs: list[PDV] = []
    while reader.left or not pdvs:
        length = reader.uint32()
        if length < 2:
            raise invalid(f"PDV item length {length} has no room for its control header")
        context_id, control = reader.take(2)
        pdvs.append(PDV(context_id, control, reader.take(length - 2)))
    return PDataTF(tuple(pdvs))


def _four_bytes(body: bytes, what: str) -> bytes:
    if len(body) != 4:
        raise invalid(f"{what} has {len(body)} bytes instead of 4")
    return body


def _decode_reject(body: bytes) -> AssociateRJ:
    return AssociateRJ(*_four_bytes(body, "A-ASSOCIATE-RJ")[1:])


def _decode_release_request(body: bytes) -> ReleaseRQ:
    _four_bytes(body, "A-RELEASE-RQ")
    return ReleaseRQ()


def _decode_release_response(body: bytes) -> ReleaseRP:
    _four_bytes(body, "A-RELEASE-RP")
    return ReleaseRP()


def _decode_abort(body: bytes) -> Abort:
    return Abort(*_four_bytes(body, "A-ABORT")[2:])


_DECODERS: dict[int, Callable[[bytes], PDU]] = {
    PDUType.ASSOCIATE_RQ: _decode_request,
    PDUType.ASSOCIATE_AC: _decode_accept,
    PDUType.ASSOCIATE_RJ: _decode_reject,
    PDUType.DATA_TF: _decode_data,
    PDUType.RELEASE_RQ: _decode_release_request,
    PDUType.RELEASE_RP: _decode_release_response,
    PDUType.ABORT: _decode_abort,
}
