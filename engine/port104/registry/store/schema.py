"""The tables of the registry, and the way to them from each earlier version.

Rules that this room keeps:
- a migration that was released is never changed: a change of the tables is a further one at the end;
- all that are missing are done in one transaction, which whoever opens the database begins;
- SQL that SQLite and PostgreSQL both understand, with `?` for parameters.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from port104.registry.faults import NewerSchemaError, StoreError

# Each leads from the version that is its position to the next.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE port104_registry (
            version INTEGER NOT NULL,
            generation BIGINT NOT NULL
        )""",
        "INSERT INTO port104_registry (version, generation) VALUES (0, 0)",
        """CREATE TABLE port104_entry (
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            alias TEXT,
            revision BIGINT NOT NULL,
            document TEXT NOT NULL,
            PRIMARY KEY (kind, name),
            UNIQUE (kind, alias)
        )""",
        """CREATE TABLE port104_token (
            name TEXT NOT NULL PRIMARY KEY,
            scope TEXT NOT NULL,
            digest TEXT NOT NULL UNIQUE,
            created TEXT NOT NULL
        )""",
    ),
)


class Session(Protocol):
    """A transaction under way."""

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Carry out a statement; returns its rows."""
        ...

    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name."""
        ...


def migrate(session: Session, *, where: str, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the tables to the newest version.

    `where` says which database, for messages. Raises NewerSchemaError where they are newer than we know.
    """
    version = _version(session, where) if session.has_table("port104_registry") else 0
    if version > len(migrations):
        raise NewerSchemaError(
            f"{where} has schema version {version}, and this port104 knows {len(migrations)} at the most:"
            " start the later version of port104 that made it, or restore the backup from before"
        )
    for statements in migrations[version:]:
        for statement in statements:
            session.run(statement)
    if version < len(migrations):
        session.run("UPDATE port104_registry SET version = ?", len(migrations))


def _version(session: Session, where: str) -> int:
    rows = session.run("SELECT version FROM port104_registry")
    if len(rows) != 1:
        raise StoreError(
            f"{where} is not whole: its table port104_registry has {len(rows)} rows instead of one;"
            " restore the database from a backup"
        )
    return int(rows[0][0])
