"""Destinations that are sent to by STOW-RS (PS3.18 10.5): what goes wrong there, in the words of delivery.

Rules that this room keeps:
- several instances go in one request, and each has an outcome of its own; a request of several that comes to
  nothing is sent again, each instance alone, so that the one it fails for is known;
- no redirect is followed and no proxy asked: both would bring patients' data to somebody who was not named;
- every step has its time, and no more is read of an answer than it may need.
"""

import math
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpcore
import msgspec
import trio

from port104.errors import ConfigurationError
from port104.export.contracts import BrokenOffError, UnreachableError, UnsendableError
from port104.export.credentials import Headers, headers_of
from port104.export.files import opened
from port104.export.multipart import Body, Part
from port104.export.replies import Reply, answers_in, check_there
from port104.export.verdicts import Answer
from port104.net.calling import Timeouts
from port104.net.http_failures import reason_of
from port104.registry.entries import Destination

MOST_TOGETHER = 16
"""Instances of one request: no more than are sent again after a kill otherwise (recording.MOST_NOTED)."""
# Bytes of one request, unless its only file is longer: they are sent again where the connection breaks off.
_MOST_BYTES = 32 * 1024 * 1024
# An answer names each instance, in some 500 bytes.
_LONGEST_ANSWER = 1024 * 1024
# Holds the File Meta Information of any file.
_HEAD_BYTES = 64 * 1024
_AUTHORITIES = "dicom.scu.tls.certificateAuthorities"


class WebCaller(msgspec.Struct, frozen=True, kw_only=True):
    """Connects to web servers; `open` is a contracts.OpenPeer.

    `tls`: makes what they are called with over TLS; called in a worker thread, it raises ConfigurationError.
    `timeouts`: `associate` is for the answer to OPTIONS.
    """

    tls: Callable[[], ssl.SSLContext]
    timeouts: Timeouts = Timeouts(response=120.0)

    @asynccontextmanager
    async def open(self, destination: Destination, paths: Sequence[Path]) -> AsyncIterator["StowPeer"]:
        """As the contract says: before files are sent it asks whether somebody is there who takes some."""
        try:
            headers, context = await trio.to_thread.run_sync(self._prepared, destination)
        except ConfigurationError as fault:
            raise UnreachableError(str(fault)) from fault
        async with httpcore.AsyncConnectionPool(ssl_context=context, max_connections=1) as pool:
            peer = StowPeer(pool, _studies_of(destination), headers, self.timeouts)
            if paths:
                await peer.echo()
            yield peer

    def _prepared(self, destination: Destination) -> tuple[Headers, ssl.SSLContext | None]:
        secure = (destination.url or "").startswith("https:")
        return headers_of(destination), self.tls() if secure else None


