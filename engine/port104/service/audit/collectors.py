"""Syslog collectors as sinks: over UDP (RFC 5426) and over TLS (RFC 5425).

Syslog has no acknowledgement: a line counts as delivered once the operating system has it. TLS notices a
collector that is gone, and everything since is sent again; UDP notices next to nothing.
"""

import select
import socket as stdlib_socket
import ssl
from collections.abc import Sequence

import trio

from port104.service.audit.syslog import framed

_SEND_SECONDS = 30.0
"""A collector that takes nothing for so long is given up and connected to anew."""


class UDPCollector:
    """One datagram a line."""

    def __init__(self, host: str, port: int) -> None:
        self.name = f"syslog {host}:{port} over UDP"
        self.batch = 1
        self._address = (host, port)
        self._socket: trio.socket.SocketType | None = None

    async def send(self, lines: Sequence[bytes]) -> None:
        """Send each line. Raises OSError where the network says no."""
        try:
            if self._socket is None:
                self._socket = await self._connected()
            for line in lines:
                await self._socket.send(line)
        except OSError:
            await self.close()  # the name may lead elsewhere by now
            raise

    async def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _connected(self) -> trio.socket.SocketType:
        found = await trio.socket.getaddrinfo(*self._address, type=stdlib_socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        udp = trio.socket.socket(family, kind, protocol)
        try:
            await udp.connect(address)
        except BaseException:
            udp.close()
            raise
        return udp


class TLSCollector:
    """Lines in a stream. The certificate of the collector must be valid for `host`."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self.name = f"syslog {host}:{port} over TLS"
        self.batch = 100
        self._address = (host, port)
        self._context = context
        self._stream: trio.SSLStream[trio.SocketStream] | None = None

    async def send(self, lines: Sequence[bytes]) -> None:
        """Send the lines, connecting first where need be. Raises OSError: then all must be sent again."""
        try:
            with trio.fail_after(_SEND_SECONDS):
                if self._stream is not None and _was_closed(self._stream):
                    await self.close()
                if self._stream is None:
                    self._stream = await self._connected()
                await self._stream.send_all(b"".join(map(framed, lines)))
        except trio.TooSlowError:
            await self.close()
            raise OSError(f"nothing was taken for {_SEND_SECONDS:.0f} seconds") from None
        except trio.BrokenResourceError as failure:
            await self.close()
            raise OSError(str(failure.__cause__ or failure)) from failure
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _connected(self) -> trio.SSLStream[trio.SocketStream]:
        host, port = self._address
        stream = await trio.open_tcp_stream(host, port)
        # Bytes that a dead collector does not acknowledge must break the connection, not wait for hours.
        milliseconds = int(_SEND_SECONDS * 1000)
        stream.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_USER_TIMEOUT, milliseconds)
        tls = trio.SSLStream(stream, self._context, server_hostname=host)
        try:
            await tls.do_handshake()
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(tls)
            raise
        return tls


def _was_closed(stream: "trio.SSLStream[trio.SocketStream]") -> bool:
    """Whether the collector has closed its side: what is written then would be taken and lost."""
    poll = select.poll()
    poll.register(stream.transport_stream.socket.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))
