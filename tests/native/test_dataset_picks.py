"""The native picker finds in any data set what pydicom finds, however the bytes are cut."""

import io
import itertools
import warnings

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from port104._native import ffi, lib
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from corpus import corpus
from port104.storage.part10 import is_little_endian_stream
from port104.storage.store import ROUTING_TAGS
from port104.uids import IMPLICIT_VR_LITTLE_ENDIAN

# What pydicom says of odd values that test files hold on purpose is not the matter here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def pick(data, *, explicit, cuts=(), tags=ROUTING_TAGS):
    """(state, {tag: value}) of the native picker."""
    picker = ffi.new("p104_picker *")
    assert lib.p104_picker_start(picker, explicit, list(tags), len(tags)) == 0
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        lib.p104_pick(picker, data[start:end], end - start)
    state = lib.p104_picker_end(picker)
    found = [picker.picked[index] for index in range(picker.count) if picker.picked[index].found]
    return state, {one.tag: ffi.buffer(one.value, one.length)[:] for one in found}


def text(value):
    """A raw value as text, without padding."""
    return value.decode("latin-1").strip(" \0")


def expected_of(data_set, tags=ROUTING_TAGS):
    """What pydicom reads of the wanted elements, as text."""
    values = {}
    for tag in tags:
        raw = data_set.get_item(tag)
        if raw is not None:
            values[tag] = text(raw.value or b"")
    return values


LITTLE_ENDIAN = [file for file in corpus() if is_little_endian_stream(file.transfer_syntax_uid)]


@pytest.mark.parametrize("file", LITTLE_ENDIAN, ids=str)
def test_real_files_give_what_pydicom_reads(file):
    implicit = file.transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
    state, found = pick(file.data_set, explicit=not implicit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data_set = pydicom.dcmread(file.path, stop_before_pixels=True)
            expected = expected_of(data_set)
        except Exception:  # noqa: BLE001 - files that are broken on purpose
            expected = None
    values = {tag: text(value) for tag, value in found.items()}
    if state == lib.P104_PICK_DONE and expected is not None:
        assert values == expected
    else:
        # Then the caller reads the file: no value of a file that pydicom reads may be wrong.
        assert expected is None or values.items() <= expected.items()


def test_nearly_every_real_file_is_readable():
    states = [
        pick(file.data_set, explicit=file.transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN)[0]
        for file in LITTLE_ENDIAN
    ]
    assert states.count(lib.P104_PICK_DONE) > 0.9 * len(states)


uids = st.from_regex(r"[1-9](\.[1-9][0-9]{0,9}){0,4}", fullmatch=True)
names = st.text(st.characters(min_codepoint=65, max_codepoint=90), max_size=16)


@st.composite
def data_sets(draw, depth=2):
    """A data set with some routing elements, private ones, and nested sequences of either length."""
    made = Dataset()
    made.SOPInstanceUID = draw(uids)
    if draw(st.booleans()):
        made.AccessionNumber = draw(names)
    if draw(st.booleans()):
        made.Modality = draw(names)
    if draw(st.booleans()):
        made.PatientID = draw(names)
    if draw(st.booleans()):
        made.StudyInstanceUID = draw(uids)
    if draw(st.booleans()):
        made.add_new(0x00090010, "LO", "SOMEBODY")
        made.add_new(0x00091001, "UN", draw(st.binary(max_size=20)))
        made.add_new(0x00091002, "OB", draw(st.binary(max_size=300)))
    made.add_new(0x00280010, "US", 1)
    if depth and draw(st.booleans()):
        items = draw(st.lists(data_sets(depth=depth - 1), max_size=2))
        for item in items:
            item.is_undefined_length_sequence_item = draw(st.booleans())
        made.add_new(0x00081115, "SQ", Sequence(items))
        made[0x00081115].is_undefined_length = draw(st.booleans())
    return made


def encode(data_set, *, explicit):
    stream = io.BytesIO()
    pydicom.dcmwrite(
        stream, data_set, implicit_vr=not explicit, little_endian=True, enforce_file_format=False
    )
    return stream.getvalue()


@settings(deadline=None, max_examples=200)
@given(data_set=data_sets(), explicit=st.booleans(), cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_generated_data_sets_give_what_was_put_in(data_set, explicit, cuts):
    state, found = pick(encode(data_set, explicit=explicit), explicit=explicit, cuts=cuts)
    assert state == lib.P104_PICK_DONE
    wanted = {tag: str(data_set[tag].value or "") for tag in ROUTING_TAGS if tag in data_set}
    assert {tag: text(value) for tag, value in found.items()} == wanted


@given(data=st.binary(max_size=200), explicit=st.booleans(), cuts=st.lists(st.integers(0, 200)))
def test_any_bytes_give_the_same_however_they_are_cut(data, explicit, cuts):
    assert pick(data, explicit=explicit, cuts=cuts) == pick(data, explicit=explicit)
