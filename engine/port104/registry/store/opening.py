"""Which database it is."""

from pathlib import Path

from port104.registry.store.contents import EntryStore

FILE_NAME = "registry.sqlite3"


def open_entry_store(url: str | None, folder: Path) -> EntryStore:
    """Open the PostgreSQL database at `url`; None: the SQLite file in the storage folder `folder`.

    Waits for disk or network. Raises DatabaseError; ConfigurationError where psycopg is not installed.
    """
    if url is None:
        from port104.registry.store.sqlite import SqliteStore  # noqa: PLC0415 - each pays for its own only

        return SqliteStore(folder / FILE_NAME)
    from port104.registry.store.postgres import PostgresStore  # noqa: PLC0415

    return PostgresStore(url)
