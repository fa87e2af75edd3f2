"""The data sets of storage commitment (PS3.4 annex J): what is asked, and what is reported.

Rules that this room keeps:
- Implicit and Explicit VR Little Endian, sequences and items of either kind of length (PS3.5 7.5);
- what a peer sent is read to an end that is known before: neither depth nor number is the peer's choice;
- what is wrong with it becomes a status, for the association is not at fault (PS3.7 10.1.4.1.10).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from port104 import uids
from port104.errors import Port104Error
from port104.wire.command import Status
from port104.wire.identifiers import valid_uid

REQUEST_STORAGE_COMMITMENT = 1
"""Action type ID (PS3.4 J.3.2.1)."""
ALL_HELD, SOME_FAILED = 1, 2
"""Event type IDs (PS3.4 J.3.3.1)."""

MOST_REFERENCES = 10_000
"""Of one transaction: some studies of the largest kind."""
MOST_BYTES = 2 * 1024 * 1024
"""Of a data set: so many references, with room for what is said of them besides."""

_DEEPEST = 8  # sequences in sequences; the standard has none here
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_ENDS, _SEQUENCE_ENDS = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

_FAILURE_REASON, _FAILED, _REFERENCED = 0x00081197, 0x00081198, 0x00081199
_SOP_CLASS, _SOP_INSTANCE, _TRANSACTION = 0x00081150, 0x00081155, 0x00081195

_TAG = struct.Struct("<HH")
_IMPLICIT = struct.Struct("<HHI")
_EXPLICIT = struct.Struct("<HH2sH")
_EXPLICIT_LONG = struct.Struct("<HH2sxxI")
_LENGTH_OF_32 = struct.Struct("<I")
_UINT16 = struct.Struct("<H")
# Those whose length has 32 bits (PS3.5 7.1.2).
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


class Reference(NamedTuple):
    """An instance that is asked or told about (PS3.3 table 10-11)."""

    sop_class_uid: str
    sop_instance_uid: str


class Failure(NamedTuple):
    """An instance that is not held. `reason`: Failure Reason (0008,1197), PS3.3 C.14.1.1."""

    reference: Reference
    reason: int


class CommitmentRequest(msgspec.Struct, frozen=True):
    """Action Information (PS3.4 table J.3-1): who asked calls it `transaction_uid`."""

    transaction_uid: str
    references: tuple[Reference, ...]


class CommitmentReport(msgspec.Struct, frozen=True):
    """Event Information (PS3.4 table J.3-2): what of a transaction is held, and what is not."""

    transaction_uid: str
    held: tuple[Reference, ...]
    failed: tuple[Failure, ...] = ()

    @property
    def event_type_id(self) -> int:
        """Which of both events it is."""
        return SOME_FAILED if self.failed else ALL_HELD


class UnreadableError(Port104Error):
    """A data set of storage commitment says nothing. `status`: what answers it."""

    def __init__(self, message: str, status: Status = Status.INVALID_ARGUMENT_VALUE) -> None:
        super().__init__(message)
        self.status = status


def decode_request(data: bytes, transfer_syntax: str) -> CommitmentRequest:
    """Read an Action Information. Raises UnreadableError, and nothing else, whatever the bytes."""
    reader = _Reader(data, is_implicit=transfer_syntax == uids.IMPLICIT_VR_LITTLE_ENDIAN)
    transaction_uid, held, failed = reader.read()
    if failed:
        raise UnreadableError("a request has a Failed SOP Sequence (0008,1198)")
    if not held:
        raise UnreadableError("the Referenced SOP Sequence (0008,1199) is absent or empty")
    return CommitmentRequest(transaction_uid, held)


def decode_report(data: bytes, transfer_syntax: str) -> CommitmentReport:
    """Read an Event Information. Raises UnreadableError, and nothing else, whatever the bytes."""
    reader = _Reader(data, is_implicit=transfer_syntax == uids.IMPLICIT_VR_LITTLE_ENDIAN)
    transaction_uid, held, failed = reader.read()
    if not held and not failed:
        raise UnreadableError("it names no instance")
    return CommitmentReport(transaction_uid, held, failed)


def encode_request(request: CommitmentRequest, transfer_syntax: str) -> bytes:
    """Write an Action Information."""
    writer = _Writer(is_implicit=transfer_syntax == uids.IMPLICIT_VR_LITTLE_ENDIAN)
    items = map(writer.reference, request.references)
    return writer.uid(_TRANSACTION, request.transaction_uid) + writer.sequence(_REFERENCED, items)


def encode_report(report: CommitmentReport, transfer_syntax: str) -> bytes:
    """Write an Event Information."""
    writer = _Writer(is_implicit=transfer_syntax == uids.IMPLICIT_VR_LITTLE_ENDIAN)
    parts = [writer.uid(_TRANSACTION, report.transaction_uid)]
    if report.failed:
        items = (writer.reference(each.reference) + writer.reason(each.reason) for each in report.failed)
        parts.append(writer.sequence(_FAILED, items))
    if report.held:
        parts.append(writer.sequence(_REFERENCED, map(writer.reference, report.held)))
    return b"".join(parts)


class _Writer:
    def __init__(self, *, is_implicit: bool) -> None:
        self._is_implicit = is_implicit

    def reference(self, reference: Reference) -> bytes:
        return self.uid(_SOP_CLASS, reference.sop_class_uid) + self.uid(
            _SOP_INSTANCE, reference.sop_instance_uid
        )

    def reason(self, reason: int) -> bytes:
        return self._element(_FAILURE_REASON, b"US", _UINT16.pack(reason))

    def uid(self, tag: int, uid: str) -> bytes:
        value = uid.encode("ascii")
        return self._element(tag, b"UI", value + b"\0" * (len(value) % 2))

    def sequence(self, tag: int, items: Iterable[bytes]) -> bytes:
        value = b"".join(_IMPLICIT.pack(_ITEM >> 16, _ITEM & 0xFFFF, len(item)) + item for item in items)
        return self._element(tag, b"SQ", value)

    def _element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        group, element = tag >> 16, tag & 0xFFFF
        if self._is_implicit:
            return _IMPLICIT.pack(group, element, len(value)) + value
        if vr in _LONG_VRS:
            return _EXPLICIT_LONG.pack(group, element, vr, len(value)) + value
        return _EXPLICIT.pack(group, element, vr, len(value)) + value


class _Element(NamedTuple):
    """Where a value stands; `is_implicit`: how what is in it is encoded."""

    tag: int
    start: int
    stop: int
    is_implicit: bool


class _Reader:
    def __init__(self, data: bytes, *, is_implicit: bool) -> None:
        if len(data) > MOST_BYTES:
            raise UnreadableError(f"it is longer than {MOST_BYTES >> 20} MiB", Status.RESOURCE_LIMITATION)
        self._data = data
        self._is_implicit = is_implicit
        self._count = 0

    def read(self) -> tuple[str, tuple[Reference, ...], tuple[Failure, ...]]:
        transaction_uid = ""
        held: tuple[Reference, ...] = ()
        failed: tuple[Failure, ...] = ()
        for each in self._elements(0, len(self._data), 0, is_implicit=self._is_implicit):
            if each.tag == _TRANSACTION:
                transaction_uid = self._uid(each)
            elif each.tag == _REFERENCED:
                held = tuple(reference for reference, _ in self._references(each))
            elif each.tag == _FAILED:
                failed = tuple(
                    Failure(reference, Status.PROCESSING_FAILURE if reason is None else reason)
                    for reference, reason in self._references(each)
                )
        if not transaction_uid:
            raise UnreadableError("the Transaction UID (0008,1195) is absent or empty")
        return transaction_uid, held, failed

    def _references(self, sequence: _Element) -> Iterator[tuple[Reference, int | None]]:
        for start, stop in self._items(sequence.start, sequence.stop, 1, is_implicit=sequence.is_implicit):
            self._count += 1
            if self._count > MOST_REFERENCES:
                raise UnreadableError(
                    f"it names more than {MOST_REFERENCES} instances", Status.RESOURCE_LIMITATION
                )
            uids_of = {_SOP_CLASS: "", _SOP_INSTANCE: ""}
            reason = None
            for each in self._elements(start, stop, 1, is_implicit=sequence.is_implicit):
                if each.tag in uids_of:
                    uids_of[each.tag] = self._uid(each)
                elif each.tag == _FAILURE_REASON:
                    reason = self._number(each)
            if not all(uids_of.values()):
                raise UnreadableError("an item lacks a Referenced SOP Class or Instance UID")
            yield Reference(uids_of[_SOP_CLASS], uids_of[_SOP_INSTANCE]), reason

    def _uid(self, element: _Element) -> str:
        value = self._data[element.start : element.stop].decode("latin-1").rstrip("\0 ")
        if value and not valid_uid(value):
            raise UnreadableError(f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) is no UID")
        return value

    def _number(self, element: _Element) -> int:
        if element.stop - element.start != _UINT16.size:
            raise UnreadableError("a Failure Reason (0008,1197) is no number")
        return int(_UINT16.unpack_from(self._data, element.start)[0])

    # ---- elements and items (PS3.5 7.1, 7.5) ----

    def _elements(self, at: int, end: int, depth: int, *, is_implicit: bool) -> Iterator[_Element]:
        """The elements from `at` on, to `end`."""
        while at < end:
            tag, vr, length, start = self._header(at, end, is_implicit=is_implicit)
            inside = is_implicit or vr == b"UN"  # PS3.5 6.2.2, note 2
            if length == _UNDEFINED:
                stop, at = self._end_of_sequence(start, end, depth + 1, is_implicit=inside)
            else:
                stop = at = start + length
                if stop > end:
                    raise UnreadableError("an element is longer than what it is in")
            yield _Element(tag, start, stop, inside)

    def _items(self, at: int, end: int, depth: int, *, is_implicit: bool) -> Iterator[tuple[int, int]]:
        """Where the items of a sequence stand that has no delimiter at its end, or not any more."""
        while at < end:
            tag, length, start = self._item_header(at, end)
            if tag != _ITEM:
                raise UnreadableError("something else stands between the items of a sequence")
            stop, at = self._end_of_item(start, length, end, depth, is_implicit=is_implicit)
            yield start, stop

    def _end_of_sequence(self, at: int, end: int, depth: int, *, is_implicit: bool) -> tuple[int, int]:
        """Where a sequence of undefined length ends, and where its delimiter does."""
        if depth > _DEEPEST:
            raise UnreadableError("sequences stand in sequences too deep")
        while at < end:
            tag, length, start = self._item_header(at, end)
            if tag == _SEQUENCE_ENDS:
                return at, start
            if tag != _ITEM:
                raise UnreadableError("something else stands between the items of a sequence")
            _, at = self._end_of_item(start, length, end, depth, is_implicit=is_implicit)
        raise UnreadableError("a sequence does not end")

    def _end_of_item(
        self, start: int, length: int, end: int, depth: int, *, is_implicit: bool
    ) -> tuple[int, int]:
        """Where an item ends, and where its delimiter does, if it has one."""
        if length != _UNDEFINED:
            if start + length > end:
                raise UnreadableError("an item is longer than what it is in")
            return start + length, start + length
        at = start
        while at < end:
            if self._tag(at, end) == _ITEM_ENDS:
                return at, self._item_header(at, end)[2]
            _, vr, size, value = self._header(at, end, is_implicit=is_implicit)
            if size == _UNDEFINED:
                inside = is_implicit or vr == b"UN"
                _, at = self._end_of_sequence(value, end, depth + 1, is_implicit=inside)
            else:
                at = value + size
        raise UnreadableError("an item does not end")

    def _header(self, at: int, end: int, *, is_implicit: bool) -> tuple[int, bytes, int, int]:
        """Tag, VR, length and where the value starts."""
        if end - at < _IMPLICIT.size:
            raise UnreadableError("it ends inside the header of an element")
        if is_implicit:
            group, element, length = _IMPLICIT.unpack_from(self._data, at)
            return group << 16 | element, b"", length, at + _IMPLICIT.size
        group, element, vr, length = _EXPLICIT.unpack_from(self._data, at)
        at += _EXPLICIT.size
        if vr in _LONG_VRS:
            if end - at < _LENGTH_OF_32.size:
                raise UnreadableError("it ends inside the header of an element")
            (length,) = _LENGTH_OF_32.unpack_from(self._data, at)
            at += _LENGTH_OF_32.size
        return group << 16 | element, vr, length, at

    def _item_header(self, at: int, end: int) -> tuple[int, int, int]:
        """Tag, length and where what is in it starts: of items and delimiters, which have no VR."""
        if end - at < _IMPLICIT.size:
            raise UnreadableError("it ends inside the header of an item")
        group, element, length = _IMPLICIT.unpack_from(self._data, at)
        return group << 16 | element, length, at + _IMPLICIT.size

    def _tag(self, at: int, end: int) -> int:
        if end - at < _TAG.size:
            raise UnreadableError("it ends inside a tag")
        group, element = _TAG.unpack_from(self._data, at)
        return int(group << 16 | element)
