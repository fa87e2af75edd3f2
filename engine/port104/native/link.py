"""One connection: what it receives, scanned, and what it sends; see native/link.h and native/tls.h."""

import os

import msgspec

from port104._native import ffi, lib

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
