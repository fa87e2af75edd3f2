"""The tables of a database, and the way to them from each earlier version.

Rules that this room keeps:
- a migration that was released is never changed: a change of the tables is a further one at the end;
- all that are missing are done in one transaction, which whoever opens the database begins;
- SQL that SQLite and PostgreSQL both understand, with `?` for parameters.
"""

import msgspec

from port104.database.faults import DatabaseError, NewerSchemaError
from port104.database.session import Session


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """What a database is for, and its tables.

    `what`: in messages (the registry). `without`: what one would begin with in place of a damaged one.
    `setting`: the key that holds the URL, where it is PostgreSQL. `versions`: the table whose one row holds
    the version in a column of this name; the first migration makes both. `migrations`: each leads from the
    version that is its position to the next; `{clustered}` stands for what a session says of it.
    """

    what: str
    without: str
    setting: str
    versions: str
    migrations: tuple[tuple[str, ...], ...]


def migrate(session: Session, schema: Schema, *, where: str) -> None:
    """Bring the tables to the newest version.

    `where` says which database, for messages. Raises NewerSchemaError where they are newer than we know.
    """
    newest = len(schema.migrations)
    version = _version(session, schema, where) if session.has_table(schema.versions) else 0
    if version > newest:
        raise NewerSchemaError(
            f"{where} has schema version {version}, and this port104 knows {newest} at the most:"
            " start the later version of port104 that made it, or restore the backup from before"
        )
    for statements in schema.migrations[version:]:
        for statement in statements:
            session.run(statement.replace("{clustered}", session.clustered))
    if version < newest:
        session.run(f"UPDATE {schema.versions} SET version = ?", newest)  # noqa: S608 - our own word


def _version(session: Session, schema: Schema, where: str) -> int:
    rows = session.run(f"SELECT version FROM {schema.versions}")  # noqa: S608 - our own word
    if len(rows) != 1:
        raise DatabaseError(
            f"{where} is not whole: its table {schema.versions} has {len(rows)} rows instead of one;"
            " restore the database from a backup"
        )
    return int(rows[0][0])
