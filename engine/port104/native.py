"""The compiled helper as Python sees it; no other module imports `port104._native`.

A `Link` is one connection (socket, scanner, buffers), a `Spool` the pool of I/O threads that
writes data sets to files. The contracts (ownership, lifetimes, results) stand in native/*.h.
"""

import errno
import os
from collections.abc import Iterator, Sequence

import msgspec

from port104._native import ffi, lib
from port104.errors import StorageError

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

# Results of Spool.begin: see enum p104_store_result.
NOT_BEGUN: int = lib.P104_NOT_BEGUN
TAKEN: int = lib.P104_TAKEN
CARRIED: int = lib.P104_CARRIED

# Kinds of Completion: see enum p104_completion_kind.
PAUSED: int = lib.P104_PAUSED
RECEIVED: int = lib.P104_RECEIVED
STORED: int = lib.P104_STORED
FAILED: int = lib.P104_FAILED
BROKEN: int = lib.P104_BROKEN

# Flags of Spool.begin: see enum p104_store_flag.
OVERWRITE: int = lib.P104_OVERWRITE
PIPELINED: int = lib.P104_PIPELINED
EXPLICIT_VR: int = lib.P104_EXPLICIT_VR
IMPLICIT_VR: int = lib.P104_IMPLICIT_VR

# Completions taken in one call: enough for every association of a busy server at one wake-up.
_COMPLETIONS = 64


class Link:
    """One connection: bytes in by a socket or by `feed`, runs of one PDU or PDV out by `next`.

    `receive_from` and `send_to` are non-blocking sockets' descriptors, or -1. The link does not own
    them: close a socket after the last completion of a store that was begun on its link.
    """

    __slots__ = ("_data", "_link", "_run")

    def __init__(self, receive_from: int = -1, send_to: int = -1) -> None:
        link = lib.p104_link_new(receive_from, send_to)
        if link == ffi.NULL:
            raise MemoryError
        self._link = ffi.gc(link, lib.p104_link_free)
        self._run = ffi.new("p104_run *")
        self._data = ffi.new("uint8_t const **")

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

    @property
    def answers(self) -> int:
        """How many responses to stored instances the I/O threads began to send."""
        return lib.p104_link_answers(self._link)  # type: ignore[no-any-return]

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


class Completion(msgspec.Struct, frozen=True):
    """What became of one store; fields as in native/spool.h p104_completion.

    `received` counts bytes of the data set.
    `elements` maps tags (group << 16 | element) to raw value bytes, for the wanted elements that the
    data set held; `elements_complete` is False where the data set could not be read to the last of them.
    """

    id: int
    kind: int
    error: int
    received: int
    link_returned: bool
    duplicate: bool
    replaced: bool
    unsent: bool
    copy: int
    elements: dict[int, bytes]
    elements_complete: bool


class SpoolCounts(msgspec.Struct, frozen=True):
    """Counters since the spool was opened; `queued` is a level."""

    stored: int
    failed: int
    broken: int
    barriers: int
    barrier_files: int
    queued: int


class Spool:
    """The I/O threads under one storage folder. Call from the event loop's thread only."""

    def __init__(self, root: str, *, sync: bool, threads: int, tags: Sequence[int]) -> None:
        """Open `root`, remove its part files and start the threads.

        `tags`: the elements to pick out of each data set, ascending, at most 12.
        Raises StorageError when the folder cannot be used.
        """
        error = ffi.new("int *")
        durability = lib.P104_DURABILITY_SYNC if sync else lib.P104_DURABILITY_OS
        spool = lib.p104_spool_open(root.encode(), durability, threads, list(tags), len(tags), error)
        if spool == ffi.NULL:
            raise StorageError(_open_failure(root, error[0]))
        self._spool = spool
        self._taken = ffi.new("p104_completion[]", _COMPLETIONS)
        self._counts = ffi.new("p104_spool_counts *")
        self.event_fd: int = lib.p104_spool_event_fd(spool)

    def begin(
        self,
        link: Link,
        store_id: int,
        flags: int,
        name: bytes,
        header: bytes,
        identity_end: int,
        response: bytes,
    ) -> int:
        """Begin to store the data set that `link` expects; see p104_store_begin.

        Returns TAKEN, CARRIED, or NOT_BEGUN when the bytes at hand break the protocol.
        """
        result: int = lib.p104_store_begin(
            self._spool,
            link._link,  # noqa: SLF001 - the two classes wrap one native module
            store_id,
            flags,
            name,
            header,
            len(header),
            identity_end,
            response,
            len(response),
        )
        if result < 0:
            raise MemoryError
        return result

    def resume(self, store_id: int) -> None:
        """Go on with a PAUSED store; its link is lent again."""
        lib.p104_store_resume(self._spool, store_id)

    def abandon(self, store_id: int) -> None:
        """Give up a PAUSED store: its part file is removed and BROKEN follows."""
        lib.p104_store_abandon(self._spool, store_id)

    def completions(self) -> Iterator[Completion]:
        """Take every completion that waits."""
        while count := lib.p104_spool_completions(self._spool, self._taken, _COMPLETIONS):
            for index in range(count):
                yield _completion(self._taken[index])

    def counts(self) -> SpoolCounts:
        """Read the counters; after `close`, as they were then."""
        if self._spool != ffi.NULL:
            lib.p104_spool_count(self._spool, self._counts)
        return SpoolCounts(*(getattr(self._counts, name) for name in SpoolCounts.__struct_fields__))

    def close(self) -> None:
        """Finish what is queued and end the threads. Blocks on the disk; no store may be paused."""
        if self._spool != ffi.NULL:
            self.counts()
            lib.p104_spool_close(self._spool)
            self._spool = ffi.NULL


def _open_failure(root: str, number: int) -> str:
    if number == errno.EWOULDBLOCK:
        return f"storage folder {root} is in use by another port104: stop it or name another folder"
    return f"storage folder {root} cannot be used: {os.strerror(number)}"


def _completion(raw: "ffi.CData") -> Completion:
    return Completion(
        raw.id,
        raw.kind,
        raw.error,
        raw.bytes,
        raw.link_returned != 0,
        raw.duplicate != 0,
        raw.replaced != 0,
        raw.unsent != 0,
        raw.copy,
        _elements(ffi.buffer(raw.picked, raw.picked_length)[:]),
        raw.pick_state == lib.P104_PICK_DONE,
    )


def _elements(packed: bytes) -> dict[int, bytes]:
    elements = {}
    position = 0
    while position < len(packed):
        tag = int.from_bytes(packed[position : position + 4], "little")
        end = position + 6 + int.from_bytes(packed[position + 4 : position + 6], "little")
        elements[tag] = packed[position + 6 : end]
        position = end
    return elements
