"""Rows read and written, in SQL that SQLite and PostgreSQL both understand. Call with a transaction begun."""

from port104.database.session import Session
from port104.registry.store.contents import Contents, EntryRow, Row, TokenRow


def read_contents(session: Session, known: int | None) -> Contents | None:
    """Read everything; None where generation `known` still is the newest one."""
    ((generation,),) = session.run("SELECT generation FROM port104_registry")
    if generation == known:
        return None
    entries = session.run("SELECT kind, name, alias, document, revision FROM port104_entry")
    tokens = session.run("SELECT name, scope, digest, created FROM port104_token")
    return Contents(
        generation,
        tuple(EntryRow(*row) for row in entries),
        tuple(TokenRow(*row) for row in tokens),
    )


def write_change(session: Session, known: int, drop: Row | None, put: Row | None) -> bool:
    """Make a change, where generation `known` still is the newest one; False: it is not."""
    generation = known + 1
    # Whoever changes the same row at the same time waits here, and then finds another generation.
    changed = session.run(
        "UPDATE port104_registry SET generation = ? WHERE generation = ? RETURNING generation",
        generation,
        known,
    )
    if not changed:
        return False
    if isinstance(drop, EntryRow):
        session.run("DELETE FROM port104_entry WHERE kind = ? AND name = ?", drop.kind, drop.name)
    elif drop is not None:
        session.run("DELETE FROM port104_token WHERE name = ?", drop.name)
    if isinstance(put, EntryRow):
        session.run(
            "INSERT INTO port104_entry (kind, name, alias, document, revision) VALUES (?, ?, ?, ?, ?)",
            put.kind,
            put.name,
            put.alias,
            put.document,
            generation,
        )
    elif put is not None:
        session.run(
            "INSERT INTO port104_token (name, scope, digest, created) VALUES (?, ?, ?, ?)",
            put.name,
            put.scope,
            put.digest,
            put.created,
        )
    return True
