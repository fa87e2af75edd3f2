"""Files that are looked at and sent; see native/courier.h, native/looking.h and native/file_meta.h."""

import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from port104._native import ffi, lib
from port104.native.link import Link

# How a courier ended: see enum p104_courier_end.
COURIER_DONE: int = lib.P104_COURIER_DONE
COURIER_FILE: int = lib.P104_COURIER_FILE
COURIER_RESPONSE: int = lib.P104_COURIER_RESPONSE
COURIER_BROKEN: int = lib.P104_COURIER_BROKEN
COURIER_STUCK: int = lib.P104_COURIER_STUCK
COURIER_CUT: int = lib.P104_COURIER_CUT
COURIER_TIME: int = lib.P104_COURIER_TIME


# Why a file has no File Meta Information: see enum p104_file_meta_fault.
META_NO_DICOM: int = lib.P104_META_NO_DICOM
META_CUT_OFF: int = lib.P104_META_CUT_OFF

# p104_looked.
_LOOKED = struct.Struct("@qqq65p65p65p0qB0q")


class Parcel(msgspec.Struct, frozen=True):
    """A file for `deliver`; fields as in native/courier.h p104_parcel. `sop_instance` has no padding."""

    path: bytes
    size: int
    modified: int
    data_set_at: int
    command: bytes
    sop_instance: bytes
    message_id: int
    context_id: int


class Terms(msgspec.Struct, frozen=True):
    """How files are sent; fields as in native/courier.h p104_courier_terms."""

    peer_maximum_length: int
    window: int
    send_timeout: int
    time_limit: int


class Load:
    """Parcels as `deliver` takes them. To make it takes a while: another thread may."""

    def __init__(self, parcels: Sequence[Parcel]) -> None:
        # What the array points to is kept: it holds none of it.
        self._kept = [
            (ffi.new("char[]", each.path), ffi.from_buffer(each.command), ffi.from_buffer(each.sop_instance))
            for each in parcels
        ]
        self._parcels = ffi.new("p104_parcel[]", len(parcels))
        for one, parcel, kept in zip(self._parcels, parcels, self._kept, strict=True):
            one.path, one.command, one.sop_instance = kept
            one.size, one.modified, one.data_set_at = parcel.size, parcel.modified, parcel.data_set_at
            one.command_length, one.sop_instance_length = len(parcel.command), len(parcel.sop_instance)
            one.message_id, one.context_id = parcel.message_id, parcel.context_id


def deliver(link: Link, load: Load, first: int, terms: Terms) -> tuple[list[int | None], int]:
    """Send files, but for so many first ones, and wait meanwhile; see p104_courier. For a thread of its own.

    Returns the statuses of those that were begun, None of those that were not answered, and why it ended
    (COURIER_...).
    """
    parcels = load._parcels  # noqa: SLF001
    end = ffi.new("int *")
    agreed = ffi.new("p104_courier_terms *", msgspec.structs.asdict(terms))
    begun = lib.p104_courier(link._link, parcels + first, len(parcels) - first, agreed, end)  # noqa: SLF001
    sent = parcels[first : first + begun]
    return [one.status if one.answered else None for one in sent], end[0]


class FileMeta(NamedTuple):
    """File Meta Information that others wrote: bytes before the data set; UIDs, empty where there is none."""

    data_set_at: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


def read_file_meta(head: bytes) -> FileMeta | int:
    """Read it from a file's first bytes, or say why not (META_...); see p104_read_file_meta."""
    meta = ffi.new("p104_file_meta *")
    fault: int = lib.p104_read_file_meta(ffi.from_buffer(head), len(head), meta)
    return fault or FileMeta(
        meta.data_set_at,
        *(
            bytes(uid[1 : uid[0] + 1]).decode()
            for uid in (meta.sop_class, meta.sop_instance, meta.transfer_syntax)
        ),
    )


class Looked(NamedTuple):
    """A file as p104_looked tells of it; UIDs are ASCII."""

    size: int
    modified: int
    data_set_at: int
    sop_class_uid: bytes
    sop_instance_uid: bytes
    transfer_syntax_uid: bytes
    plain: int


def look(paths: Sequence[str]) -> list[Looked]:
    """Look at files; blocks on the disk. See p104_look."""
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    if names.count(b"\0") != len(paths):
        raise ValueError("a path has a NUL character")
    found = ffi.new("p104_looked[]", len(paths))
    lib.p104_look(ffi.from_buffer(names), len(paths), found)
    return [*map(Looked._make, _LOOKED.iter_unpack(ffi.buffer(found)))]
