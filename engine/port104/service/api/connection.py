"""One connection that speaks HTTP/1.1: bytes to and from Hypercorn's protocol, and how long a peer has.

Rules that this room keeps:
- no peer holds a connection: each request has a deadline for its head and one for the rest with its
  answer, and the connection one of its own;
- HTTP/2 and WebSockets are not spoken: an Upgrade is passed over (RFC 9110 7.8);
- an answer is read to its end by the peer before the connection is closed, also where its request was not.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

HEAD_SECONDS = 15.0
REQUEST_SECONDS = 30.0
CONNECTION_SECONDS = 600.0
_LINGER_SECONDS = 1.0
_RECEIVE_BYTES = 64 * 1024
_MOST_HEAD_BYTES = 32 * 1024

Served = Callable[[Any, Any, Any], Awaitable[None]]


class _OnlyHTTP1(H11Protocol):
    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1, whatever `event` proposes."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Serve a request as if it proposed nothing."""
        headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
        plain = h11.Request(
            method=request.method,
            target=request.target,
            headers=headers,
            http_version=request.http_version,
        )
        await super()._create_stream(plain)


class HTTPConnection:
    """Serves the requests on `stream` by `serve` (ASGI). Call `run` once; it closes the stream."""

    def __init__(self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream], serve: Served) -> None:
        self._stream = stream
        self._serve = serve
        self._tls = isinstance(stream, trio.SSLStream)
        self._ends = trio.current_time() + CONNECTION_SECONDS
        self._scope = trio.CancelScope(deadline=trio.current_time() + HEAD_SECONDS)
        self._reading = trio.CancelScope()
        self._sending = trio.Lock()
        self._closing = False
        self._answered = trio.Event()
        self._answered.set()

    def cancel(self) -> None:
        """End it now."""
        self._scope.cancel()

    async def run(self) -> None:
        """Serve until the peer or a deadline ends it. Raises nothing of the peer's."""
        try:
            with self._scope:
                async with TaskGroup() as tasks:
                    protocol = self._protocol(tasks)
                    await self._read(protocol)
                    await protocol.handle(Closed())
                await self._linger()
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)

    def _protocol(self, tasks: TaskGroup) -> H11Protocol:
        config = Config()
        config.errorlog = None  # what goes wrong in the application is logged there
        config.include_server_header = False
        config.h11_max_incomplete_size = _MOST_HEAD_BYTES

        return _OnlyHTTP1(
            ASGIWrapper(self._serve),
            config,
            WorkerContext(None),
            tasks,
            ConnectionState({}),
            self._tls,
            None,
            None,
            self._take,
        )

    async def _read(self, protocol: H11Protocol) -> None:
        with self._reading:
            while not self._closing:
                data = await self._receive()
                await protocol.handle(RawData(data))
                if not data:
                    await self._answered.wait()  # a peer may have no more to send, and still listen
                    return

    async def _receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(_RECEIVE_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _take(self, event: Event) -> None:
        """Do what the protocol asks for."""
        match event:
            case RawData():
                await self._send(event.data)
            case Closed():
                self._closing = True
                self._reading.cancel()
            case Updated(idle=True):
                self._answered.set()
                self._scope.deadline = min(self._ends, trio.current_time() + HEAD_SECONDS)
            case Updated():
                self._answered = trio.Event()
                self._scope.deadline = min(self._ends, trio.current_time() + REQUEST_SECONDS)

    async def _send(self, data: bytes) -> None:
        async with self._sending:
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._closing = True
                self._reading.cancel()

    async def _linger(self) -> None:
        """Let the peer read its answer: bytes of a request that nobody reads would break the connection."""
        if not isinstance(self._stream, trio.SocketStream):
            return
        with trio.move_on_after(_LINGER_SECONDS):
            try:
                await self._stream.send_eof()
                while await self._stream.receive_some(_RECEIVE_BYTES):
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
