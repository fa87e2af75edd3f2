"""Files from what people name, on the disk as it is."""

import os
from pathlib import Path

import pydicom.data
import pytest

from corpus import ROOTS
from port104.sending.selection import NothingNamedError, select
from port104.storage.reading import referenced_files


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2.dcm", "b/1.dcm", "a.dcm", "b/c/3", "DICOMDIR"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(folder, selected):
    return [(str(Path(one.path).relative_to(folder)), one.named) for one in selected]


def test_a_folder_holds_all_below_it_in_order(folder):
    assert names(folder, select([str(folder)])) == [
        ("a.dcm", False), ("b/1.dcm", False), ("b/2.dcm", False), ("b/c/3", False),
    ]  # fmt: skip


def test_each_file_comes_once_and_remembers_that_it_was_named(folder):
    given = [str(folder / "b"), str(folder / "b/1.dcm"), str(folder / "*.dcm")]
    assert names(folder, select(given)) == [
        ("b/1.dcm", True), ("b/2.dcm", False), ("b/c/3", False), ("a.dcm", True),
    ]  # fmt: skip


def test_patterns_go_deep(folder):
    assert names(folder, select([str(folder / "**/*.dcm")])) == [
        ("a.dcm", True), ("b/1.dcm", True), ("b/2.dcm", True),
    ]  # fmt: skip


def test_a_file_that_is_called_like_a_pattern_is_that_file(folder):
    path = folder / "[1].dcm"
    path.touch()
    assert [one.path for one in select([str(path)])] == [str(path)]


def test_what_is_not_there_is_named(folder):
    with pytest.raises(NothingNamedError, match="no such file or folder"):
        select([str(folder / "nothing")])
    os.symlink("nowhere", folder / "link")  # noqa: PTH211
    assert names(folder, select([str(folder / "link")])) == [("link", True)]


def test_a_folder_that_cannot_be_read_is_no_empty_one(folder, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError):
        select([str(folder)])


def test_a_dicomdir_stands_for_the_files_that_it_names():
    (dicomdir,) = [path for root in ROOTS for path in root.rglob("dicomdirtests/DICOMDIR")]
    selected = select([str(dicomdir)])
    assert len(selected) == 31
    assert all(Path(one.path).is_file() and one.named for one in selected)


@pytest.mark.parametrize("content", [b"", b"no DICOMDIR at all"])
def test_what_is_no_dicomdir_is_refused(tmp_path, content):
    path = tmp_path / "DICOMDIR"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no DICOMDIR"):
        select([str(path)])
    with pytest.raises(ValueError, match="no DICOMDIR"):
        referenced_files(pydicom.data.get_testdata_file("CT_small.dcm", read=False))


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_a_dicomdir_leads_nowhere_else(tmp_path):
    data_set = pydicom.Dataset()
    record = pydicom.Dataset()
    record.ReferencedFileID = ["..", "OTHER"]
    data_set.DirectoryRecordSequence = [record]
    data_set.file_meta = pydicom.dataset.FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    data_set.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    data_set.file_meta.MediaStorageSOPInstanceUID = "1.2"
    data_set.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    with pytest.raises(ValueError, match="outside of its folder"):
        select([str(tmp_path / "DICOMDIR")])
