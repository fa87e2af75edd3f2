"""What bytes are known by: our own digest, and the ETag that S3 has for them.

S3 says with its answer what it has received: the MD5 of an object, or, of one that came in parts, the MD5 of
their MD5s and how many they were (Amazon S3 API, "Checking object integrity"). Where it encrypts with keys
of a key service the ETag is something else: then only reading the object can tell.
"""

import hashlib
from collections.abc import Iterable
from typing import IO

import msgspec

PART_BYTES = 16 << 20
"""An object that is larger goes in parts of so many bytes. S3 takes 10,000 of them: 156 GiB."""


class Facts(msgspec.Struct, frozen=True):
    """`digest`: SHA-256, hexadecimal; `etag`: that S3 would have, without quotation marks."""

    size: int
    digest: str
    etag: str


def facts_of(content: bytes) -> Facts:
    """Of an object that is put whole."""
    return Facts(len(content), hashlib.sha256(content).hexdigest(), _md5(content).hexdigest())


def facts_of_parts(file: IO[bytes]) -> Facts:
    """Of a file that is put in parts; reads it to its end, a part at a time. Raises OSError."""
    digest, size, of_parts = hashlib.sha256(), 0, []
    while part := file.read(PART_BYTES):
        size += len(part)
        digest.update(part)
        of_parts.append(_md5(part).digest())
    return Facts(size, digest.hexdigest(), f"{_md5(b''.join(of_parts)).hexdigest()}-{len(of_parts)}")


def digest_of(pieces: Iterable[bytes]) -> tuple[int, str]:
    """Size and SHA-256 of what comes in pieces."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        size += len(piece)
        digest.update(piece)
    return size, digest.hexdigest()


def _md5(content: bytes) -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)
