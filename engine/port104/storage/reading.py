"""Reads stored files with pydicom; the only room that imports it.

What pydicom says of faulty values quotes them, and they may be a patient's: its log and its warnings are
never heard.
"""

# ruff: noqa: E402 - before pydicom comes, a decoder is kept out

import contextlib
import io
import logging
import re
import sys
import warnings
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

# pydicom loads every decoder there is. GDCM takes 0.15 s, and brings 35 MB and an OpenSSL of its own into
# the process: it belongs into that of transcoding.py.
sys.modules.setdefault("gdcm", None)  # type: ignore[arg-type]

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag

from port104.storage.part10 import DEFLATED
from port104.uids import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

logging.getLogger("pydicom").propagate = False
logging.getLogger("pydicom").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")

_UID = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)*")  # PS3.5 9.1, leading zeros let be
_META_LENGTH_AT = 140  # PS3.10 7.1: the value of (0002,0000), which our files begin with
_META_AT = 144
_TRANSFER_SYNTAX_UID = 0x00020010
# What stands before the study's elements takes some KB; the bound holds for what inflates, too.
_PREFIX_BYTES = 1024 * 1024


def describe(path: Path) -> list[str]:
    """Every element of the stored data set but pixel data, a line each. For logDimseDatasets.

    Holds patient data. Raises OSError when the file is gone and nothing else: what pydicom cannot read
    is said in a line.
    """
    try:
        data_set = pydicom.dcmread(path, stop_before_pixels=True)
        return str(data_set).splitlines()
    except OSError:
        raise
    except Exception as failure:  # noqa: BLE001 - a peer's bytes can make pydicom raise anything
        return [f"cannot be read: {failure}"]


def read_elements(path: Path, tags: Collection[int]) -> dict[int, bytes]:
    """Raw values of those of `tags` (group << 16 | element) that the data set's first MiB holds.

    For what could not be picked while it passed: big endian, deflated and broken data sets. Raises OSError
    when the file cannot be read and nothing else.
    """
    with path.open("rb") as file:
        meta = _read_meta(file)
        content = file.read(_PREFIX_BYTES)
    with contextlib.suppress(Exception):  # a damaged file can make pydicom raise anything
        return elements_in(content, _transfer_syntax(meta), tags)
    return {}


def elements_in(content: bytes, transfer_syntax: str, tags: Collection[int]) -> dict[int, bytes]:
    """Raw values of those of `tags` in `content`, a data set or its beginning, as far as it can be read."""
    found: dict[int, bytes] = {}
    with contextlib.suppress(Exception):  # a peer's bytes can make pydicom and zlib raise anything
        if transfer_syntax in DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, _PREFIX_BYTES)
        elements = data_element_generator(
            io.BytesIO(content),
            is_implicit_VR=transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN,
            is_little_endian=transfer_syntax != EXPLICIT_VR_BIG_ENDIAN,
            stop_when=lambda tag, _vr, _length: tag > max(tags),
            specific_tags=[*map(BaseTag, tags)],
        )
        for element in elements:
            if element.tag in tags and isinstance(element.value, bytes):
                found[int(element.tag)] = element.value
    return found


def read_meta(path: Path) -> dict[int, bytes]:
    """Raw values of the elements of File Meta Information (PS3.10 7.1), as far as they can be read.

    Raises OSError when the file cannot be read and nothing else.
    """
    with path.open("rb") as file:
        meta = _read_meta(file)
    found: dict[int, bytes] = {}
    with contextlib.suppress(Exception):  # a damaged file can make pydicom raise anything
        for element in _meta_elements(meta):
            if isinstance(element.value, bytes):
                found[int(element.tag)] = element.value
    return found


def identify(path: Path) -> tuple[str, str]:
    """SOP class and SOP instance UID of a DICOM file (PS3.10 7.1), whoever made it.

    Raises ValueError, which says why it is none in words that quote nothing of it; OSError.
    """
    try:
        data_set = pydicom.dcmread(path, stop_before_pixels=True)
        found = [str(data_set.get(keyword, "")) for keyword in ("SOPClassUID", "SOPInstanceUID")]
    except OSError:
        raise
    except InvalidDicomError as failure:
        raise ValueError(
            "it is no DICOM file (PS3.10 7.1): it does not begin with a preamble and DICM"
        ) from failure
    except Exception as failure:
        raise ValueError("its data set cannot be read") from failure
    for name, value in zip(("SOP Class UID", "SOP Instance UID"), found, strict=True):
        if not _UID.fullmatch(value):
            raise ValueError(f"its {name} is missing or none (PS3.5 9.1)")
    return found[0], found[1]


def referenced_files(path: Path) -> list[tuple[str, ...]]:
    """The files that a DICOMDIR names (0004,1500), as names of folders below its own and of the file there.

    Raises ValueError, which says why it is none; OSError.
    """
    try:
        records = pydicom.dcmread(path).DirectoryRecordSequence
        values = [record.get("ReferencedFileID") for record in records]
        names = [(each,) if isinstance(each, str) else tuple(each) for each in values if each]
    except OSError:
        raise
    except Exception as failure:  # a damaged file can make pydicom raise anything
        raise ValueError("it is no DICOMDIR (PS3.10 8.6) that can be read") from failure
    for parts in names:
        if any("/" in part or part in (".", "..") for part in parts):
            raise ValueError("it names files outside of its folder")
    return names


def tag_of(keyword: str) -> int | None:
    """The tag (group << 16 | element) of a keyword (PS3.6 6); None: no element has it."""
    return tag_for_keyword(keyword)


def _transfer_syntax(meta: bytes) -> str:
    """(0002,0010) of File Meta Information, which is always explicit VR little endian."""
    for element in _meta_elements(meta):
        if element.tag == _TRANSFER_SYNTAX_UID and isinstance(element.value, bytes):
            return element.value.decode("ascii").rstrip("\0")
    return ""


def _read_meta(file: BinaryIO) -> bytes:
    start = file.read(_META_AT)
    return file.read(int.from_bytes(start[_META_LENGTH_AT:], "little"))


def _meta_elements(meta: bytes) -> Iterator[RawDataElement | DataElement]:
    return data_element_generator(io.BytesIO(meta), is_implicit_VR=False, is_little_endian=True)
