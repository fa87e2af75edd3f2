"""What an association decides of the File Meta Information; tests/native has the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from port104._native import lib
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset

from port104 import uids
from port104.storage.part10 import encode_origin, is_little_endian_stream

titles = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16)


def read_elements(encoded):
    return read_dataset(DicomBytesIO(encoded), is_implicit_VR=False, is_little_endian=True)


def test_pydicom_reads_every_element():
    elements = read_elements(encode_origin(calling_ae_title="MODALITY", called_ae_title="PORT104"))
    assert [element.tag.element for element in elements] == [0x12, 0x13, 0x16, 0x17, 0x18]
    assert elements.ImplementationClassUID == uids.IMPLEMENTATION_CLASS
    assert elements.ImplementationVersionName == uids.IMPLEMENTATION_VERSION
    assert elements.SourceApplicationEntityTitle == "MODALITY"
    assert elements.SendingApplicationEntityTitle == "MODALITY"
    assert elements.ReceivingApplicationEntityTitle == "PORT104"


@given(calling=titles, called=titles)
def test_values_have_even_lengths_and_the_whole_has_room(calling, called):
    encoded = encode_origin(calling_ae_title=calling, called_ae_title=called)
    assert len(encoded) <= lib.P104_ORIGIN_LENGTH
    position = 0
    while position < len(encoded):
        length = int.from_bytes(encoded[position + 6 : position + 8], "little")
        assert length % 2 == 0
        position += 8 + length
    assert position == len(encoded)


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
