"""File Meta Information: of real files as pydicom reads it, of any bytes without surprise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import corpus
from part10_files import element, file_meta
from port104.sending.file_meta import read_file_meta


def test_real_files_are_read_as_pydicom_reads_them():
    for file in corpus():
        with file.path.open("rb") as stream:
            meta = read_file_meta(stream.read(64 * 1024))
        assert meta.data_set_at == file.path.stat().st_size - len(file.data_set), file
        assert meta.sop_class_uid == file.sop_class_uid, file
        assert meta.transfer_syntax_uid == file.transfer_syntax_uid, file
        assert meta.sop_instance_uid in (file.sop_instance_uid, ""), file
        assert all(meta) == bool(meta.sop_instance_uid)


def test_the_group_length_is_not_believed():
    head = bytearray(file_meta())
    head[140:144] = b"\xff\xff\xff\xff"
    assert read_file_meta(bytes(head) + b"\x08\0").data_set_at == len(head)


@pytest.mark.parametrize("missing", ["sop_class", "instance", "syntax"])
def test_what_is_missing_is_empty(missing):
    meta = read_file_meta(file_meta(**{missing: ""}))
    assert not all(meta)
    assert list(meta[1:]).count("") == 1


@given(st.binary(max_size=60) | st.builds(lambda cut: file_meta()[132:cut], st.integers(132, 300)))
def test_any_bytes_are_read_or_refused(some):
    try:
        meta = read_file_meta(bytes(128) + b"DICM" + some)
    except ValueError as fault:
        assert "File Meta Information is cut off" in str(fault)
    else:
        assert 132 <= meta.data_set_at <= 132 + len(some)


@given(st.binary(max_size=200).filter(lambda some: some[128:132] != b"DICM"))
def test_what_is_no_dicom_file_is_named_so(some):
    with pytest.raises(ValueError, match="no DICOM file"):
        read_file_meta(some)


def test_long_values_are_passed_over():
    head = file_meta() + element(2, 0x0102, b"OB", bytes(70_000))
    assert read_file_meta(head).data_set_at == len(head)
    with pytest.raises(ValueError, match="cut off, or too long"):
        read_file_meta(head[:-1])
