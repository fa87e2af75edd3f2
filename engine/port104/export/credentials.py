"""What a web server is told of who calls: headers from files, which are read for each connection.

Rules that this room keeps:
- what is in the files is quoted nowhere, neither in messages nor in logs.
"""

import re
from pathlib import Path

from port104.errors import ConfigurationError
from port104.registry.entries import Destination

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 2.1
_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)"
)  # RFC 9110 5
_LONGEST = 64 * 1024
_OURS = frozenset(
    {"accept", "connection", "content-length", "content-type", "expect", "host", "transfer-encoding"}
)
_AUTHORIZATION = "authorization"

Headers = list[tuple[str, str]]


def headers_of(destination: Destination) -> Headers:
    """Read them. Blocks on the disk. Raises ConfigurationError."""
    headers = [] if destination.headers_file is None else _headers_in(destination.headers_file)
    if destination.token_file is not None:
        if any(name.lower() == _AUTHORIZATION for name, _ in headers):
            raise ConfigurationError(
                f"{destination.headers_file} has an Authorization too: take out one of both"
            )
        headers.append(("Authorization", f"Bearer {_token_in(destination.token_file)}"))
    return headers


def _token_in(file: str) -> str:
    token = _content(file, "tokenFile").strip()
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(
            f"{file} holds no bearer token: one word as RFC 6750 has it, and nothing else"
        )
    return token


def _headers_in(file: str) -> Headers:
    headers = []
    for number, line in enumerate(_content(file, "headersFile").splitlines(), 1):
        if not line.strip():
            continue
        found = _HEADER.fullmatch(line.strip())
        if found is None:
            raise ConfigurationError(
                f"line {number} of {file} is no header: NAME: VALUE is, in ASCII, one a line"
            )
        if found[1].lower() in _OURS:
            raise ConfigurationError(f"line {number} of {file} is a header that port104 sets: take it out")
        headers.append((found[1], found[2]))
    return headers


def _content(file: str, setting: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(_LONGEST + 1)
    except OSError as failure:
        raise ConfigurationError(f"its {setting} cannot be read: {failure.strerror} ({file})") from failure
    if len(content) > _LONGEST or not content.isascii():
        raise ConfigurationError(f"its {setting} {file} must be ASCII, of {_LONGEST} bytes at most")
    return content.decode("ascii")
