"""Which database the ledger is in."""

from pathlib import Path

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
    database: Database
    if url is None:
        database = SqliteDatabase(folder / FILE_NAME, SCHEMA, journal="WAL")
    else:
        database = open_postgres(url, SCHEMA)
    return Ledger(database, node)
