"""The native picker finds in any data set what pydicom and its plain twin find, however the bytes are cut."""

import io
import itertools
import struct
import warnings

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from port104._native import ffi, lib
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

import dataset_twin
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


def pick_by_twin(data, *, explicit):
    return dataset_twin.pick(data, explicit=explicit, tags=ROUTING_TAGS)


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


@pytest.mark.parametrize("file", LITTLE_ENDIAN, ids=str)
def test_real_files_give_what_the_twin_reads(file):
    explicit = file.transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN
    data = file.data_set
    expected = pick_by_twin(data, explicit=explicit)
    assert pick(data, explicit=explicit) == expected
    assert pick(data, explicit=explicit, cuts=range(1, 2000)) == expected


uids = st.from_regex(r"[1-9](\.[1-9][0-9]{0,9}){0,4}", fullmatch=True)
names = st.text(st.characters(min_codepoint=65, max_codepoint=90), max_size=16)


def encode(data_set, *, explicit):
    stream = io.BytesIO()
    pydicom.dcmwrite(
        stream, data_set, implicit_vr=not explicit, little_endian=True, enforce_file_format=False
    )
    return stream.getvalue()


@st.composite
def data_sets(draw, *, explicit, depth=2):
    """A data set with some routing elements, private ones, and nested sequences of either length.

    In explicit VR also UN of undefined length and encapsulated pixels, as an icon in a sequence has them.
    """
    made = Dataset()
    made.SOPInstanceUID = draw(uids)
    if draw(st.booleans()):
        made.AccessionNumber = draw(names)
    if draw(st.booleans()):
        made.Modality = draw(names)
    if draw(st.booleans()):
        made.PatientID = draw(names) * draw(st.sampled_from([1, 1, 1, 30]))
    if draw(st.booleans()):
        made.StudyInstanceUID = draw(uids)
    if draw(st.booleans()):
        made.add_new(0x00090010, "LO", "SOMEBODY")
        made.add_new(0x00091001, "UN", draw(st.binary(max_size=20)))
        made.add_new(0x00091002, "OB", draw(st.binary(max_size=300)))
    if explicit and draw(st.booleans()):
        inside = encode(draw(data_sets(explicit=False, depth=0)), explicit=False)
        made.add_new(0x00111001, "UN", struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside)
        made[0x00111001].is_undefined_length = True
    if explicit and draw(st.booleans()):
        made.add_new(0x7FE00010, "OB", encapsulate(draw(st.lists(st.binary(min_size=2), min_size=1))))
        made[0x7FE00010].is_undefined_length = True
    made.add_new(0x00280010, "US", 1)
    if depth and draw(st.booleans()):
        items = draw(st.lists(data_sets(explicit=explicit, depth=depth - 1), max_size=2))
        for item in items:
            item.is_undefined_length_sequence_item = draw(st.booleans())
        made.add_new(0x00081115, "SQ", Sequence(items))
        made[0x00081115].is_undefined_length = draw(st.booleans())
    return made


@settings(deadline=None, max_examples=200)
@given(data=st.data(), explicit=st.booleans(), cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_generated_data_sets_give_what_was_put_in(data, explicit, cuts):
    data_set = data.draw(data_sets(explicit=explicit))
    state, found = pick(encode(data_set, explicit=explicit), explicit=explicit, cuts=cuts)
    assert state == lib.P104_PICK_DONE
    wanted = {tag: str(data_set[tag].value or "")[:256] for tag in ROUTING_TAGS if tag in data_set}
    assert {tag: text(value) for tag, value in found.items()} == wanted


@settings(deadline=None, max_examples=200)
@given(data=st.data(), explicit=st.booleans())
def test_broken_data_sets_give_what_the_twin_reads(data, explicit):
    whole = bytearray(encode(data.draw(data_sets(explicit=explicit)), explicit=explicit))
    places = st.integers(0, len(whole) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=3)):
        whole[place] = byte
    broken = bytes(whole[: data.draw(places | st.just(len(whole)))])
    cuts = data.draw(st.lists(places, max_size=8))
    expected = pick_by_twin(broken, explicit=explicit)
    assert pick(broken, explicit=explicit, cuts=cuts) == expected


# Headers of which most make sense somewhere: the tags that matter, and every kind of VR and length.
TAGS = [*ROUTING_TAGS, 0x00080001, 0x00081115, 0x00091001, 0x0020000F, 0x00020010, 0xFFFE0000]
DELIMITERS = [dataset_twin.ITEM, dataset_twin.ITEM_DELIMITATION, dataset_twin.SEQUENCE_DELIMITATION]
lengths = st.sampled_from([0, 0, 1, 2, 4, 300, dataset_twin.UNDEFINED, dataset_twin.UNDEFINED])


def header(tag, vr, length):
    """An element's header; vr None: without."""
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr is None:
        return start + struct.pack("<I", length)
    if vr in dataset_twin.SHORT_VRS:
        return start + vr.encode() + struct.pack("<H", length & 0xFFFF)
    return start + vr.encode() + struct.pack("<xxI", length)


delimiters = st.builds(header, st.sampled_from(DELIMITERS), st.none(), lengths)
elements = st.builds(
    lambda tag, vr, length: header(tag, vr, length) + b"v" * (length if length < 1000 else 0),
    st.sampled_from(TAGS),
    st.sampled_from([None, "UI", "CS", "OB", "SQ", "UN", "ZZ", "Z1", "aa"]),
    lengths,
)
any_streams = st.lists(elements | delimiters, max_size=12).map(b"".join) | st.binary(max_size=60)


@settings(deadline=None, max_examples=2_000)
@given(stream=any_streams, explicit=st.booleans(), cuts=st.lists(st.integers(0, 500), max_size=8))
def test_any_bytes_give_what_the_twin_reads(stream, explicit, cuts):
    expected = pick_by_twin(stream, explicit=explicit)
    assert pick(stream, explicit=explicit, cuts=cuts) == expected


@given(stream=any_streams, explicit=st.booleans())
def test_byte_by_byte_is_the_same(stream, explicit):
    assert pick(stream, explicit=explicit, cuts=range(len(stream))) == pick(stream, explicit=explicit)
