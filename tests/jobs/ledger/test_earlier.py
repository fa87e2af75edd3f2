"""Ledgers of earlier versions become this one's, with all that is in them; and what a migration may do."""

import re
import sqlite3
from contextlib import closing

import msgspec
import pytest

from earlier.ledgers import VERSIONS, rows_of, script
from port104.database.schema import migrate
from port104.database.sqlite import SqliteSession
from port104.jobs.ledger.tables import SCHEMA

# An engine of an earlier version goes on beside this one: what it writes must still fit, and find its place.
_ADDS = re.compile(
    r"ALTER TABLE \w+ ADD COLUMN \w+ (\w+ )+NOT NULL DEFAULT \S+$|ALTER TABLE \w+ ADD COLUMN \w+ [A-Z ]+$"
    r"|CREATE TABLE |CREATE INDEX |DROP INDEX |INSERT INTO |UPDATE "
)


def of_version(version):
    return msgspec.structs.replace(SCHEMA, migrations=SCHEMA.migrations[:version])


def tables_of(connection):
    """The definitions of all that there is, however they are laid out."""
    made = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in made}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_migration_that_was_made_is_never_changed(version):
    with closing(sqlite3.connect(":memory:")) as then, closing(sqlite3.connect(":memory:")) as now:
        then.executescript(script(version))
        migrate(SqliteSession(now), of_version(version), where="the test")
        assert tables_of(then) == tables_of(now)


@pytest.mark.parametrize("migration", SCHEMA.migrations[1:])
def test_a_migration_takes_nothing_from_those_before(migration):
    made = {name for each in migration for name in re.findall(r"CREATE TABLE (\w+)", each)}
    for statement in migration:
        flat = " ".join(statement.split())
        changed = re.match(r"(?:INSERT INTO|CREATE UNIQUE INDEX \w+ ON) (\w+)", flat)
        assert _ADDS.match(flat) or (changed is not None and changed[1] in made), flat


@pytest.mark.parametrize("version", VERSIONS)
def test_what_an_earlier_version_wrote_is_kept(open_database, version):
    earlier = open_database(of_version(version))
    with earlier.changing() as session:
        session.run("DELETE FROM port104_ledger")
        for statement in rows_of(version):
            session.run(statement)
    earlier.close()
    database = open_database()
    with database.reading() as session:
        assert session.run("SELECT version FROM port104_ledger") == [(len(SCHEMA.migrations),)]
        assert session.run("SELECT value, state, instances FROM port104_group ORDER BY value") == [
            ("1.1", "closed", 2),
            ("1.2", "closed", 2),
            ("1.3", "open", 2),
        ]
        assert session.run("SELECT study FROM port104_study ORDER BY study") == [("1.1",), ("1.2",), ("1.3",)]
        assert session.run("SELECT state, attempt FROM port104_run ORDER BY state") == [
            ("succeeded", 1),
            ("waiting", 1),
        ]
        assert session.run("SELECT state, total, delivered FROM port104_export") == [("waiting", 2, 0)]
        ((results,),) = session.run("SELECT COUNT(*) FROM port104_result WHERE destination = 'PACS'")
        assert results == 2
