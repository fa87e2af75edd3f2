"""A database in an SQLite file.

Rules that this room keeps:
- a file that is there is port104's, whole, or nothing starts: an empty registry in place of a damaged one
  would turn away every peer, or let in who was shut out;
- the first change makes the file, under another name until it is whole;
- a change that was made survives a power cut. Hence `synchronous = EXTRA`, which syncs the folder too once a
  rollback journal is gone.
"""

import errno
import os
import sqlite3
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from port104.database.faults import DatabaseError
from port104.database.schema import Schema, migrate

# How long a change waits for a lock: the storage folder has one owner, but somebody may look with `sqlite3`.
_BUSY_SECONDS = 5.0
_MODE = 0o600  # digests of tokens are nobody else's business
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_HINTS = {
    "SQLITE_BUSY": "another program has it open: end that, and try again",
    "SQLITE_CANTOPEN": "port104's user must be able to read and write it, and the folder that it is in",
    "SQLITE_FULL": "free some space on its disk",
    "SQLITE_READONLY": "port104's user must be able to write it, and the folder that it is in",
}


class SqliteDatabase:
    """A file of tables; one process may use it at a time, which the caller sees to.

    `journal`: DELETE, a rollback journal, which leaves one file and works on every file system; or WAL, with
    which others read on beside a change, and changes that come many a second cost less. Used by one thread at
    a time; every call may wait for the disk, and raises DatabaseError, whose text says what to do.
    """

    def __init__(
        self,
        file: Path,
        schema: Schema,
        *,
        journal: str = "DELETE",
        clock: Callable[[], float] | None = None,
        checked: bool = False,
    ) -> None:
        """Open the file, where it is there, and bring its tables to the newest version.

        `clock`: seconds since 1970; None: the machine's, going on evenly from now. `checked`: whoever has it
        open already looked through all of it, which takes a while where it is large.
        """
        self._file = file.absolute()
        self._schema = schema
        self._journal = journal
        self._clock = clock or _steady_clock()
        self._checked = checked
        self._identity: tuple[int, int] | None = None
        self._connection: sqlite3.Connection | None = None
        with self._translated():
            if self._file_identity() is not None:
                self._open()

    @property
    def exists(self) -> bool:
        """Whether there is a file: whether anything was ever changed."""
        return self._connection is not None

    @contextmanager
    def reading(self) -> "Iterator[SqliteSession]":
        """A transaction that changes nothing, unless there is no file yet: then it is made."""
        with self._transaction(self._ready(), "BEGIN") as session:
            yield session

    @contextmanager
    def changing(self) -> "Iterator[SqliteSession]":
        """A transaction that is committed where the block ends well. Makes the file where there is none."""
        connection = self._ready()
        with self._translated():
            if self._file_identity() != self._identity:
                raise DatabaseError(
                    f"{self._file} was moved or removed while port104 works with it, so a change would be"
                    " lost: put it back, or restart port104"
                )
        with self._transaction(connection, "BEGIN IMMEDIATE") as session:
            yield session

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ready(self) -> sqlite3.Connection:
        if self._connection is None:
            with self._translated():
                self._make()
                self._open()
        assert self._connection is not None  # noqa: S101 - opened above
        return self._connection

    def _file_identity(self) -> tuple[int, int] | None:
        """Which file bears the name; None: none."""
        try:
            about = self._file.stat()
        except FileNotFoundError:
            return None
        return about.st_dev, about.st_ino

    def _open(self) -> None:
        connection = self._connect(self._file)
        try:
            self._check(connection)
            with self._transaction(connection, "BEGIN IMMEDIATE") as session:
                migrate(session, self._schema, where=str(self._file))
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity = connection, self._file_identity()

    def _check(self, connection: sqlite3.Connection) -> None:
        if not self._checked:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
            if found != ["ok"]:
                raise self._damaged(found[0])
        if not SqliteSession(connection).has_table(self._schema.versions):
            raise self._damaged("it is not port104's, or empty")

    def _make(self) -> None:
        """Make the file; one that is not whole never bears the name."""
        new = self._file.with_name(self._file.name + ".new")
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE))
        with (
            closing(self._connect(new, "DELETE")) as connection,
            self._transaction(connection, "BEGIN IMMEDIATE") as session,
        ):
            migrate(session, self._schema, where=str(self._file))
        new.rename(self._file)
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _connect(self, file: Path, journal: str = "") -> sqlite3.Connection:
        """Open a file that is there."""
        connection = sqlite3.connect(
            f"file:{urllib.parse.quote(os.fsencode(file))}?mode=rw",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,  # transactions are begun and ended here
            check_same_thread=False,  # one thread at a time, but not always the same
        )
        try:
            connection.execute(f"PRAGMA journal_mode = {journal or self._journal}")
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA trusted_schema = OFF")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection, begin: str) -> "Iterator[SqliteSession]":
        with self._translated():
            connection.execute(begin)
            try:
                yield SqliteSession(connection, self._clock)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as failure:
            name = getattr(failure, "sqlite_errorname", "")
            if name.startswith(_DAMAGED):
                raise self._damaged(str(failure)) from failure
            hints = (hint for prefix, hint in _HINTS.items() if name.startswith(prefix))
            hint = next(hints, "check the disk, and the log of the operating system")
            raise DatabaseError(f"{self._name} cannot be used: {failure}; {hint}") from failure
        except OSError as failure:
            reason = os.strerror(failure.errno or errno.EIO)
            raise DatabaseError(
                f"{self._name} cannot be used: {reason};"
                " port104's user must be able to read and write it, and the folder that it is in"
            ) from failure

    @property
    def _name(self) -> str:
        return f"{self._schema.what} in {self._file}"

    def _damaged(self, reason: str) -> DatabaseError:
        return DatabaseError(
            f"{self._name} is damaged ({reason}): restore the file from a backup, or move it"
            f" away to begin with {self._schema.without}"
        )


def _steady_clock() -> Callable[[], float]:
    """A clock that goes on evenly, whatever is done to the machine's meanwhile."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


class SqliteSession:
    """A session.Session."""

    clustered = "WITHOUT ROWID"

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._clock = clock

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """As the protocol says."""
        return self._connection.execute(sql, parameters).fetchall()

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """As the protocol says."""
        return max(0, self._connection.executemany(sql, rows).rowcount)

    def now(self) -> float:
        """As the protocol says."""
        return self._clock()

    def has_table(self, name: str) -> bool:
        """As the protocol says."""
        return bool(self.run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name))