class StowPeer:
    """A web server, over one connection that is opened again where it has to be; a contracts.Peer."""

    def __init__(
        self, pool: httpcore.AsyncConnectionPool, studies: str, headers: Headers, timeouts: Timeouts
    ) -> None:
        self._pool = pool
        self._studies = studies
        self._headers = [("Accept", "application/dicom+json"), ("User-Agent", "port104"), *headers]
        self._timeouts = timeouts
        self._alone = 0
        """Files that are sent each in a request of its own, from the next one on."""

    async def store(self, paths: Iterable[Path]) -> Sequence[Answer]:
        """As the contract says."""
        most = 1 if self._alone else MOST_TOGETHER
        parts = await trio.to_thread.run_sync(_parts_of, paths, most)
        answers = await self._answers(parts) if len(parts) > 1 else None
        if answers is None:
            self._alone = self._alone or len(parts)
            answers = answers_in(await self._posted(parts[:1]), [parts[0].sop_instance_uid])
        self._alone = max(0, self._alone - 1)
        return answers or ()

    async def echo(self) -> None:
        """As the contract says, by OPTIONS of what files are posted to: it costs the server nothing.

        It also opens the connection, so that no file is sent in vain. Whether there is an answer counts, and
        hardly which: by PS3.18 8.9 it says what the resource can do, and many servers refuse it.
        """
        request = _Request("OPTIONS", self._headers, None, self._timeouts.associate)
        check_there((await self._asked(request)).status)

    async def _answers(self, parts: Sequence[Part]) -> list[Answer] | None:
        """Post several; None: what came of it says nothing of the single ones."""
        try:
            reply = await self._posted(parts)
        except BrokenOffError:
            return None
        return answers_in(reply, [part.sop_instance_uid for part in parts])

    async def _posted(self, parts: Sequence[Part]) -> Reply:
        body = Body(parts)
        headers = [("Content-Type", body.content_type), ("Content-Length", str(body.length)), *self._headers]
        return await self._asked(_Request("POST", headers, body, self._timeouts.response))

    async def _asked(self, request: "_Request") -> Reply:
        """Ask and read the answer. Raises UnreachableError, BrokenOffError."""
        try:
            return await self._exchanged(request)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
            raise UnreachableError(f"it cannot be reached: {self._reason(failure)}") from failure
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as failure:
            raise BrokenOffError(f"{request.method}: {self._reason(failure)}") from failure
        except OSError as failure:
            raise BrokenOffError(f"its file cannot be read on: {failure.strerror}") from failure

    async def _exchanged(self, request: "_Request") -> Reply:
        content = bytearray()
        with trio.CancelScope() as scope:
            async with (
                aclosing(_sent(request, scope)) as pieces,
                self._pool.stream(
                    request.method,
                    self._studies,
                    headers=request.headers,
                    content=pieces if request.body else None,
                    extensions={"timeout": self._limits(request)},
                ) as response,
            ):
                # The time for an answer is that for all of it.
                scope.deadline = min(scope.deadline, trio.current_time() + request.seconds)
                async for some in response.aiter_stream():
                    content += some
                    if len(content) > _LONGEST_ANSWER:
                        scope.cancel()  # and the connection with it
            return Reply(response.status, bytes(content))
        if len(content) > _LONGEST_ANSWER:
            raise BrokenOffError(f"its answer is longer than {_LONGEST_ANSWER} bytes")
        raise BrokenOffError(f"it did not answer within {request.seconds:g} s")

    def _limits(self, request: "_Request") -> dict[str, float]:
        """Seconds for each step, as httpcore has them."""
        connect, send = self._timeouts.connect, self._timeouts.send
        return {"connect": connect, "pool": connect, "write": send, "read": request.seconds}

    def _reason(self, failure: Exception) -> str:
        match failure:
            case httpcore.ConnectTimeout():
                seconds = self._timeouts.connect
                return f"no answer within {seconds:g} s: look at the url, and at firewalls between"
            case httpcore.WriteTimeout():
                return f"it took no byte for {self._timeouts.send:g} s"
            case httpcore.NetworkError() | httpcore.ProtocolError():
                return reason_of(failure, _AUTHORITIES)
        return "it did not answer in time"


class _Request(NamedTuple):
    """`seconds`: for the answer, after the last byte of the request."""

    method: str
    headers: Headers
    body: Body | None
    seconds: float


async def _sent(request: _Request, scope: trio.CancelScope) -> AsyncGenerator[bytes, None]:
    """Give what is to be sent; after the last of it the answer is waited for."""
    if request.body is not None:
        async with aclosing(request.body.pieces()) as pieces:
            async for piece in pieces:
                yield piece
    scope.deadline = min(math.inf, trio.current_time() + request.seconds)


def _studies_of(destination: Destination) -> str:
    return f"{(destination.url or '').rstrip('/')}/studies"


def _parts_of(paths: Iterable[Path], most: int) -> list[Part]:
    """The first of the files, and those after it that go together with it.

    An instance is in a request once, so that the answer is about this one. Raises UnsendableError
    for the first.
    """
    parts: dict[str, Part] = {}
    size = 0
    for path in paths:
        try:
            part = _part_of(path)
        except UnsendableError:
            if not parts:
                raise
            break  # its turn comes
        size += part.size
        if parts and (size > _MOST_BYTES or part.sop_instance_uid in parts):
            break
        parts[part.sop_instance_uid] = part
        if len(parts) == most:
            break
    return [*parts.values()]


def _part_of(path: Path) -> Part:
    file = opened(path, _HEAD_BYTES)
    file.close()
    return Part(path, file.data_set_at + file.length, file.sop_instance_uid)
