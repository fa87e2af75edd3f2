"""Tells another program of a run, by a POST that is signed as Standard Webhooks says (standardwebhooks.com).

Rules that this room keeps:
- taken is succeeded: what the program makes of the run is its own affair, and comes back as results;
- an attempt that is made again has the webhook-id of the one before, by which the program knows it;
- certificates are checked against the machine's own store; no redirect is followed and no proxy asked, for
  both would bring patients' data to somebody who was not named;
- of an answer only the status is read; neither it nor the URL, which may hold a secret, is quoted.
"""

import base64
import binascii
import hmac
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpcore
import msgspec
import trio

from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.cancelling import unless_cancelled
from port104.dispatch.payload import INSTANCES, MANIFEST, OUTPUT
from port104.errors import ConfigurationError
from port104.jobs.ledger.runs import Run
from port104.net.http_failures import reason_of
from port104.registry.entries import Pipeline

_CONNECT_SECONDS = 10.0
# A program that takes a run writes it down and answers; what it does takes its time later.
_ANSWER_SECONDS = 30.0
_ALL_SECONDS = 60.0
_AUTHORITIES = "the machine's store"
_SECRET_PREFIX = "whsec_"  # noqa: S105 - of secrets, as Standard Webhooks writes them
_SHORTEST_SECRET = 24  # bytes, by the same
_SIGNATURE_VERSION = "v1"
_TIMEOUTS = {
    "connect": _CONNECT_SECONDS,
    "read": _ANSWER_SECONDS,
    "write": _ANSWER_SECONDS,
    "pool": _CONNECT_SECONDS,
}


class Message(msgspec.Struct, frozen=True):
    """What is sent, and what its TLS goes by; None: it goes without."""

    headers: list[tuple[str, str]]
    body: bytes
    tls: ssl.SSLContext | None


class WebhookBackend:
    """Sends each run to `pipeline.webhook`. A Backend."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock`: Unix time."""
        self._clock = clock

    async def run(self, run: Run, pipeline: Pipeline, folder: Path, cancel: trio.Event) -> Ending:
        """Send it once, and say what became of it."""
        url = pipeline.webhook or ""
        try:
            host = host_of(url)
            prepare = partial(prepared, run, pipeline, folder, self._clock())
            message = await trio.to_thread.run_sync(prepare)
        except ConfigurationError as fault:
            return Ending("failed", str(fault))
        return await unless_cancelled(cancel, partial(_sent, url, host, message, pipeline.time_limit))


def host_of(url: str) -> str:
    """Who is told, as messages name it. Raises ConfigurationError."""
    parts = urlsplit(url)
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigurationError(
            "its webhook is no URL that can be used: http:// or https://, a host without a user, and ASCII"
            " without spaces"
        )
    return parts.netloc


def prepared(run: Run, pipeline: Pipeline, folder: Path, now: float) -> Message:
    """Make the message of an attempt at Unix time `now`. Raises ConfigurationError; waits for the disk."""
    folder = folder.absolute()
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError as failure:
        raise ConfigurationError(f"its manifest cannot be read: {failure.strerror} ({folder})") from failure
    body = msgspec.json.encode(
        {
            "type": "port104.run",
            "timestamp": datetime.fromtimestamp(now, UTC)
            .isoformat(timespec="seconds")
            .replace("+00:00", "Z"),
            "data": {
                "folder": str(folder),
                "input": str(folder / INSTANCES),
                "output": str(folder / OUTPUT),
                "manifest": msgspec.Raw(manifest),
            },
        }
    )
    headers = [
        ("content-type", "application/json"),
        ("user-agent", "port104"),
        ("webhook-id", run.series),
        ("webhook-timestamp", str(int(now))),
    ]
    if pipeline.webhook_secret_file is not None:
        signatures = [
            signature(secret, run.series, int(now), body)
            for secret in secrets_in(pipeline.webhook_secret_file)
        ]
        headers.append(("webhook-signature", " ".join(signatures)))
    secure = urlsplit(pipeline.webhook or "").scheme == "https"
    return Message(headers, body, ssl.create_default_context() if secure else None)


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a message as Standard Webhooks does: HMAC-SHA256 over id.timestamp.body, in base64."""
    digest = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"{_SIGNATURE_VERSION},{base64.b64encode(digest).decode()}"


def secrets_in(file: str) -> list[bytes]:
    """Read secrets, one a line: while one takes another's place both sign. Raises ConfigurationError."""
    try:
        lines = Path(file).read_text("ascii").split()
        secrets = [
            base64.b64decode(line.removeprefix(_SECRET_PREFIX), validate=True)
            if line.startswith(_SECRET_PREFIX)
            else line.encode()
            for line in lines
        ]
    except OSError as failure:
        raise ConfigurationError(
            f"the secret of its webhook cannot be read: {failure.strerror} ({file})"
        ) from failure
    except (UnicodeError, binascii.Error) as failure:
        raise ConfigurationError(
            f"{file} holds no secret for a webhook: {_SECRET_PREFIX} and base64, or ASCII, one a line"
        ) from failure
    if not secrets or min(map(len, secrets)) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"a secret of a webhook has at least {_SHORTEST_SECRET} bytes: write a longer one into {file}"
        )
    return secrets


async def _sent(url: str, host: str, message: Message, time_limit: float) -> Ending:
    seconds = min(time_limit or _ALL_SECONDS, _ALL_SECONDS)
    try:
        with trio.fail_after(seconds):
            status = await _posted(url, message)
    except (trio.TooSlowError, httpcore.TimeoutException) as failure:
        waited = seconds if isinstance(failure, trio.TooSlowError) else _waited(failure)
        return Ending(
            "failed", f"{host} did not answer within {waited:g} s: is it up, and reachable from here?"
        )
    except (httpcore.NetworkError, httpcore.ProtocolError) as failure:
        return Ending("failed", f"{host} cannot be told: {reason_of(failure, _AUTHORITIES)}")
    return _judged(host, status)


async def _posted(url: str, message: Message) -> int:
    async with (
        httpcore.AsyncConnectionPool(ssl_context=message.tls, max_connections=1) as pool,
        pool.stream(
            "POST", url, headers=message.headers, content=message.body, extensions={"timeout": _TIMEOUTS}
        ) as response,
    ):
        return response.status


def _waited(failure: Exception) -> float:
    return _CONNECT_SECONDS if isinstance(failure, httpcore.ConnectTimeout) else _ANSWER_SECONDS


def _judged(host: str, status: int) -> Ending:
    if 200 <= status < 300:
        return Ending("succeeded")
    if 300 <= status < 400:
        why = "sends elsewhere, which is not followed: give the URL that it leads to"
    elif status in (408, 425, 429) or status >= 500:
        why = "cannot take it now: its own log may say why"
    else:
        why = "refuses it: check the URL, the secret, and what the program there says"
    return Ending("failed", f"{host} answered {status}, so it {why}")
