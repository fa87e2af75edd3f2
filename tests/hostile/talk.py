"""One connection to whoever listens: sends bytes, and names every PDU that comes."""

import contextlib
import socket as stdlib_socket
import ssl
import struct
from typing import NamedTuple

import trio

from hostile import crafted
from hostile.case import Terms
from recording_relay import command_elements, items, number

# What a stream raises when the connection is gone, whoever ended it.
GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError, ssl.SSLError)
_HOST = "127.0.0.1"
_PIECE = 5  # bytes: such pieces cut every header at every place
_NARROW = 4096  # bytes of receive buffer of a peer that does not read


class Transport(NamedTuple):
    """Where to connect, and how. `pieces`: everything is sent in small ones."""

    port: int
    tls: ssl.SSLContext | None = None
    pieces: bool = False


class Talk:
    """A connection and what was heard on it. Use it as a context."""

    def __init__(self, stream, transport):
        self.heard = []
        self.accept = None
        self.ended = False
        self._stream = stream
        self._pieces = transport.pieces
        self._news = trio.Event()
        self._nursery = None
        self._listening = None
        self.awaited = 0
        self._bytes = bytearray()
        self._command = b""

    @classmethod
    async def connect(cls, transport, *, naked=False, narrow=False):
        socket = trio.socket.socket()
        try:
            socket.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
            if narrow:
                socket.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, _NARROW)
            await socket.connect((_HOST, transport.port))
            stream = trio.SocketStream(socket)
            if transport.tls and not naked:
                stream = trio.SSLStream(stream, transport.tls, server_hostname=_HOST, https_compatible=True)
                await stream.do_handshake()
        except BaseException:
            socket.close()
            raise
        return cls(stream, transport)

    async def __aenter__(self):
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        return self

    async def __aexit__(self, *fault):
        self._nursery.cancel_scope.cancel()
        self._socket.close()
        return await self._manager.__aexit__(*fault)

    @property
    def _tcp(self):
        stream = self._stream
        return stream.transport_stream if isinstance(stream, trio.SSLStream) else stream

    @property
    def _socket(self):
        return self._tcp.socket

    async def send(self, data):
        if not self._pieces:
            await self._stream.send_all(data)
            return
        for at in range(0, len(data), _PIECE):
            await self._stream.send_all(data[at : at + _PIECE])

    async def send_beneath(self, data):
        """Send bytes past TLS, where there is any."""
        await self._tcp.send_all(data)

    async def end(self):
        """Half-close: a FIN; under TLS one that no close_notify announces."""
        self._socket.shutdown(stdlib_socket.SHUT_WR)

    async def reset(self):
        self._socket.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        self._hear("CL")

    def listen(self):
        """Read from now on."""
        if self._listening is None:
            self._listening = trio.CancelScope()
            self._nursery.start_soon(self._listen)

    def deafen(self):
        """Read no more, until `listen`."""
        self._listening.cancel()
        self._listening = None

    async def _listen(self):
        with self._listening, contextlib.suppress(*GONE):
            while received := await self._stream.receive_some(1 << 16):
                self._bytes += received
                self._take_pdus()
        if self._listening is not None:
            self._hear("CL")

    def _take_pdus(self):
        while len(self._bytes) >= 6:
            kind, length = struct.unpack_from(">BxI", self._bytes)
            if len(self._bytes) < 6 + length:
                return
            body = bytes(self._bytes[6 : 6 + length])
            del self._bytes[: 6 + length]
            if kind == crafted.DATA:
                self._take_fragments(body)
            else:
                self._hear(self._name(kind, body))

    def _take_fragments(self, body):
        """Join the command sets of responses; an acceptor of storage sends no data sets."""
        at = 0
        while at < len(body):
            length, _, control = struct.unpack_from(">IBB", body, at)
            self._command += body[at + 6 : at + 4 + length]
            at += 4 + length
            if control & crafted.LAST:
                self._hear(_status(self._command))
                self._command = b""

    def _name(self, kind, body):
        """What a PDU is called in answers, but for P-DATA-TF."""
        if kind == crafted.AC:
            self.accept = Accept(body)
            return "AC"
        if kind == crafted.RJ:
            return "RJ {}/{}/{}".format(*body[1:])
        if kind == crafted.ABORT:
            return f"AB {body[2]}/{body[3]}"
        return {crafted.RELEASE_RP: "RP", crafted.RELEASE_RQ: "RELEASE-RQ"}.get(kind, f"PDU {kind:02X}")

    def _hear(self, answer):
        if self.ended:
            return
        if answer.startswith(("AB", "RJ", "CL")):
            self.ended = True
        self.heard.append(answer)
        self._news.set()
        self._news = trio.Event()

    async def hear(self, count):
        """Wait for so many answers more than were waited for before, or the end."""
        self.awaited += count
        await self.hear_until(lambda: len(self.heard) >= self.awaited)

    async def hear_until(self, wanted):
        """Wait until it is so, or for the end."""
        while not (self.ended or wanted()):
            await self._news.wait()

    def forget(self):
        """Begin a new record: the association is established, and that was no answer."""
        self.heard.clear()
        self.awaited = 0


class Accept:
    """An A-ASSOCIATE-AC (PS3.8 9.3.3), as far as cases look at it."""

    def __init__(self, body):
        self.results = {}
        self.window = (1, 1)  # the usual one, where nothing was granted (PS3.7 D.3.3.3)
        self.terms = Terms(0)
        for kind, value in items(body[68:]):
            if kind == 0x21:
                self.results[value[0]] = value[2]
            elif kind == 0x50:
                self._take_user_information(value)

    def _take_user_information(self, value):
        for kind, sub_value in items(value):
            if kind == 0x51:
                self.terms = Terms(*struct.unpack(">I", sub_value))
            elif kind == 0x53:
                self.window = struct.unpack(">HH", sub_value)

    def verdict(self, case):
        """OK, unless something is not as the case needs it."""
        if case.context is not None and self.results.get(case.context) != 0:
            return "CR"
        if case.offered and any(
            limit and not 0 < granted <= limit
            for granted, limit in zip(self.window, case.offered, strict=True)
        ):
            return f"OK, but grants {self.window}"
        return "OK"


def _status(command):
    """The status of a response, OK for success."""
    try:
        status = number(command_elements(command)[0x0900])
    except (struct.error, KeyError):
        return "no response"
    return f"{status:04X}" if status else "OK"
