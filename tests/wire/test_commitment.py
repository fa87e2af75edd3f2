"""Data sets of storage commitment, held against pydicom, and whatever a peer may send instead."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from port104 import uids
from port104.wire import commitment
from port104.wire.command import Status
from port104.wire.commitment import (
    CommitmentReport,
    CommitmentRequest,
    Failure,
    Reference,
    UnreadableError,
    decode_report,
    decode_request,
    encode_report,
    encode_request,
)
from wire_strategies import valid_uids

SYNTAXES = [uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_LITTLE_ENDIAN]
IMPLICIT = SYNTAXES[0]
syntaxes = st.sampled_from(SYNTAXES)
uid = valid_uids.filter(lambda value: len(value) <= 64)
references = st.builds(Reference, uid, uid)
failures = st.builds(Failure, references, st.integers(0, 0xFFFF))
requests = st.builds(CommitmentRequest, uid, st.lists(references, min_size=1, max_size=5).map(tuple))
reports = st.builds(
    CommitmentReport,
    uid,
    st.lists(references, max_size=4).map(tuple),
    st.lists(failures, max_size=4).map(tuple),
).filter(lambda report: report.held or report.failed)

REQUEST = CommitmentRequest("1.2.3", (Reference("1.2.840.10008.5.1.4.1.1.7", "1.2.4"),))


def item_of(reference, reason=None):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference
    if reason is not None:
        item.FailureReason = reason
    return item


def encoded_by_pydicom(data_set, syntax):
    written = DicomBytesIO()
    written.is_implicit_VR, written.is_little_endian = syntax == IMPLICIT, True
    write_dataset(written, data_set)
    return written.getvalue()


def of_pydicom(request, *, undefined):
    data_set = Dataset()
    data_set.RetrieveAETitle = "THEM"
    data_set.StorageMediaFileSetID = ""
    data_set.TransactionUID = request.transaction_uid
    items = [item_of(each) for each in request.references]
    for item in items:
        item.is_undefined_length_sequence_item = undefined
        item.PurposeOfReferenceCodeSequence = Sequence([Dataset()])
        item["PurposeOfReferenceCodeSequence"].is_undefined_length = undefined
    data_set.ReferencedSOPSequence = Sequence(items)
    data_set["ReferencedSOPSequence"].is_undefined_length = undefined
    data_set.ReferencedPerformedProcedureStepSequence = Sequence([item_of(request.references[0])])
    return data_set


@given(requests, syntaxes)
def test_a_request_is_read_as_it_was_written(request, syntax):
    assert decode_request(encode_request(request, syntax), syntax) == request


@given(reports, syntaxes)
def test_a_report_is_read_as_it_was_written(report, syntax):
    assert decode_report(encode_report(report, syntax), syntax) == report


@given(reports, syntaxes)
def test_a_report_is_what_pydicom_reads(report, syntax):
    found = read_dataset(io.BytesIO(encode_report(report, syntax)), syntax == IMPLICIT, is_little_endian=True)
    assert found.TransactionUID == report.transaction_uid
    held = [
        (each.ReferencedSOPClassUID, each.ReferencedSOPInstanceUID)
        for each in found.get("ReferencedSOPSequence", [])
    ]
    failed = [
        ((each.ReferencedSOPClassUID, each.ReferencedSOPInstanceUID), each.FailureReason)
        for each in found.get("FailedSOPSequence", [])
    ]
    assert (held, failed) == ([*report.held], [*report.failed])
    assert report.event_type_id == (2 if report.failed else 1)


@given(requests, syntaxes, st.booleans())
def test_what_pydicom_writes_is_read(request, syntax, undefined):
    data = encoded_by_pydicom(of_pydicom(request, undefined=undefined), syntax)
    assert decode_request(data, syntax) == request


@given(requests, syntaxes, st.data())
def test_what_is_cut_or_changed_is_read_or_refused(request, syntax, data):
    """Nothing but UnreadableError comes out."""
    encoded = bytearray(encoded_by_pydicom(of_pydicom(request, undefined=True), syntax))
    for _ in range(data.draw(st.integers(0, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(encoded[: data.draw(st.integers(0, len(encoded)))])
    for decode in (decode_request, decode_report):
        try:
            decode(cut, syntax)
        except UnreadableError as fault:
            assert fault.status in (Status.INVALID_ARGUMENT_VALUE, Status.RESOURCE_LIMITATION)


@given(st.binary(max_size=200), syntaxes)
def test_any_bytes_are_read_or_refused(data, syntax):
    with pytest.raises(UnreadableError):
        decode_request(data, syntax)


def element(tag, value, length=None):
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


TRANSACTION = element(0x00081195, b"1.2.3\0")
REFERENCE = element(0x00081150, b"1.2.3\0") + element(0x00081155, b"1.2.4\0")
ITEM = element(0xFFFEE000, REFERENCE)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (element(0x00081199, ITEM), "Transaction UID"),
        (element(0x00081195, b"") + element(0x00081199, ITEM), "Transaction UID"),
        (element(0x00081195, b"1..2") + element(0x00081199, ITEM), r"\(0008,1195\) is no UID"),
        (TRANSACTION, "absent or empty"),
        (TRANSACTION + element(0x00081199, b""), "absent or empty"),
        (TRANSACTION + element(0x00081199, element(0xFFFEE000, REFERENCE[:14])), "lacks a Referenced"),
        (TRANSACTION + element(0x00081199, TRANSACTION), "between the items"),
        (TRANSACTION + element(0x00081199, ITEM, 10**6), "longer than what it is in"),
        (
            TRANSACTION + element(0x00081199, element(0xFFFEE000, REFERENCE, 10**6)),
            "longer than what it is in",
        ),
        (TRANSACTION + element(0x00081199, ITEM, 0xFFFFFFFF), "a sequence does not end"),
        (TRANSACTION + element(0x00081199, element(0xFFFEE000, REFERENCE, 0xFFFFFFFF)), "does not end"),
        (TRANSACTION + element(0x00081198, ITEM) + element(0x00081199, ITEM), "Failed SOP Sequence"),
        (TRANSACTION + b"\0", "ends inside"),
    ],
)
def test_what_is_wrong_is_said(data, words):
    with pytest.raises(UnreadableError, match=words) as refused:
        decode_request(data, IMPLICIT)
    assert refused.value.status == Status.INVALID_ARGUMENT_VALUE


def test_sequences_in_sequences_end_somewhere():
    deep = (element(0x00081199, b"", 0xFFFFFFFF) + element(0xFFFEE000, b"", 0xFFFFFFFF)) * 5_000
    with pytest.raises(UnreadableError, match="too deep"):
        decode_request(TRANSACTION + deep, IMPLICIT)


def test_there_are_not_too_many(monkeypatch):
    monkeypatch.setattr(commitment, "MOST_REFERENCES", 3)
    three = element(0x00081199, ITEM * 3)
    assert len(decode_request(TRANSACTION + three, IMPLICIT).references) == 3
    for data in (
        TRANSACTION + element(0x00081199, ITEM * 4),
        TRANSACTION + three + element(0x00081199, ITEM),
    ):
        with pytest.raises(UnreadableError, match="more than 3 instances") as refused:
            decode_request(data, IMPLICIT)
        assert refused.value.status == Status.RESOURCE_LIMITATION


def test_it_is_not_too_long(monkeypatch):
    monkeypatch.setattr(commitment, "MOST_BYTES", 10)
    with pytest.raises(UnreadableError) as refused:
        decode_request(bytes(11), IMPLICIT)
    assert refused.value.status == Status.RESOURCE_LIMITATION


def test_a_failure_without_a_reason_is_a_processing_failure():
    report = decode_report(TRANSACTION + element(0x00081198, ITEM), IMPLICIT)
    assert report.failed == (Failure(Reference("1.2.3", "1.2.4"), Status.PROCESSING_FAILURE),)
    with pytest.raises(UnreadableError, match="names no instance"):
        decode_report(TRANSACTION, IMPLICIT)
    wrong = element(0xFFFEE000, REFERENCE + element(0x00081197, b"\1"))
    with pytest.raises(UnreadableError, match="no number"):
        decode_report(TRANSACTION + element(0x00081198, wrong), IMPLICIT)
