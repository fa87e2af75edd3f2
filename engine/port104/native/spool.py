"""The I/O threads that store, and what they tell; see native/spool.h, native/intake.h and native/meta.h."""

import errno
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from port104._native import ffi, lib
from port104.errors import FolderInUseError, StorageError
from port104.native.link import Link

# Kinds of Completion: see enum p104_completion_kind.
RETURNED: int = lib.P104_RETURNED
STORED: int = lib.P104_STORED
FAILED: int = lib.P104_FAILED

# Why an instance that was written is not kept: see enum p104_refusal.
TOO_LARGE: int = lib.P104_TOO_LARGE
UIDS_DIFFER: int = lib.P104_UIDS_DIFFER

# Why a link was returned: see enum p104_return_reason.
RETURN_OTHER: int = lib.P104_RETURN_OTHER
RETURN_DUPLICATE: int = lib.P104_RETURN_DUPLICATE
RETURN_BYTES: int = lib.P104_RETURN_BYTES

# Flags of Intake.allow: see enum p104_intake_flag.
OVERWRITE: int = lib.P104_OVERWRITE
EXPLICIT_VR: int = lib.P104_EXPLICIT_VR
IMPLICIT_VR: int = lib.P104_IMPLICIT_VR

# How completions are packed: see p104_completion in native/spool.h.
COMPLETION_HEAD: int = ffi.offsetof("p104_completion", "picked")
COMPLETION_ALIGNMENT: int = ffi.alignof("p104_completion")
PICK_DONE: int = lib.P104_PICK_DONE

_AE_TITLE_LENGTH = 16

# Bytes of completions that are taken in one call: a hundred and more of them.
_TAKEN = 64 * 1024


class Taken(NamedTuple):
    """Completions that were taken at one time, packed as native/spool.h says; completions.py reads them.

    `stored`: how many of them are STORED. `awaited`: how many of them somebody waits for, which are all that
    are not, and those whose response is queued.
    """

    records: bytes
    stored: int
    awaited: int


class IntakeCounts(msgspec.Struct, frozen=True):
    """What came of one association so far; fields as in native/intake.h p104_intake_counts."""

    stored: int
    duplicates: int
    failed: int
    bytes: int
    under_way: int

    @property
    def taken(self) -> int:
        """How many instances were received to their end."""
        return self.stored + self.failed + self.under_way


class SpoolCounts(msgspec.Struct, frozen=True):
    """Counters since the spool was opened."""

    stored: int
    failed: int
    broken: int
    barriers: int
    barrier_files: int
    recovered: int
    restored: int
    torn: int
    left: int


class Intake:
    """Takes instances from one established association; see native/intake.h. Close it once at the end."""

    __slots__ = ("_counts", "_intake", "_link", "id")

    def __init__(self, intake: "ffi.CData", link: Link, intake_id: int) -> None:
        self.id = intake_id
        self._intake = intake
        self._link = link  # kept alive: the threads use it
        self._counts = ffi.new("p104_intake_counts *")

    def allow(self, context_id: int, sop_class_uid: str, transfer_syntax_uid: str, flags: int) -> None:
        """Take instances of the class that come on the presentation context; see p104_intake_allow."""
        sop_class, syntax = sop_class_uid.encode("latin-1"), transfer_syntax_uid.encode("latin-1")
        if lib.p104_intake_allow(self._intake, context_id, sop_class, syntax, flags) < 0:
            raise MemoryError

    def lend(self, *, give_up: bool = False) -> None:
        """Lend the link; a RETURNED completion gives it back. `give_up`: break off what is being received."""
        lib.p104_intake_lend(self._intake, give_up)

    def counts(self) -> IntakeCounts:
        """Read the counters."""
        lib.p104_intake_count(self._intake, self._counts)
        return IntakeCounts(*(getattr(self._counts, name) for name in IntakeCounts.__struct_fields__))

    def close(self) -> None:
        """Free it. The link must not be lent, and nothing be under way."""
        lib.p104_intake_free(self._intake)
        self._intake = ffi.NULL


