"""What is asked of the API server, over HTTP: lists, watches, status and events of custom resources.

Rules that this room keeps:
- the token is read at every request, for Kubernetes writes it anew before it expires;
- no redirect is followed and no proxy asked, and certificates are checked by the cluster's own authority;
- every step has its time: a connection that died without a word is found by the end of a watch that should
  have ended long ago.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpcore
import msgspec
import trio

from port104.cluster.faults import ClusterError
from port104.cluster.lines import Lines
from port104.cluster.place import Place
from port104.cluster.resources import API_VERSION, Change, Listing, Resource
from port104.errors import ConfigurationError
from port104.net.http_failures import reason_of

# The API server ends each watch after so long, and it is asked for anew: one request a minute for each kind.
_WATCH_SECONDS = 60
# A watch that says nothing for longer than that has died: the API server closes it in time.
_SILENT_SECONDS = _WATCH_SECONDS + 15.0
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 15.0
_PAGE = 500
_LONGEST_ANSWER = 64 << 20
"""Bytes: a page of 500 objects of 100 KB each, which no site has."""
_AUTHORITIES = "ca.crt of the service account"
_HINTS = {
    401: "is the token of the service account still good?",
    403: "the chart's Role lets its service account read and watch custom resources, and write their status"
    " and events: is it this pod's?",
    404: "are the definitions installed? kubectl apply -f charts/port104/crds",
}


class ApiServer:
    """The API server, for one namespace. Made by `open_api_server`."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, place: Place) -> None:
        self._pool = pool
        self._place = place

    @property
    def namespace(self) -> str:
        """In which custom resources are read."""
        return self._place.namespace

    async def everything(self, plural: str) -> tuple[Sequence[Resource], str]:
        """Read all resources of a kind, and the version to watch on from. Raises ClusterError."""
        found: list[Resource] = []
        query = {"limit": str(_PAGE)}
        while True:
            body = await self._asked("GET", f"{self._resources(plural)}?{urlencode(query)}")
            page = _decoded(body)
            found += page.items
            if not page.metadata.more:
                return found, page.metadata.resource_version
            query["continue"] = page.metadata.more

    async def watch(self, plural: str, version: str, hear: Callable[[Sequence[Change]], None]) -> None:
        """Hear what changes after `version`, until the API server ends it; nothing, when it begins.

        Raises ClusterError.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        lines = Lines()
        url = f"{self._resources(plural)}?{urlencode(query)}"
        async with self._answer("GET", url, silent=_SILENT_SECONDS) as response:
            hear(())
            await _all_of(response, lambda data: hear(lines.feed(data)))

    async def write_status(self, plural: str, name: str, status: Any) -> None:
        """Put keys of a resource's status in place of those that it has. Raises ClusterError."""
        path = f"{self._resources(plural)}/{name}/status"
        await self._asked("PATCH", path, {"status": status}, "application/merge-patch+json")

    async def create_event(self, event: Any) -> None:
        """Tell of something, for `kubectl describe` and `kubectl events`. Raises ClusterError."""
        await self._asked("POST", f"/api/v1/namespaces/{self.namespace}/events", event)

    def _resources(self, plural: str) -> str:
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/{plural}"

    async def _asked(
        self, method: str, target: str, body: Any = None, media_type: str = "application/json"
    ) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        async with self._answer(method, target, content, media_type) as response:
            return await _read(response)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        target: str,
        content: bytes | None = None,
        media_type: str = "",
        silent: float = _ANSWER_SECONDS,
    ) -> AsyncIterator[httpcore.Response]:
        """Ask; yields the answer where it is a success. Raises ClusterError, also for what comes later."""
        headers = await trio.to_thread.run_sync(self._headers)
        if content is not None:
            headers += [("Content-Type", media_type), ("Content-Length", str(len(content)))]
        limits = {
            "connect": _CONNECT_SECONDS,
            "pool": _CONNECT_SECONDS,
            "write": _ANSWER_SECONDS,
            "read": silent,
        }
        try:
            async with self._pool.stream(
                method,
                self._place.url + target,
                headers=headers,
                content=None if content is None else _Body(content),
                extensions={"timeout": limits},
            ) as response:
                if not 200 <= response.status < 300:
                    raise await _refusal(response, method, target.partition("?")[0])
                yield response
        except (httpcore.NetworkError, httpcore.ProtocolError) as failure:
            raise ClusterError(
                f"the API server cannot be asked: {reason_of(failure, _AUTHORITIES)}"
            ) from failure
        except httpcore.TimeoutException as failure:
            raise ClusterError("the API server does not answer in time") from failure

    def _headers(self) -> list[tuple[str, str]]:
        headers = [("Accept", "application/json"), ("User-Agent", "port104")]
        if self._place.token is not None:
            try:
                token = self._place.token.read_text("ascii").strip()
            except (OSError, UnicodeError) as failure:
                raise ClusterError(f"the token of the service account cannot be read: {failure}") from failure
            headers.append(("Authorization", f"Bearer {token}"))
        return headers


class _Body:
    """The body of a request. httpcore's own is a generator, which a request that is cancelled leaves open."""

    def __init__(self, content: bytes) -> None:
        self._rest = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


async def _read(response: httpcore.Response) -> bytes:
    content = bytearray()

    def take(data: bytes) -> None:
        if len(content) + len(data) > _LONGEST_ANSWER:
            raise ClusterError(f"the API server's answer is longer than {_LONGEST_ANSWER} bytes")
        content.extend(data)

    await _all_of(response, take)
    return bytes(content)


async def _all_of(response: httpcore.Response, take: Callable[[bytes], None]) -> None:
    """Give away each piece of an answer. Raises what `take` raises, for which no more is read."""
    fault: ClusterError | None = None
    # httpcore's generators, one within the other, are closed in time only from the innermost on.
    with trio.CancelScope() as scope:
        async for data in response.aiter_stream():
            try:
                take(data)
            except ClusterError as raised:
                fault = raised
                scope.cancel()
    if fault is not None:
        raise fault


def _decoded(body: bytes) -> Listing:
    try:
        return msgspec.json.decode(body, type=Listing)
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise ClusterError(f"the API server sent no list of custom resources: {fault}") from fault


async def _refusal(response: httpcore.Response, method: str, path: str) -> ClusterError:
    body = await _read(response)
    try:
        said = str(msgspec.json.decode(body).get("message", ""))
    except (msgspec.DecodeError, UnicodeError, AttributeError):
        said = ""
    words = f"the API server answered {response.status} to {method} {path}"
    return ClusterError(
        ": ".join(filter(None, [words, said, _HINTS.get(response.status)])), status=response.status
    )


@asynccontextmanager
async def open_api_server(place: Place) -> AsyncIterator[ApiServer]:
    """Speak with the API server at `place` while the block runs. Raises ConfigurationError for its files."""
    context = await trio.to_thread.run_sync(_context, place)
    async with httpcore.AsyncConnectionPool(ssl_context=context) as pool:
        yield ApiServer(pool, place)


def _context(place: Place) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=place.authorities)
    except OSError as failure:
        raise ConfigurationError(
            f"the certificates of the cluster's authority cannot be read: {failure.strerror}"
            f" ({place.authorities})"
        ) from failure
