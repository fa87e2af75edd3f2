"""The registry in PostgreSQL, for several replicas.

Rules that this room keeps:
- a database that does not answer costs a change some seconds and an error, never a wait without end;
- a connection that was lost while nobody used it is made anew unnoticed; one that is lost during a change is
  not, for whether the change was made is then unknown;
- the password in the URL is in no message.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo

from port104.registry.faults import StoreError
from port104.registry.store.address import redacted, without_secrets
from port104.registry.store.contents import Contents, Row
from port104.registry.store.rows import read_contents, write_change
from port104.registry.store.schema import migrate

_CHANNEL = "port104_registry"
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


class PostgresStore:
    """A `contents.EntryStore` in a database that others may change too."""

    def __init__(self, url: str) -> None:
        """Connect, and bring the tables to the newest version. Raises StoreError."""
        self._url = url
        self._where = redacted(url)
        self._connection: psycopg.Connection[Any] | None = None
        with self._transaction("BEGIN") as session:
            session.run("SELECT pg_advisory_xact_lock(?)", _MIGRATION_LOCK)
            migrate(session, where=f"the registry in {self._where}")

    def read(self, known: int | None) -> Contents | None:
        """As the protocol says."""
        with self._transaction(_BEGIN_READING) as session:
            return read_contents(session, known)

    def write(self, known: int, *, drop: Row | None = None, put: Row | None = None) -> bool:
        """As the protocol says; whoever listens is told."""
        with self._transaction("BEGIN") as session:
            done = write_change(session, known, drop, put)
            if done:
                session.run(f"NOTIFY {_CHANNEL}")
        return done

    def listen(self) -> "PostgresListener":
        """As the protocol says, on a connection of its own."""
        with self._translated():
            connection = self._connect()
            try:
                connection.execute(f"LISTEN {_CHANNEL}".encode())
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
    def _transaction(self, begin: str) -> "Iterator[_Session]":
        with self._translated():
            session = _Session(self._ready())
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
            raise StoreError(
                f"registry.url: {self._where} is not a URL that PostgreSQL understands: it must be of the"
                " form postgresql://user:password@host:5432/database"
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

    def translate(self, failure: psycopg.Error) -> StoreError:
        """Say it in our words."""
        reason = without_secrets(str(failure), self._url) or type(failure).__name__
        return StoreError(
            f"the registry in {self._where} cannot be used: {reason}; see that PostgreSQL runs there, and"
            " that registry.url has the right host, user, password and database"
        )


class PostgresListener:
    """A `contents.Listener`."""

    def __init__(self, connection: "psycopg.Connection[Any]", store: PostgresStore) -> None:
        self._connection = connection
        self._store = store

    def fileno(self) -> int:
        """As the protocol says."""
        return self._connection.fileno()

    def drain(self) -> None:
        """As the protocol says; asks the server for an answer, lest a lost connection goes unnoticed."""
        try:
            self._connection.execute("SELECT 1")
            while self._connection.pgconn.notifies() is not None:
                pass  # what was read behind the answer would wake nobody any more
        except psycopg.Error as failure:
            raise self._store.translate(failure) from None

    def close(self) -> None:
        """Hear no more."""
        self._connection.close()


class _Session:
    """A schema.Session."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql.replace("?", "%s").encode(), parameters or None)
        return cursor.fetchall() if cursor.description is not None else []

    def has_table(self, name: str) -> bool:
        ((found,),) = self.run("SELECT to_regclass(?)::text", name)
        return found is not None