class Spool:
    """The I/O threads under one storage folder. Call from the event loop's thread only."""

    def __init__(self, root: str, *, sync: bool, journal: int, threads: int, tags: Sequence[int]) -> None:
        """Open `root`, finish or remove its part files and start the threads.

        `journal`: bytes of it, with `sync`; 0: none. `tags`: the elements to pick out of each data set,
        ascending, at most 12.
        Raises FolderInUseError where another process works in it, StorageError when it cannot be used.
        """
        error = ffi.new("int *")
        durability = lib.P104_DURABILITY_SYNC if sync else lib.P104_DURABILITY_OS
        spool = lib.p104_spool_open(root.encode(), durability, journal, threads, list(tags), len(tags), error)
        if spool == ffi.NULL:
            raise _open_failure(root, error[0])
        self._spool = spool
        self._room = ffi.new("p104_completion[]", _TAKEN // ffi.sizeof("p104_completion") + 1)
        self._counts = ffi.new("p104_spool_counts *")
        self.event_fd: int = lib.p104_spool_event_fd(spool)

    def intake(
        self,
        link: Link,
        intake_id: int,
        *,
        window: int,
        peer_maximum_length: int,
        maximum_size: int,
        called_ae_title: bytes,
        origin: bytes,
    ) -> Intake:
        """Make an intake for an association on `link`; see p104_intake_new."""
        intake = lib.p104_intake_new(
            self._spool,
            link._link,  # noqa: SLF001 - the two classes wrap one native module
            intake_id,
            window,
            peer_maximum_length,
            maximum_size,
            called_ae_title,
            len(called_ae_title),
            origin,
            len(origin),
        )
        if intake == ffi.NULL:
            raise MemoryError
        return Intake(intake, link, intake_id)

    def completions(self) -> Iterator[Taken]:
        """Take every completion that waits."""
        while (taken := lib.p104_spool_completions(self._spool, self._room, _TAKEN, _TAKEN)).count:
            # Copied: who is told of one completion may come back here for the next.
            yield Taken(ffi.buffer(self._room, taken.length)[:], taken.stored, taken.awaited)

    def refuse(self, *, on: bool) -> None:
        """Take no further instance while `on`: links come back before a C-STORE-RQ; see p104_spool_refuse."""
        lib.p104_spool_refuse(self._spool, on)

    def counts(self) -> SpoolCounts:
        """Read the counters; after `close`, as they were then."""
        if self._spool != ffi.NULL:
            lib.p104_spool_count(self._spool, self._counts)
        return SpoolCounts(*(getattr(self._counts, name) for name in SpoolCounts.__struct_fields__))

    def close(self) -> None:
        """End the threads. Blocks on the disk; no intake may be lent or have something under way."""
        if self._spool != ffi.NULL:
            self.counts()
            lib.p104_spool_close(self._spool)
            self._spool = ffi.NULL


def file_name(called_ae_title: str, sop_instance_uid: str) -> str:
    """Name the file of an instance, without suffix; see p104_file_name.

    Raises ValueError where title or UID is longer than the standard allows (PS3.5 table 6.2-1).
    """
    called, uid = called_ae_title.encode("latin-1"), sop_instance_uid.encode("latin-1")
    if len(called) > _AE_TITLE_LENGTH or len(uid) > lib.P104_UID_LENGTH:
        raise ValueError(f"an AE title has at most 16 characters, a UID at most 64: {called!r}, {uid!r}")
    name = ffi.new("char[]", lib.P104_NAME_LENGTH + 1)
    lib.p104_file_name(name, called, len(called), (ffi.from_buffer(uid), len(uid)))
    text: bytes = ffi.string(name)
    return text.decode("ascii")


def _open_failure(root: str, number: int) -> StorageError:
    if number == errno.EWOULDBLOCK:
        return FolderInUseError(
            f"storage folder {root} is in use by another port104: stop it or name another folder"
        )
    return StorageError(f"storage folder {root} cannot be used: {os.strerror(number)}")
