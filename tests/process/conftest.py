"""What whole engines wrote."""

import pytest


@pytest.fixture
def rows(settings):
    """Reads of the ledger in PostgreSQL that the test's `settings` name."""
    import psycopg  # noqa: PLC0415 - an optional dependency

    with psycopg.connect(settings["registry"]["url"], autocommit=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()
