"""Small DICOM files, made for tests of what sends them."""

import struct
from pathlib import Path

from port104 import uids
from raw_peer import SECONDARY_CAPTURE


def element(group, number, vr, value):
    """An element of explicit VR little endian."""
    if len(value) % 2:
        value += b"\0" if vr in (b"UI", b"OB") else b" "
    if vr == b"OB":
        return struct.pack("<HH2sHI", group, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def file_meta(sop_class=SECONDARY_CAPTURE, instance="1.2.3", syntax=uids.EXPLICIT_VR_LITTLE_ENDIAN):
    """Preamble, DICM and File Meta Information; what is empty is left out."""
    elements = element(2, 0x0001, b"OB", b"\0\1")
    for number, uid in ((0x0002, sop_class), (0x0003, instance), (0x0010, syntax)):
        if uid:
            elements += element(2, number, b"UI", uid.encode())
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(elements))) + elements


def data_set(instance="1.2.3", size=100, sop_class=SECONDARY_CAPTURE):
    """A data set with pixels of `size` bytes."""
    return (
        element(8, 0x0016, b"UI", sop_class.encode())
        + element(8, 0x0018, b"UI", instance.encode())
        + element(0x7FE0, 0x0010, b"OB", bytes(range(256)) * (size // 256) + bytes(size % 256))
    )


def write_file(folder, instance="1.2.3", size=100, **meta):
    """Write a file named after its instance; returns its path."""
    path = folder / f"{instance}.dcm"
    path.write_bytes(file_meta(instance=instance, **meta) + data_set(instance, size))
    return path


def descriptors():
    """How many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
