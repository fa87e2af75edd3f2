"""A database in PostgreSQL, for several replicas.

Rules that this room keeps:
- a database that does not answer costs a change some seconds and an error, never a wait without end;
- a connection that was lost while nobody used it is made anew unnoticed; one that is lost during a change is
  not, for whether the change was made is then unknown;
- the password in the URL is in no message.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo

from port104.database.address import redacted, without_secrets
from port104.database.faults import DatabaseError
from port104.database.schema import Schema, migrate

_STATEMENT_MILLISECONDS = 10_000
# What holds unless the URL says otherwise: a machine that is gone is given up after some 20 s.
_DEFAULTS: dict[str, str] = {
    "application_name": "port104",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
# Of all replicas that start at once, one makes the tables. The number is ours: "p104".
_MIGRATION_LOCK = 0x70313034
# A reader sees one moment, though it reads several tables.
_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresDatabase:
    """Tables that others may change too.

    Used by one thread at a time; every call may wait for the network, and raises DatabaseError, whose text
    says what to do.
    """

    def __init__(self, url: str, schema: Schema) -> None:
        """Connect, and bring the tables to the newest version."""
        self._url = url
        self._schema = schema
        self._name = f"{schema.what} in {redacted(url)}"
        self._connection: psycopg.Connection[Any] | None = None
        with self.changing() as session:
            session.run("SELECT pg_advisory_xact_lock(?)", _MIGRATION_LOCK)
            migrate(session, schema, where=self._name)

    @contextmanager
    def reading(self) -> "Iterator[PostgresSession]":
        """A transaction that changes nothing, and sees one moment."""
        with self._transaction(_BEGIN_READING) as session:
            yield session

    @contextmanager
    def changing(self) -> "Iterator[PostgresSession]":
        """A transaction that is committed where the block ends well."""
        with self._transaction("BEGIN") as session:
            yield session

    def listen(self, channel: str) -> "PostgresListener":
        """Hear of what is notified on `channel` from now on, on a connection of its own."""
        with self._translated():
            connection = self._connect()
            try:
                connection.execute(f"LISTEN {channel}".encode())
            except BaseException:
                connection.close()
                raise
        connection.add_notify_handler(lambda _: None)  # else psycopg would keep each of them
        return PostgresListener(connection, self)

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self, begin: str) -> "Iterator[PostgresSession]":
        with self._translated():
            session = PostgresSession(self._ready())
            try:
                session.run(begin)
                yield session
                session.run("COMMIT")
            except BaseException:
                self.close()  # which rolls back, whatever state the connection is in
                raise

    def _ready(self) -> "psycopg.Connection[Any]":
        """A connection that works; the one there is may have been lost since it was last used."""
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                self.close()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> "psycopg.Connection[Any]":
        try:
            parameters = {**_DEFAULTS, **conninfo.conninfo_to_dict(self._url)}
        except psycopg.ProgrammingError:
            # The text may quote the password; nor may it be seen as this one's cause.
            raise DatabaseError(
                f"{self._schema.setting}: {redacted(self._url)} is not a URL that PostgreSQL understands:"
                " it must be of the form postgresql://user:password@host:5432/database"
            ) from None
        connection = psycopg.connect(conninfo.make_conninfo("", **parameters), autocommit=True)
        try:
            connection.execute(f"SET statement_timeout = {_STATEMENT_MILLISECONDS}".encode())
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as failure:
            raise self.translate(failure) from None  # its text may hold the password

    def translate(self, failure: psycopg.Error) -> DatabaseError:
        """Say it in our words."""
        reason = without_secrets(str(failure), self._url) or type(failure).__name__
        return DatabaseError(
            f"{self._name} cannot be used: {reason}; see that PostgreSQL runs there, and"
            f" that {self._schema.setting} has the right host, user, password and database"
        )


class PostgresListener:
    """Hears of what others notify. Its descriptor becomes readable when there is something."""

    def __init__(self, connection: "psycopg.Connection[Any]", database: PostgresDatabase) -> None:
        self._connection = connection
        self._database = database

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._connection.fileno()

    def drain(self) -> None:
        """Take what came. Asks the server for an answer, lest a lost connection goes unnoticed.

        Raises DatabaseError when nothing will come any more. May wait for the database.
        """
        try:
            self._connection.execute("SELECT 1")
            while self._connection.pgconn.notifies() is not None:
                pass  # what was read behind the answer would wake nobody any more
        except psycopg.Error as failure:
            raise self._database.translate(failure) from None

    def close(self) -> None:
        """Hear no more."""
        self._connection.close()


class PostgresSession:
    """A session.Session."""

    clustered = ""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """As the protocol says."""
        cursor = self._connection.execute(sql.replace("?", "%s").encode(), parameters or None)
        return cursor.fetchall() if cursor.description is not None else []

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """As the protocol says."""
        with self._connection.cursor() as cursor:
            cursor.executemany(sql.replace("?", "%s").encode(), rows)
            return max(0, cursor.rowcount)

    def now(self) -> float:
        """As the protocol says: the server's clock."""
        ((seconds,),) = self.run("SELECT extract(epoch FROM clock_timestamp())::double precision")
        return float(seconds)

    def has_table(self, name: str) -> bool:
        """As the protocol says."""
        ((found,),) = self.run("SELECT to_regclass(?)::text", name)
        return found is not None
