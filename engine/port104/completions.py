"""What became of instances, as the spool's threads tell it: many at a time, packed (native/spool.h).

They come by the thousand a second. So they are unpacked one by one only for who waits for one, or wants to
know of each; that may be in another thread, and later.
"""

import struct
from collections.abc import Iterator

import msgspec

from port104 import native

# p104_completion up to `picked`, and the head of each entry in there.
_HEAD = struct.Struct("@QQiiiHBBBBB17s65s32sxH")
_PICKED = struct.Struct("<IH")
_PADDING = native.COMPLETION_ALIGNMENT - 1
if _HEAD.size != native.COMPLETION_HEAD:
    raise ImportError("port104._native was compiled from another version of port104: run `make build`")


class Completion(msgspec.Struct, frozen=True):
    """What became of one instance, or of an intake; fields as in native/spool.h p104_completion.

    `intake` is the intake's ID, `received` counts bytes of the data set, `status` was answered, `name` is the
    file's without suffix. `picked`: the wanted elements that the data set held, as `elements_in` reads them;
    `elements_complete` is False where it could not be read to the last of them.
    """

    intake: int
    received: int
    kind: int
    error: int
    reason: int
    status: int
    duplicate: bool
    replaced: bool
    unsent: bool
    copy: int
    elements_complete: bool
    called_ae_title: str
    sop_instance_uid: str
    name: str
    picked: bytes


def completions_in(records: bytes) -> Iterator[Completion]:
    """Unpack all of native.Taken.records."""
    at = 0
    while at < len(records):
        completion, at = _unpack(records, at)
        yield completion


def awaited_in(records: bytes) -> Iterator[Completion]:
    """Unpack those that somebody waits for."""
    return (each for each in completions_in(records) if each.kind != native.STORED or each.unsent)


def elements_in(picked: bytes) -> dict[int, bytes]:
    """Raw values of picked elements, by tag (group << 16 | element); without the SOP Instance UID."""
    elements = {}
    at = 0
    while at < len(picked):
        tag, length = _PICKED.unpack_from(picked, at)
        start = at + _PICKED.size
        at = start + length
        elements[tag] = picked[start:at]
    return elements


def _unpack(records: bytes, at: int) -> tuple[Completion, int]:
    """Unpack the completion that stands there; returns it, and where the next one does."""
    (
        intake,
        received,
        kind,
        error,
        reason,
        status,
        duplicate,
        replaced,
        unsent,
        copy,
        pick_state,
        called,
        sop_instance_uid,
        name,
        picked_length,
    ) = _HEAD.unpack_from(records, at)
    picked = at + _HEAD.size
    end = picked + picked_length
    completion = Completion(
        intake,
        received,
        kind,
        error,
        reason,
        status,
        duplicate != 0,
        replaced != 0,
        unsent != 0,
        copy,
        pick_state == native.PICK_DONE,
        called.rstrip(b"\0").decode("latin-1"),
        sop_instance_uid.rstrip(b"\0").decode("ascii"),
        name.decode("ascii"),
        records[picked:end],
    )
    return completion, end + (-end & _PADDING)
