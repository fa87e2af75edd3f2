"""Opening PostgreSQL, whose driver need not be installed."""

from typing import TYPE_CHECKING

from port104.database.schema import Schema
from port104.errors import ConfigurationError

if TYPE_CHECKING:
    from port104.database.postgres import PostgresDatabase


def open_postgres(url: str, schema: Schema) -> "PostgresDatabase":
    """Connect, and bring the tables to the newest version.

    Waits for the network. Raises DatabaseError; ConfigurationError where psycopg is not installed.
    """
    try:
        from port104.database.postgres import PostgresDatabase  # noqa: PLC0415 - only who needs it pays for it
    except ImportError as missing:
        raise ConfigurationError(
            f"{schema.setting} needs psycopg, which cannot be loaded ({missing}):"
            f" pip install 'port104[postgresql]', or leave {schema.setting} out"
        ) from missing
    return PostgresDatabase(url, schema)
