"""An engine whose object store is another one than before: what is said of objects becomes true again.

Rules that this room keeps:
- where objects are is known by the place of their engine, or, of those that stayed elsewhere, by their own;
- an instance whose file is here waits for the new store; one whose file is not stays known where it is;
- the engine's place changes last: what was cut off is begun again, and no file goes before (objects.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

from port104.database.session import Database
from port104.jobs.ledger.objects import BEFORE_ALL, ONE, Identity, StoredInstance, found


class Standing(NamedTuple):
    """An instance that an object store has. `here`: the ledger says that the storage folder has it too."""

    identity: Identity
    here: bool


class Moving:
    """Of one engine. As a Ledger is: every call may wait, and raises DatabaseError."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def place(self) -> str | None:
        """Where its objects are; None: it is not known, or it has none."""
        with self._database.reading() as session:
            rows = session.run("SELECT place FROM port104_node WHERE node = ?", self._node)
        return rows[0][0] if rows else None

    def some(self, after: Identity, most: int) -> list[Standing]:
        """Some of the instances that are in the store of before, in the order of their writing."""
        with self._database.reading() as session:
            rows = session.run(
                "SELECT file, written, state FROM port104_object WHERE node = ? AND (written, file) > (?, ?)"
                " AND (state = 'stored' OR state = 'released' AND place IS NULL)"
                " ORDER BY written, file LIMIT ?",
                *(self._node, after[1], after[0], most),
            )
        return [Standing((file, written), state == "stored") for file, written, state in rows]

    def part(self, here: Sequence[Identity], gone: Sequence[Identity], place: str) -> None:
        """Let those wait whose files are here, and say that those whose files are not are at `place`.

        What others took the place of is forgotten.
        """
        with self._database.changing() as session:
            now = session.now()
            session.run_many(
                "UPDATE port104_object SET state = 'waiting', due = ?, key = NULL, size = NULL,"  # noqa: S608
                f" digest = NULL, etag = NULL WHERE {ONE}",
                [(now, *row) for row in self._keys(here)],
            )
            session.run_many(
                f"UPDATE port104_object SET state = 'released', place = ? WHERE {ONE}",  # noqa: S608
                [(place, *row) for row in self._keys(gone)],
            )
            session.run_many(
                f"DELETE FROM port104_object WHERE {ONE} AND NOT EXISTS (SELECT 1 FROM port104_instance i"  # noqa: S608
                " WHERE i.node = port104_object.node AND i.written = port104_object.written"
                " AND i.file = port104_object.file AND i.state = 'kept')",
                self._keys(gone),
            )

    def arrive(self, place: str) -> None:
        """Write down that its objects are at `place` from now on; what was left there is there again."""
        with self._database.changing() as session:
            session.run(
                "UPDATE port104_object SET key = NULL WHERE node = ? AND state = 'waiting'"
                " AND key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM port104_node n WHERE"
                " n.node = port104_object.node AND (n.place IS NULL OR n.place = ?))",
                *(self._node, place),
            )
            session.run("UPDATE port104_node SET place = ? WHERE node = ?", place, self._node)
            session.run(
                "UPDATE port104_object SET place = NULL WHERE place IS NOT NULL AND node = ? AND place = ?",
                *(self._node, place),
            )

    # ---- what was left elsewhere ----

    def elsewhere(self, after: Identity = BEFORE_ALL, most: int = 500) -> list[StoredInstance]:
        """Some of those that are elsewhere alone, in the order of their writing."""
        with self._database.reading() as session:
            return found(
                session,
                "WHERE o.place IS NOT NULL AND o.node = ? AND (o.written, o.file) > (?, ?)"
                " ORDER BY o.written, o.file LIMIT ?",
                *(self._node, after[1], after[0], most),
            )

    def copied(self, instances: Sequence[Identity]) -> None:
        """Write down that the store of now holds instances too, which somebody copied there."""
        with self._database.changing() as session:
            session.run_many(
                f"UPDATE port104_object SET place = NULL WHERE {ONE}",  # noqa: S608 - no value is in it
                self._keys(instances),
            )

    def _keys(self, instances: Sequence[Identity]) -> list[tuple[str, int, str]]:
        return [(self._node, written, file) for file, written in instances]
