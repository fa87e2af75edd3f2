"""What is asked of the API server, over HTTP: objects, lists and watches of them, and logs of pods.

Rules that this room keeps:
- the token is read at every request, for Kubernetes writes it anew before it expires;
- no redirect is followed and no proxy asked, and certificates are checked by the cluster's own authority;
- every step has its time: a connection that died without a word is found by the end of a watch that should
  have ended long ago.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpcore
import msgspec
import trio

from port104.cluster.collection import EVENTS, PODS, Collection
from port104.cluster.faults import ClusterError
from port104.cluster.lines import Lines
from port104.cluster.place import Place
from port104.cluster.resources import GROUP, Change, Listing, Resource
from port104.errors import ConfigurationError
from port104.net.http_failures import reason_of

# The API server ends each watch after so long, and it is asked for anew: one request a minute for each kind.
_WATCH_SECONDS = 60
# A watch that says nothing for longer than that has died: the API server closes it in time.
_SILENT_SECONDS = _WATCH_SECONDS + 15.0
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 15.0
_PAGE = 500
# Requests at one time; others wait. 200 runs that begin at once are soon made by these, without as many
# handshakes, and the pool's own work grows with the square of them.
_AT_ONCE = 8
_LONGEST_ANSWER = 64 << 20
"""Bytes: a page of 500 objects of 100 KB each, which no site has."""
_MERGE_PATCH = "application/merge-patch+json"
_AUTHORITIES = "ca.crt of the service account"
_HINTS = {
    401: "is the token of the service account still good?",
    403: "the chart's Role gives its service account the rights that port104 needs: is it this pod's?",
}
_NOT_DEFINED = "are the definitions installed? kubectl apply -f charts/port104/crds"
# Of a log that is followed: a pod may be silent for long, and a connection that died is no log's end.
_SILENT_LOG_SECONDS = 300.0

DecodedT = TypeVar("DecodedT")


class ApiServer:
    """The API server, for one namespace. Made by `open_api_server`."""

    def __init__(
        self, pool: httpcore.AsyncConnectionPool, streams: httpcore.AsyncConnectionPool, place: Place
    ) -> None:
        """`pool`: for what is answered at once; `streams`: for watches and logs."""
        self._pool = pool
        self._streams = streams
        self._place = place

    @property
    def namespace(self) -> str:
        """In which all of it is."""
        return self._place.namespace

    async def everything(self, of: Collection) -> tuple[Sequence[Resource], str]:
        """Read all objects of a kind, and the version to watch on from. Raises ClusterError."""
        found: list[Resource] = []
        query = {"limit": str(_PAGE)} | _selecting(of)
        while True:
            body = await self._asked("GET", f"{self._path(of)}?{urlencode(query)}")
            page = _decoded(body, Listing)
            found += page.items
            if not page.metadata.more:
                return found, page.metadata.resource_version
            query["continue"] = page.metadata.more

    async def watch(self, of: Collection, version: str, hear: Callable[[Sequence[Change]], None]) -> None:
        """Hear what changes after `version`, until the API server ends it; nothing, when it begins.

        Raises ClusterError.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        } | _selecting(of)
        lines = Lines()
        url = f"{self._path(of)}?{urlencode(query)}"
        async with self._answer("GET", url, silent=_SILENT_SECONDS) as response:
            hear(())
            await _all_of(response, lambda data: hear(lines.feed(data)))

    async def read(self, of: Collection, name: str) -> Resource:
        """Read one object. Raises ClusterError, with the status 404 where there is none."""
        return _decoded(await self._asked("GET", self._path(of, name)), Resource)

    async def create(self, of: Collection, manifest: Any) -> Resource:
        """Create an object. Raises ClusterError, with the status 409 where its name is taken."""
        return _decoded(await self._asked("POST", self._path(of), manifest), Resource)

    async def patch(self, of: Collection, name: str, change: Any) -> None:
        """Put keys in place of those that an object has (RFC 7396). Raises ClusterError."""
        await self._asked("PATCH", self._path(of, name), change, _MERGE_PATCH)

    async def delete(self, of: Collection, name: str, uid: str) -> None:
        """Delete an object, once what belongs to it is gone, where it still is that one.

        Raises ClusterError, with the status 404 or 409 where it is not.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid},
        }
        await self._asked("DELETE", self._path(of, name), options)

    async def write_status(self, of: Collection, name: str, status: Any) -> None:
        """Put keys of a resource's status in place of those that it has. Raises ClusterError."""
        await self._asked("PATCH", f"{self._path(of, name)}/status", {"status": status}, _MERGE_PATCH)

    async def create_event(self, event: Any) -> None:
        """Tell of something, for `kubectl describe` and `kubectl events`. Raises ClusterError."""
        await self._asked("POST", self._path(EVENTS), event)

    async def follow_log(self, pod: str, container: str, take: Callable[[bytes], None]) -> None:
        """Take what a container wrote, and what it writes, until it has ended. Raises ClusterError."""
        query = urlencode({"container": container, "follow": "true"})
        url = f"{self._path(PODS, pod)}/log?{query}"
        async with self._answer("GET", url, silent=_SILENT_LOG_SECONDS) as response:
            await _all_of(response, take)

    def _path(self, of: Collection, name: str = "") -> str:
        return "/".join(filter(None, [of.path(self.namespace), quote(name, safe="")]))

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
        silent: float | None = None,
    ) -> AsyncIterator[httpcore.Response]:
        """Ask; yields the answer where it is a success. Raises ClusterError, also for what comes later.

        `silent`: seconds without a byte of an answer that goes on for long.
        """
        headers = await trio.to_thread.run_sync(self._headers)
        if content is not None:
            headers += [("Content-Type", media_type), ("Content-Length", str(len(content)))]
        limits = {
            "connect": _CONNECT_SECONDS,
            "pool": _ANSWER_SECONDS,
            "write": _ANSWER_SECONDS,
            "read": silent or _ANSWER_SECONDS,
        }
        pool = self._pool if silent is None else self._streams
        try:
            async with pool.stream(
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


def _selecting(of: Collection) -> dict[str, str]:
    return {"labelSelector": of.selector} if of.selector else {}


def _decoded(body: bytes, kind: type[DecodedT]) -> DecodedT:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise ClusterError(f"the API server sent what is no {kind.__name__.lower()}: {fault}") from fault


async def _refusal(response: httpcore.Response, method: str, path: str) -> ClusterError:
    body = await _read(response)
    try:
        said = str(msgspec.json.decode(body).get("message", ""))
    except (msgspec.DecodeError, UnicodeError, AttributeError):
        said = ""
    words = f"the API server answered {response.status} to {method} {path}"
    hint = _HINTS.get(response.status)
    if response.status == 404 and path.startswith(f"/apis/{GROUP}/"):
        hint = _NOT_DEFINED
    return ClusterError(": ".join(filter(None, [words, said, hint])), status=response.status)


@asynccontextmanager
async def open_api_server(place: Place) -> AsyncIterator[ApiServer]:
    """Speak with the API server at `place` while the block runs. Raises ConfigurationError for its files."""
    context = await trio.to_thread.run_sync(_context, place)
    async with (
        httpcore.AsyncConnectionPool(ssl_context=context, max_connections=_AT_ONCE) as pool,
        # Watches and logs hold a connection each, as long as they last.
        httpcore.AsyncConnectionPool(
            ssl_context=context, max_connections=None, max_keepalive_connections=0
        ) as streams,
    ):
        yield ApiServer(pool, streams, place)


def _context(place: Place) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=place.authorities)
    except OSError as failure:
        raise ConfigurationError(
            f"the certificates of the cluster's authority cannot be read: {failure.strerror}"
            f" ({place.authorities})"
        ) from failure
