"""The compiled helper as Python sees it; no other module imports `port104._native`.

A `Link` is one connection (socket, scanner, buffers), a `Spool` the pool of I/O threads that
writes data sets to files. The contracts (ownership, lifetimes, results) stand in native/*.h.
"""

import errno
import os
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from port104._native import ffi, lib
from port104.errors import FolderInUseError, StorageError

# Results of Link.next: see enum p104_scan_result and enum p104_link_result.
NEED_INPUT: int = lib.P104_NEED_INPUT
PDU_HEADER: int = lib.P104_PDU_HEADER
PDU_BODY: int = lib.P104_PDU_BODY
COMMAND: int = lib.P104_COMMAND
DATA_SET: int = lib.P104_DATA_SET
WOULD_BLOCK: int = lib.P104_WOULD_BLOCK
END_OF_STREAM: int = lib.P104_END_OF_STREAM
FAULT_PDU_LENGTH: int = lib.P104_FAULT_PDU_LENGTH
FAULT_PDV_LENGTH: int = lib.P104_FAULT_PDV_LENGTH
FAULT_FRAGMENT: int = lib.P104_FAULT_FRAGMENT
FAULT_SOCKET: int = lib.P104_FAULT_SOCKET

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

# Why a file has no File Meta Information: see enum p104_file_meta_fault.
META_NO_DICOM: int = lib.P104_META_NO_DICOM
META_CUT_OFF: int = lib.P104_META_CUT_OFF

# p104_looked.
_LOOKED = struct.Struct("@qqq65p65p65p0qB0q")

_AE_TITLE_LENGTH = 16

# Bytes of completions that are taken in one call: a hundred and more of them.
_TAKEN = 64 * 1024


class OpenSSL(msgspec.Struct, frozen=True):
    """Addresses of OpenSSL's functions, of the copy that makes the sessions; see p104_openssl."""

    read: int
    write: int
    get_error: int
    clear_error: int


class Records:
    """TLS records of one connection, for `Link.secure`; see native/tls.h."""

    __slots__ = ("tls",)

    def __init__(self, openssl: OpenSSL, session: int, descriptor: int) -> None:
        """`session`: the address of an SSL structure on `descriptor`, which must outlive these records."""
        functions = {name: ffi.cast("void *", getattr(openssl, name)) for name in OpenSSL.__struct_fields__}
        tls = lib.p104_tls_new(ffi.new("p104_openssl *", functions), ffi.cast("void *", session), descriptor)
        if tls == ffi.NULL:
            raise MemoryError
        self.tls = ffi.gc(tls, lib.p104_tls_free)

    def receive(self, room: int) -> bytes:
        """Receive up to `room` bytes, 16 KiB or more; b"" at the end. Raises BlockingIOError: none now."""
        into = ffi.new("uint8_t[]", room)
        received: int = lib.p104_tls_receive(self.tls, into, room)
        if received < 0:
            raise OSError(-received, os.strerror(-received))
        data: bytes = ffi.buffer(into, received)[:]
        return data


