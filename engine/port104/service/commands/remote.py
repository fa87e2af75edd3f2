"""Entries and tokens of a running engine, by its REST API: over TCP, or over its control socket."""

import http.client
import json
import os
import socket
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, Self

from port104.service.commands.faults import (
    CommandError,
    FieldFault,
    OutOfReachError,
    RefusedError,
    WrongValuesError,
)
from port104.service.commands.keeping import Document, Shown
from port104.service.registration import KINDS, WARNINGS, Kind

# The engine gives a request 30 s.
_SECONDS = 35.0
_PAGE = 1000
_HINT = "the command line takes it from --token-file (PORT104_TOKEN_FILE), or from PORT104_TOKEN"
_UNTRUSTED = "SSL_CERT_FILE names a file with the certificates of authorities to trust"


class Answer(NamedTuple):
    """What a request was answered with: JSON, or bytes where it is text.

    `revision`: its ETag; `total`: how many a list has in all; `following`: where its next page begins.
    """

    document: Any
    revision: str = ""
    total: int = 0
    following: str = ""


class Api:
    """The REST API of an engine. `where`: for messages; `base`: what stands before every path."""

    def __init__(
        self, connection: http.client.HTTPConnection, where: str, *, base: str = "", token: str | None = None
    ) -> None:
        self._connection = connection
        self._where = where
        self._base = base
        self._token = token

    def __enter__(self) -> Self:
        """Use it in a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._connection.close()

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | IO[bytes] | None = None,
        *,
        if_match: str = "",
    ) -> Answer:
        """Send a request; `body`: JSON, or an open DICOM file.

        Raises CommandError: OutOfReachError, RefusedError or WrongValuesError.
        """
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if if_match:
            headers["If-Match"] = if_match
        content, described = _sent(body)
        try:
            self._connection.request(method, self._base + path, body=content, headers=headers | described)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as failure:
            reason = getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
            hint = _UNTRUSTED if isinstance(failure, ssl.SSLError) else "check that it runs, and --url"
            raise OutOfReachError(f"no port104 answers at {self._where}: {reason}; {hint}") from failure
        return self._read(response, answer)

    def _read(self, response: http.client.HTTPResponse, content: bytes) -> Answer:
        kind = response.headers.get_content_type()
        if response.status < 300 and not content:
            return Answer(None)
        try:
            document = json.loads(content)
        except ValueError:
            document = None
        if response.status < 300 and kind in ("application/json", "text/plain"):
            total = response.headers.get("X-Total-Count", "")
            return Answer(
                document if kind == "application/json" else content,
                response.headers.get("ETag", ""),
                int(total) if total.isdigit() else 0,
                _following(response.headers.get("Link", "")),
            )
        if kind == "application/problem+json" and isinstance(document, dict):
            raise _refused(response.status, document)
        raise OutOfReachError(
            f"{self._where} answers as no port104 does ({response.status}, {kind}): check --url, and what"
            " stands between"
        )


def _sent(body: Mapping[str, Any] | IO[bytes] | None) -> tuple[str | IO[bytes] | None, dict[str, str]]:
    """What is sent of a body, and the headers that describe it."""
    if body is None:
        return None, {}
    if isinstance(body, Mapping):
        return json.dumps(body), {"Content-Type": "application/json"}
    size = os.fstat(body.fileno()).st_size
    return body, {"Content-Type": "application/dicom", "Content-Length": str(size)}


def _following(link: str) -> str:
    """Where the next page begins (RFC 8288), of a list that says so by `after`."""
    query = urllib.parse.urlsplit(link.partition("<")[2].partition(">")[0]).query
    return dict(urllib.parse.parse_qsl(query)).get("after", "")


def _refused(status: int, problem: Mapping[str, Any]) -> CommandError:
    """What a problem (RFC 7807) says."""
    detail = str(problem.get("detail") or problem.get("title") or status)
    faults = [FieldFault(str(each["field"]), str(each["reason"])) for each in problem.get("errors", ())]
    if status in (401, 403):
        return CommandError(f"{detail}; {_HINT}")
    return WrongValuesError(detail, faults) if status == 400 else RefusedError(detail, faults)


class RemoteKeeper:
    """A keeping.Keeper over the API."""

    note = ""

    def __init__(self, api: Api) -> None:
        self._api = api

    def entries(self, kind: Kind) -> list[Document]:
        """As the protocol says."""
        return [*self._all(_path(kind))]

    def entry(self, kind: Kind, name: str) -> Shown:
        """As the protocol says."""
        return _shown(self._api.ask("GET", _path(kind, name)))

    def create(self, kind: Kind, document: Mapping[str, Any]) -> Shown:
        """As the protocol says."""
        return _shown(self._api.ask("POST", _path(kind), document))

    def replace(self, kind: Kind, name: str, document: Mapping[str, Any], revision: str) -> Shown:
        """As the protocol says."""
        return _shown(self._api.ask("PUT", _path(kind, name), document, if_match=revision))

    def delete(self, kind: Kind, name: str) -> Shown:
        """As the protocol says."""
        return _shown(self._api.ask("DELETE", _path(kind, name)))

    def echo(self, destination: str) -> Document:
        """As the protocol says."""
        kind = next(kind for kind in KINDS if kind.word == "dest")
        outcome: Document = self._api.ask("POST", f"{_path(kind, destination)}/echo").document
        return outcome

    def tokens(self) -> Sequence[Document]:
        """As the protocol says."""
        return [*self._all("/api/tokens")]

    def create_token(self, name: str, scope: str) -> str:
        """As the protocol says."""
        made = self._api.ask("POST", "/api/tokens", {"name": name, "scope": scope})
        return str(made.document["secret"])

    def delete_token(self, name: str) -> None:
        """As the protocol says."""
        self._api.ask("DELETE", f"/api/tokens/{urllib.parse.quote(name, safe='')}")

    def status(self) -> Document:
        """How the engine is."""
        status: Document = self._api.ask("GET", "/health/status").document
        return status

    def drain(self, method: Literal["GET", "POST", "DELETE"]) -> Document:
        """How far it is drained; POST: drain it, DELETE: no longer."""
        drained: Document = self._api.ask(method, "/api/drain").document
        return drained

    def _all(self, path: str) -> Iterator[Document]:
        offset, total = 0, 1
        while offset < total:
            answer = self._api.ask("GET", f"{path}?limit={_PAGE}&offset={offset}")
            yield from answer.document
            if not answer.document:
                return  # others deleted some meanwhile
            offset, total = offset + len(answer.document), answer.total


def _path(kind: Kind, name: str | None = None) -> str:
    path = f"/api/config/{kind.clara}"
    return path if name is None else f"{path}/{urllib.parse.quote(name, safe='')}"


def _shown(answer: Answer) -> Shown:
    warnings = answer.document.pop(WARNINGS, ())
    return Shown(answer.document, answer.revision, tuple(map(str, warnings)))


def api_at(url: str, token: str | None) -> Api:
    """The API at a URL, `http://host:5000`. Raises CommandError where it is none."""
    parts = urllib.parse.urlsplit(url)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in kinds or host is None or parts.query or parts.fragment:
        raise WrongValuesError(f"--url {url}: expected one such as http://port104.example:5000")
    connection = kinds[parts.scheme](host, port, timeout=_SECONDS)
    return Api(connection, url, base=parts.path.rstrip("/"), token=token)


class ControlConnection(http.client.HTTPConnection):
    """HTTP over the control socket of a storage folder; whoever may open that, may do everything."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        connected.settimeout(_SECONDS)
        self.sock = connected


def api_of(connected: socket.socket, folder: Path) -> Api:
    """The API behind the control socket of `folder`."""
    return Api(ControlConnection(connected), f"the control socket of {folder}")
