"""Which database the ledger is in."""

from pathlib import Path

from port104.database.faults import DatabaseError
from port104.database.opening import open_postgres
from port104.database.session import Database
from port104.database.sqlite import SqliteDatabase
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.tables import SCHEMA

FILE_NAME = "ledger.sqlite3"


def open_ledger(url: str | None, folder: Path, node: str) -> Ledger:
    """Open the ledger in the PostgreSQL database at `url`; None: in an SQLite file in `folder`.

    `node`: the name of the storage folder. Waits for disk or network. Raises DatabaseError;
    ConfigurationError where psycopg is not installed.
    """
    if url is not None:
        return Ledger(open_postgres(url, SCHEMA), node)
    return Ledger(SqliteDatabase(folder / FILE_NAME, SCHEMA, journal="WAL"), node)


def look_into(url: str | None, folder: Path) -> Database:
    """Open the database of a ledger that is there, for who only reads. Raises as `open_ledger`."""
    if url is not None:
        return open_postgres(url, SCHEMA)
    database = SqliteDatabase(folder / FILE_NAME, SCHEMA, journal="WAL", checked=True)
    if not database.exists:
        raise DatabaseError(f"there is no ledger in {folder}: port104 makes one when it starts there")
    return database
