"""The registry in PostgreSQL, for several replicas, which hear of each other's changes."""

from typing import TYPE_CHECKING

from port104.database.opening import open_postgres
from port104.registry.store.contents import Contents, Row
from port104.registry.store.rows import read_contents, write_change
from port104.registry.store.schema import SCHEMA

if TYPE_CHECKING:
    from port104.database.postgres import PostgresListener

_CHANNEL = "port104_registry"


class PostgresStore:
    """A `contents.EntryStore` in a database that others may change too."""

    def __init__(self, url: str) -> None:
        """Connect, and bring the tables to the newest version. Raises DatabaseError."""
        self._database = open_postgres(url, SCHEMA)

    def read(self, known: int | None) -> Contents | None:
        """As the protocol says."""
        with self._database.reading() as session:
            return read_contents(session, known)

    def write(self, known: int, *, drop: Row | None = None, put: Row | None = None) -> bool:
        """As the protocol says; whoever listens is told."""
        with self._database.changing() as session:
            done = write_change(session, known, drop, put)
            if done:
                session.run(f"NOTIFY {_CHANNEL}")
        return done

    def listen(self) -> "PostgresListener":
        """As the protocol says, on a connection of its own."""
        return self._database.listen(_CHANNEL)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