class Link:
    """One connection: bytes in by a socket or by `feed`, runs of one PDU or PDV out by `next`.

    `receive_from` and `send_to` are non-blocking sockets' descriptors, or -1. The link does not own
    them: close a socket when its link is not lent and nothing of it is under way.
    """

    __slots__ = ("_data", "_link", "_records", "_run")

    def __init__(self, receive_from: int = -1, send_to: int = -1) -> None:
        link = lib.p104_link_new(receive_from, send_to)
        if link == ffi.NULL:
            raise MemoryError
        self._link = ffi.gc(link, lib.p104_link_free)
        self._run = ffi.new("p104_run *")
        self._data = ffi.new("uint8_t const **")
        self._records: Records | None = None

    def secure(self, records: Records) -> None:
        """Receive and send through TLS. Before anything else."""
        self._records = records  # kept alive: C has its address only
        lib.p104_tls_secure(records.tls, self._link)

    def next(self) -> int:
        """Scan to the end of the next run, receiving once where no byte is at hand."""
        return lib.p104_link_next(self._link, self._run, self._data)  # type: ignore[no-any-return]

    @property
    def data(self) -> bytes:
        """A copy of the run's bytes."""
        data: bytes = ffi.buffer(self._data[0], self._run.length)[:]
        return data

    @property
    def length(self) -> int:
        """How many bytes the run has."""
        return self._run.length  # type: ignore[no-any-return]

    @property
    def context_id(self) -> int:
        """COMMAND, DATA_SET: the run's presentation context ID."""
        return self._run.context_id  # type: ignore[no-any-return]

    @property
    def ends(self) -> bool:
        """Whether the PDU body, command set or data set ends with this run."""
        return self._run.ends != 0  # type: ignore[no-any-return]

    @property
    def pdu_type(self) -> int:
        """PDU_HEADER: the PDU type."""
        return self._run.pdu_type  # type: ignore[no-any-return]

    @property
    def pdu_length(self) -> int:
        """PDU_HEADER: the length that the PDU states, in bytes."""
        return self._run.pdu_length  # type: ignore[no-any-return]

    @property
    def in_message(self) -> bool:
        """Whether a command set or data set has begun, or is due, and has not ended."""
        return lib.p104_link_in_message(self._link) != 0  # type: ignore[no-any-return]

    def feed(self, data: bytes) -> int:
        """Take bytes that came by another way; returns how many were taken."""
        taken: int = lib.p104_link_feed(self._link, data, len(data))
        if taken < 0:
            raise MemoryError
        return taken

    def end(self) -> None:
        """No byte follows those that were fed."""
        lib.p104_link_end(self._link)

    def discard(self) -> None:
        """Scan no more: whatever comes is thrown away, until the end of the stream."""
        lib.p104_link_discard(self._link)

    def interrupt(self) -> None:
        """Break a lent link off; shut the socket's receiving side down as well, which wakes its thread."""
        lib.p104_link_interrupt(self._link)

    @property
    def received(self) -> int:
        """Bytes that came so far: grows while the peer is not silent."""
        return lib.p104_link_received(self._link)  # type: ignore[no-any-return]

    @property
    def owed(self) -> bool:
        """Whether the peer owed the rest of a PDU or message when every byte was scanned last."""
        return lib.p104_link_owed(self._link) != 0  # type: ignore[no-any-return]

    def establish(self, maximum_length: int) -> None:
        """Let P-DATA-TF through, each PDU at most `maximum_length` bytes (0: unlimited)."""
        lib.p104_link_establish(self._link, maximum_length)

    def expect_data_set(self) -> None:
        """The command just read announces a data set on its presentation context."""
        lib.p104_link_expect_data_set(self._link)

    def error(self) -> OSError:
        """FAULT_SOCKET: why receiving failed."""
        number = lib.p104_link_errno(self._link)
        return OSError(number, os.strerror(number))

    def send(self, data: bytes) -> None:
        """Send whole PDUs, queueing what the socket does not take now.

        Raises OSError: ENOBUFS when the peer does not read its responses, else the socket's.
        """
        result = lib.p104_link_send(self._link, data, len(data))
        if result < 0:
            raise OSError(-result, os.strerror(-result))

    def flush(self) -> bool:
        """Send queued bytes on; True when none is left. Raises OSError as the socket does."""
        result = lib.p104_link_flush(self._link)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return bool(result == 0)

    @property
    def unsent(self) -> int:
        """Bytes queued and not sent."""
        return lib.p104_link_unsent(self._link)  # type: ignore[no-any-return]


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


# How a courier ended: see enum p104_courier_end.
COURIER_DONE: int = lib.P104_COURIER_DONE
COURIER_FILE: int = lib.P104_COURIER_FILE
COURIER_RESPONSE: int = lib.P104_COURIER_RESPONSE
COURIER_BROKEN: int = lib.P104_COURIER_BROKEN
COURIER_STUCK: int = lib.P104_COURIER_STUCK
COURIER_CUT: int = lib.P104_COURIER_CUT
COURIER_TIME: int = lib.P104_COURIER_TIME


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


def deliver(link: Link, parcels: Sequence[Parcel], terms: Terms) -> tuple[list[int | None], int]:
    """Send files, and wait meanwhile; see p104_courier. For a thread of its own.

    Returns the statuses of those that were begun, None of those that were not answered, and why it ended
    (COURIER_...).
    """
    kept = [(ffi.new("char[]", parcel.path), ffi.from_buffer(parcel.command)) for parcel in parcels]
    given = ffi.new("p104_parcel[]", len(parcels))
    for one, parcel, (path, command) in zip(given, parcels, kept, strict=True):
        one.path, one.command, one.command_length = path, command, len(parcel.command)
        one.size, one.modified, one.data_set_at = parcel.size, parcel.modified, parcel.data_set_at
        one.sop_instance = ffi.from_buffer(parcel.sop_instance)
        one.sop_instance_length = len(parcel.sop_instance)
        one.message_id, one.context_id = parcel.message_id, parcel.context_id
    end = ffi.new("int *")
    agreed = ffi.new("p104_courier_terms *", msgspec.structs.asdict(terms))
    begun = lib.p104_courier(link._link, given, len(parcels), agreed, end)  # noqa: SLF001
    return [one.status if one.answered else None for one in given[0:begun]], end[0]


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
