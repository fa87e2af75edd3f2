"""The same tests on both kinds of database."""

import pytest

from port104.database.sqlite import SqliteDatabase
from port104.jobs.ledger.tables import SCHEMA


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def open_database(request, tmp_path):
    """Opens the same database each time. Two at once are two engines, which only PostgreSQL allows."""
    opened = []
    url = request.getfixturevalue("postgres").new_url() if request.param == "postgresql" else None

    def open_one(schema=SCHEMA):
        if url is None:
            database = SqliteDatabase(tmp_path / "ledger.sqlite3", schema, journal="WAL")
        else:
            from port104.database.postgres import PostgresDatabase  # noqa: PLC0415 - an optional dependency

            database = PostgresDatabase(url, schema)
        opened.append(database)
        return database

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def database(open_database):
    return open_database()
