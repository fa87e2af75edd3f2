"""The registry in an SQLite file.

With a rollback journal: a write-ahead log would let readers read on beside a change, but reading is done from
memory and changes are rare; it would leave two more files, and does not work on every file system.
"""

from pathlib import Path

from port104.database.sqlite import SqliteDatabase
from port104.registry.store.contents import Contents, Row
from port104.registry.store.rows import read_contents, write_change
from port104.registry.store.schema import SCHEMA


class SqliteStore:
    """A `contents.EntryStore` in a file, which the first change makes."""

    def __init__(self, file: Path) -> None:
        """Open the file, where it is there. Raises DatabaseError."""
        self._database = SqliteDatabase(file, SCHEMA)

    def read(self, known: int | None) -> Contents | None:
        """As the protocol says."""
        if not self._database.exists:
            return None if known == 0 else Contents(0)
        with self._database.reading() as session:
            return read_contents(session, known)

    def write(self, known: int, *, drop: Row | None = None, put: Row | None = None) -> bool:
        """As the protocol says."""
        with self._database.changing() as session:
            return write_change(session, known, drop, put)

    def listen(self) -> None:
        """Nobody else can change it."""

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
