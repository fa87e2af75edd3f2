"""Migrations: forward, all or nothing, and never onto what is newer; in SQLite and PostgreSQL."""

import sqlite3

import msgspec
import pytest

from port104.database.faults import NewerSchemaError
from port104.database.schema import migrate
from port104.database.sqlite import SqliteSession
from port104.registry.store.schema import SCHEMA

MIGRATIONS = SCHEMA.migrations
MORE = (("ALTER TABLE port104_entry ADD COLUMN note TEXT",), ("UPDATE port104_entry SET note = 'new'",))
FAULTY = (("ALTER TABLE port104_entry ADD COLUMN note TEXT", "ALTER TABLE nothing ADD COLUMN x TEXT"),)


class Database:
    """A connection, and how its transactions are begun and ended."""

    def __init__(self, connection, session, error):
        self.connection = connection
        self.session = session(connection)
        self.error = error

    def migrate(self, migrations):
        self.connection.execute("BEGIN")
        try:
            migrate(self.session, msgspec.structs.replace(SCHEMA, migrations=migrations), where="the test")
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def version(self):
        return self.session.run("SELECT version FROM port104_registry")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def database(request):
    if request.param == "sqlite":
        connection, error = sqlite3.connect(":memory:", isolation_level=None), sqlite3.Error
        session = SqliteSession
    else:
        psycopg = pytest.importorskip("psycopg")
        from port104.database.postgres import PostgresSession  # noqa: PLC0415

        url = request.getfixturevalue("postgres").new_url()
        connection, error = psycopg.connect(url, autocommit=True), psycopg.Error
        session = PostgresSession
    yield Database(connection, session, error)
    connection.close()


def test_from_nothing_to_the_newest(database):
    database.migrate(MIGRATIONS)
    assert database.version() == [(len(MIGRATIONS),)]
    assert database.session.run("SELECT generation FROM port104_registry") == [(0,)]
    database.migrate(MIGRATIONS)
    assert database.version() == [(len(MIGRATIONS),)]


def test_from_each_version_to_the_newest(database):
    database.migrate(MIGRATIONS)
    database.session.run(
        "INSERT INTO port104_entry (kind, name, alias, revision, document) VALUES (?, ?, ?, ?, ?)",
        "src",
        "CT1",
        None,
        1,
        "{}",
    )
    database.migrate((*MIGRATIONS, *MORE))
    assert database.version() == [(len(MIGRATIONS) + 2,)]
    assert database.session.run("SELECT name, note FROM port104_entry") == [("CT1", "new")]


def test_all_or_nothing(database):
    database.migrate(MIGRATIONS)
    with pytest.raises(database.error):
        database.migrate((*MIGRATIONS, *FAULTY))
    assert database.version() == [(len(MIGRATIONS),)]
    database.migrate((*MIGRATIONS, *MORE))


def test_never_onto_what_is_newer(database):
    database.migrate((*MIGRATIONS, *MORE))
    with pytest.raises(NewerSchemaError, match="start the later version of port104 that made it"):
        database.migrate(MIGRATIONS)


@pytest.mark.parametrize(
    ("first", "second"),
    [(("src", "A", None), ("src", "A", None)), (("aetitle", "A", "T"), ("aetitle", "B", "T"))],
)
def test_the_tables_themselves_allow_no_duplicates(database, first, second):
    database.migrate(MIGRATIONS)
    insert = "INSERT INTO port104_entry (kind, name, alias, revision, document) VALUES (?, ?, ?, 1, '')"
    database.session.run(insert, *first)
    database.session.run(insert, "dest", "A", None)
    database.session.run(insert, "dest", "B", None)
    with pytest.raises(database.error):
        database.session.run(insert, *second)
