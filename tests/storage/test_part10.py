"""The header in front of a stored data set, read back by pydicom."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_file_meta_info, read_preamble

from port104 import uids
from port104.storage.part10 import Header, is_little_endian_stream

CLASS = "1.2.840.10008.5.1.4.1.1.7"


def header(**changes):
    facts = {
        "sop_class_uid": CLASS,
        "transfer_syntax_uid": uids.EXPLICIT_VR_LITTLE_ENDIAN,
        "calling_ae_title": "MODALITY",
        "called_ae_title": "PORT104",
    }
    return Header(**(facts | changes))


def read_meta(tmp_path, encoded):
    file = tmp_path / "header.dcm"
    file.write_bytes(encoded)
    return read_file_meta_info(file)


def test_pydicom_reads_every_element(tmp_path):
    encoded, _ = header().encode("1.2.3")
    assert read_preamble(BytesIO(encoded), force=False) == bytes(128)
    meta = read_meta(tmp_path, encoded)
    assert meta.FileMetaInformationVersion == b"\x00\x01"
    assert meta.MediaStorageSOPClassUID == CLASS
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.TransferSyntaxUID == uids.EXPLICIT_VR_LITTLE_ENDIAN
    assert meta.ImplementationClassUID == uids.IMPLEMENTATION_CLASS
    assert meta.ImplementationVersionName == uids.IMPLEMENTATION_VERSION
    assert meta.SourceApplicationEntityTitle == "MODALITY"
    assert meta.SendingApplicationEntityTitle == "MODALITY"
    assert meta.ReceivingApplicationEntityTitle == "PORT104"


@given(
    instance=st.from_regex(r"[1-9][0-9]{0,30}(\.[1-9][0-9]{0,14}){0,2}", fullmatch=True),
    calling=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16),
)
def test_group_length_covers_the_group(instance, calling):
    encoded, identity_end = header(calling_ae_title=calling).encode(instance)
    length = int.from_bytes(encoded[140:144], "little")
    assert len(encoded) == 144 + length
    assert len(encoded) % 2 == 0
    assert 144 < identity_end < len(encoded)


def test_identity_does_not_depend_on_who_sent_it():
    ours, end = header().encode("1.2.3")
    theirs, their_end = header(calling_ae_title="OTHER").encode("1.2.3")
    assert (end, ours[144:end]) == (their_end, theirs[144:end])
    assert ours != theirs


@pytest.mark.parametrize(
    "change",
    [{"sop_class_uid": "1.2.3.4"}, {"transfer_syntax_uid": uids.IMPLICIT_VR_LITTLE_ENDIAN}],
)
def test_identity_depends_on_class_and_syntax(change):
    ours, end = header().encode("1.2.3")
    other, other_end = header(**change).encode("1.2.3")
    assert ours[144:end] != other[144:other_end]


@pytest.mark.parametrize(
    ("syntax", "readable"),
    [
        ("1.2.840.10008.1.2", True),
        ("1.2.840.10008.1.2.1", True),
        ("1.2.840.10008.1.2.4.90", True),
        ("1.2.840.10008.1.2.2", False),
        ("1.2.840.10008.1.2.1.99", False),
        ("1.2.840.113619.5.2", False),
    ],
)
def test_which_syntaxes_are_little_endian_streams(syntax, readable):
    assert is_little_endian_stream(syntax) is readable
