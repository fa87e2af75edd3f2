"""The body of a STOW-RS request: files as they are, one after another (PS3.18 8.6.1.2.2).

Rules that this room keeps:
- a piece of one file is in memory, however long it is and how many there are.
"""

import os
import secrets
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec
import trio

# Read at a time; it also is what must be taken within the time that sending is given.
_PIECE_BYTES = 256 * 1024
_BOUNDARY_BYTES = 16  # so that no file holds it


class Part(msgspec.Struct, frozen=True):
    """A file of the body. `size`: in bytes, as it was when it was looked at."""

    path: Path
    size: int
    sop_instance_uid: str


class Body:
    """A body of several parts. Its length is known before, which many servers and proxies ask for."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        boundary = secrets.token_hex(_BOUNDARY_BYTES)
        self.content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()
        around = len(self._head) + len(b"\r\n")
        self.length = sum(around + part.size for part in parts) + len(self._end)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Read it on. Raises OSError, also for a file that is not as long as it was."""
        for part in self._parts:
            yield self._head
            file = await trio.to_thread.run_sync(_File, part)
            try:
                while piece := await file.read():
                    yield piece
            finally:
                file.close()
            yield b"\r\n"
        yield self._end


class _File:
    """A whole file, of which the first piece was read when it was opened: of most that is all."""

    def __init__(self, part: Part) -> None:
        """Open it. Blocks on the disk. Raises OSError."""
        self._left = part.size
        self._at = 0
        self._descriptor = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._first = self._read()
        except OSError:
            self.close()
            raise

    async def read(self) -> bytes:
        """Read on; empty at the end. Raises OSError."""
        if self._first:
            piece, self._first = self._first, b""
            return piece
        return await trio.to_thread.run_sync(self._read) if self._left else b""

    def _read(self) -> bytes:
        piece = os.pread(self._descriptor, min(_PIECE_BYTES, self._left), self._at)
        if not piece and self._left:
            raise OSError(0, "it is shorter than it was")
        self._at += len(piece)
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        os.close(self._descriptor)
