"""Writes a file as the engine stores it, and tells of it as the store does."""

import os
import struct

from port104 import uids
from port104.storage.part10 import encode_origin
from port104.storage.store import instance_path
from port104.storage.stored import StoredInstance
from raw_peer import SECONDARY_CAPTURE
from sender import element, image, uid


def put(root, instance, *, study="1.2.3", called="PORT104", calling="CT1", data_set=None, written=None):
    """Store a file; returns its path. `written`: seconds since 1970."""
    path = instance_path(root, called, instance)
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = (
        element(2, 1, b"OB", b"\0\1")
        + element(2, 2, b"UI", uid(SECONDARY_CAPTURE))
        + element(2, 3, b"UI", uid(instance))
        + element(2, 0x10, b"UI", uid(uids.EXPLICIT_VR_LITTLE_ENDIAN))
        + encode_origin(calling_ae_title=calling, called_ae_title=called)
    )
    group_length = element(2, 0, b"UL", len(meta).to_bytes(4, "little"))
    data_set = image(instance, b"pixels", study=study) if data_set is None else data_set
    path.write_bytes(bytes(128) + b"DICM" + group_length + meta + data_set)
    if written is not None:
        os.utime(path, (written, written))
    return path


def packed(elements):
    """Elements as they are told of (native/spool.h p104_completion.picked)."""
    return b"".join(struct.pack("<IH", tag, len(value)) + value for tag, value in sorted(elements.items()))


def told_of(path, instance, *, study="1.2.3", called="PORT104", association=1, complete=True):
    """What the store says of it."""
    found = {
        0x00080016: SECONDARY_CAPTURE.encode(),
        0x0020000D: study.encode(),
        0x0020000E: f"{study}.1".encode(),
    }
    return StoredInstance(
        association=association,
        called_ae_title=called,
        sop_instance_uid=instance,
        instances=path.parents[1],
        file=f"{path.parent.name}/{path.name}",
        duplicate=False,
        replaced=False,
        picked=packed(found) if complete else b"",
        elements_complete=complete,
    )
