"""The DICOM files at hand without a network: those of pydicom's wheel and of pydicom-data."""

from functools import cache
from pathlib import Path

import data_store
import pydicom

ROOTS = (Path(pydicom.__file__).parent / "data", Path(data_store.__file__).parent)


class CorpusFile:
    """One Part 10 file: its identity, and its data set's bytes as they stand in it."""

    def __init__(self, path, meta, data_set):
        self.path = path
        self.sop_class_uid = str(meta.MediaStorageSOPClassUID)
        self.sop_instance_uid = str(meta.MediaStorageSOPInstanceUID)
        self.transfer_syntax_uid = str(meta.TransferSyntaxUID)
        self.data_set = data_set

    def __repr__(self):
        return self.path.name


def _read(path):
    """The file as it can be sent: with a preamble, a whole File Meta Information and all its UIDs."""
    content = path.read_bytes()
    if content[128:132] != b"DICM" or content[132:138] != b"\2\0\0\0UL":
        return None
    meta = pydicom.filereader.read_file_meta_info(path)
    uids = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
    if not all(meta.get(uid) for uid in uids):
        return None
    start = 144 + int.from_bytes(content[140:144], "little")
    return CorpusFile(path, meta, content[start:])


@cache
def corpus():
    """Every file that can be sent, in the order of their paths."""
    paths = sorted(path for root in ROOTS for path in root.rglob("*") if path.is_file())
    files = [_read(path) for path in paths if path.suffix not in (".py", ".pyc")]
    return [file for file in files if file is not None]


@cache
def bare_files():
    """Paths of the DICOM files that lack all or some of that, such as data sets alone."""
    whole = {file.path for file in corpus()}
    return [path for root in ROOTS for path in sorted(root.rglob("*.dcm")) if path not in whole]
