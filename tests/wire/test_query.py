"""Identifiers of queries, held against pydicom."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset

from port104 import uids
from port104.errors import LocalProtocolError
from port104.wire.query import Key, encode_identifier

SYNTAXES = [uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_LITTLE_ENDIAN]
LEVEL, STUDY, NUMBER = 0x00080052, 0x0020000D, 0x00201208

uid_values = st.from_regex(r"[1-9](\.[1-9]){0,20}", fullmatch=True)


@given(uid_values, st.sampled_from(["STUDY", "SERIES"]), st.sampled_from(SYNTAXES))
def test_an_identifier_is_what_pydicom_reads(study, level, syntax):
    keys = [Key(NUMBER, "IS"), Key(STUDY, "UI", study), Key(LEVEL, "CS", level)]
    encoded = encode_identifier(keys, syntax)
    assert len(encoded) % 2 == 0
    found = read_dataset(io.BytesIO(encoded), syntax == SYNTAXES[0], is_little_endian=True)
    assert [(element.tag, element.VR) for element in found] == [(LEVEL, "CS"), (STUDY, "UI"), (NUMBER, "IS")]
    assert (found.QueryRetrieveLevel, found.StudyInstanceUID) == (level, study)
    assert found.NumberOfStudyRelatedInstances is None


@pytest.mark.parametrize(
    ("value", "words"), [("\u4e00", "beyond ISO 8859-1"), ("1" * 0xFFFF, "at most 65534 bytes")]
)
def test_what_cannot_be_encoded_is_ours(value, words):
    with pytest.raises(LocalProtocolError, match=words):
        encode_identifier([Key(STUDY, "UI", value)], SYNTAXES[0])
