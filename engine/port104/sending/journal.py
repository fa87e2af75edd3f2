"""What was sent already, a line each, so that sending can be resumed: which instance of which file to whom.

A line is added when the peer has said success. It is not synced: what a power cut takes is sent once more.
"""

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from port104.errors import Port104Error
from port104.sending.candidates import Candidate


class JournalError(Port104Error):
    """The file is no journal, or cannot be used."""


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """`peer`: whom, by address and AE title. `size`: of the data set, in bytes."""

    peer: str
    instance: str
    file: str
    size: int
    status: int = 0


class Journal:
    """The journal at `path`, which is made where it is not there. A context manager; blocks on the disk."""

    def __init__(self, path: Path, peer: str) -> None:
        """Read it. Raises JournalError."""
        self._peer = peer
        self._file = _opened(path)
        try:
            content, _, torn = self._file.read().rpartition(b"\n")
            self._sent = self._read(content)
            self._file.truncate(self._file.tell() - len(torn))
        except (OSError, msgspec.MsgspecError) as failure:
            self._file.close()
            if isinstance(failure, OSError):
                raise _unusable(path, failure) from failure
            raise JournalError(f"{path} is no journal of port104 send: name another file") from failure

    def _read(self, content: bytes) -> set[tuple[str, str, int]]:
        lines = (msgspec.json.decode(line, type=_Line) for line in content.splitlines())
        return {(line.instance, line.file, line.size) for line in lines if line.peer == self._peer}

    def has(self, candidate: Candidate) -> bool:
        """Whether it was sent to this peer already, and is the same file still."""
        return _key(candidate) in self._sent

    def note(self, candidate: Candidate, status: int) -> None:
        """The peer has it: it answered `status`, a success or a warning. Raises JournalError."""
        instance, file, size = _key(candidate)
        line = _Line(self._peer, instance, file, size, status)
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except OSError as failure:
            raise JournalError(f"the journal cannot be written on: {failure.strerror}") from failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _opened(path: Path) -> BinaryIO:
    try:
        file = path.open("a+b")
    except OSError as failure:
        raise _unusable(path, failure) from failure
    file.seek(0)
    return file


def _unusable(path: Path, failure: OSError) -> JournalError:
    return JournalError(f"{path} cannot be used as a journal: {failure.strerror}")


def _key(candidate: Candidate) -> tuple[str, str, int]:
    # A name that is no UTF-8 has no place in JSON.
    file = str(Path(candidate.path).absolute()).encode("utf-8", "backslashreplace").decode()
    return candidate.sop_instance_uid, file, candidate.size
