"""One TCP connection: the trio socket, TLS over it or not, and the native link that reads and writes it."""

import fcntl
import os
import socket as stdlib_socket
import struct
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from port104 import native
from port104.native import Records

if TYPE_CHECKING:  # who calls without TLS pays for none of it
    from port104.net.certificates import PeerCertificate
    from port104.net.tls import SecureSocket

_INT = struct.Struct("@i")
# What one receive takes where Python itself receives (a tapped connection); the native side has its own.
_RECEIVE_BYTES = 128 * 1024


class Connection:
    """A connection that the native link receives from and sends to. `open` it first.

    `secure`, where given, is TLS over it. `tap`, where given, sees every byte that comes: then Python
    receives and feeds the link, which is several times slower and meant for tracing.
    """

    def __init__(
        self,
        socket: trio.socket.SocketType,
        *,
        secure: "SecureSocket | None" = None,
        tap: Callable[[bytes], None] | None = None,
    ) -> None:
        self._socket = socket
        self._secure = secure
        self._tap = tap
        self._closed = False
        self._descriptor = socket.fileno()
        self._records: Records | None = None
        self.certificate: PeerCertificate | None = None
        self.link = native.Link(-1 if tap else self._descriptor, self._descriptor)

    async def open(self, *, deadline: float, address: str) -> None:
        """Agree on TLS until `deadline`, where that is wanted. Raises OSError where that fails."""
        if self._secure is not None:
            self.certificate = await self._secure.handshake(deadline, address)
            self._records = self._secure.records()
            self.link.secure(self._records)

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""
        return self._secure is not None

    @property
    def alert(self) -> int | None:
        """The TLS alert that the peer sent last, as far as is known (RFC 8446 6.2)."""
        return None if self._secure is None else self._secure.alert

    async def wait_input(self) -> None:
        """Wait until the link has, or can receive, more bytes or the end of the stream."""
        await trio.lowlevel.wait_readable(self._descriptor)
        if self._tap:
            self._receive(self._tap)

    def _receive(self, tap: Callable[[bytes], None]) -> None:
        try:
            data = self._receive_once()
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            tap(data)
            self.link.feed(data)
        else:
            self.link.end()

    def _receive_once(self) -> bytes:
        if self._records is not None:
            return self._records.receive(_RECEIVE_BYTES)
        return os.read(self._descriptor, _RECEIVE_BYTES)

    def acknowledge_at_once(self) -> None:
        """Acknowledge what comes next without delay (tcp(7), TCP_QUICKACK); once, the kernel forgets it.

        A peer that sends a response in two writes holds the second one back until then, which is 40 ms.
        """
        socket = self._secure or self._socket
        socket.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_QUICKACK, 1)

    @property
    def unread(self) -> bool:
        """Whether bytes have come that nobody has read yet: what is slow is not the peer."""
        count = fcntl.ioctl(self._descriptor, termios.FIONREAD, bytes(_INT.size))
        return bool(_INT.unpack(count)[0])

    async def flush(self) -> None:
        """Send what is queued. Raises OSError as the socket does.

        Returns when the connection is closed meanwhile: its descriptor may be another's by then.
        """
        while not self._closed and not self.link.flush():
            await trio.lowlevel.wait_writable(self._descriptor)

    def interrupt(self) -> None:
        """End the stream of incoming bytes, so that an I/O thread gives the link back at once."""
        self.link.interrupt()
        if self._secure is not None:
            self._secure.interrupt()
            return
        try:
            self._socket.shutdown(trio.socket.SHUT_RD)
        except OSError:
            return  # the peer was faster

    def close(self) -> None:
        """Close the socket. No store may be under way on the link."""
        self._closed = True
        (self._secure or self._socket).close()
