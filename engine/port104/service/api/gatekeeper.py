"""Stands before the application: judges each request, keeps faults of ours inside, and says what was done.

Rules that this room keeps:
- what was judged is what is served: the path goes on as it came, undecoded, and one that could be read in
  two ways goes nowhere;
- whatever goes wrong behind it, the peer gets a problem, and the log the reason.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec
import structlog

from port104.service.api.access import Access, Asked, Denied, Peer
from port104.service.api.problems import MEDIA_TYPE, Problem

log = structlog.get_logger("port104.api")

Scope = MutableMapping[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

_INSTANCES = "instances/"
# What holds for everything that is not a page: nothing of it is to be run, framed or kept.
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}


class Gatekeeper:
    """Serves requests of whoever may ask, by `application` (ASGI)."""

    def __init__(self, application: Application, access: Access) -> None:
        self._application = application
        self._access = access

    async def serve(self, peer: Peer, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of `peer` (ASGI). Raises nothing of the application's."""
        since = time.monotonic()
        path = scope["raw_path"].decode("latin-1")
        response = _Response(send)
        asked = Asked(scope["method"], path, scope["headers"], tls=scope["scheme"] == "https")
        try:
            await self._judged(asked, peer, scope, receive, response)
        except Exception:
            log.exception(
                "a request was ended by a fault in port104", method=asked.method, path=loggable(path)
            )
            if not response.status:
                await response.problem(Problem.of(500, "fault", "port104 has a fault: its log says more"))
        seconds = round(time.monotonic() - since, 4)
        log.debug(
            "request",
            method=asked.method,
            path=loggable(path),
            peer=str(peer),
            status=response.status,
            seconds=seconds,
        )

    async def _judged(
        self, asked: Asked, peer: Peer, scope: Scope, receive: Receive, response: "_Response"
    ) -> None:
        verdict = self._access.judge(asked, peer)
        if isinstance(verdict, Denied):
            challenge = {"WWW-Authenticate": verdict.challenge} if verdict.challenge else {}
            await response.problem(verdict.problem, challenge)
        elif _ambiguous(asked.path):
            await response.problem(Problem.of(404, "not-found", "there is nothing here: see /api/docs"))
        else:
            # Hypercorn drops the body of what it knows to be HEAD.
            method = "GET" if asked.method == "HEAD" else asked.method
            state = {"caller": verdict}
            await self._application(
                {**scope, "method": method, "path": asked.path, "state": state}, receive, response.send
            )


class _Response:
    """The way back; `status` 0: nothing was sent yet."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = [(name.lower(), value) for name, value in message["headers"]]
            names = {name for name, _ in given}
            ours = [(name, value) for name, value in _HEADERS.items() if name not in names]
            message = {**message, "headers": [*given, *ours]}
        await self._send(message)

    async def problem(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        body = msgspec.json.encode(problem)
        shown = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **(headers or {})}
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in shown.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": encoded})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def loggable(path: str) -> str:
    """A path without what leads to a patient: a SOP Instance UID does."""
    before, found, _ = path.partition(_INSTANCES)
    return f"{before}{found}..." if found else path


def _ambiguous(path: str) -> bool:
    """Whether the application might read another path than was judged."""
    return "//" in path or not path.startswith("/") or path.endswith("/")
