"""Which instances are in the object store, which are still to be put there, and which are there alone.

    waiting     it is in the storage folder only
    stored      it is in both
    released    it is in the object store only

Rules that this room keeps:
- an instance waits from the transaction on that wrote it down;
- its key is written down before anything is put there, and stays: whatever becomes of the file's time or of
  the engine meanwhile, the same is put there under the same key, and found there when it is to go;
- it is stored once the store holds it, verified; its file goes only then, and is released once it is gone;
- objects go before their rows do: a removal that was cut off is repeated;
- all that is said of objects is said of the store that their engine had then (moving.py).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from port104.database.session import Database, Session
from port104.jobs.ledger.arrivals import Arrival
from port104.objects.held import Held

Identity = tuple[str, int]
"""An instance of this engine: its file below instances/, and when that was written (ns since 1970)."""

BEFORE_ALL: Identity = ("", -1)
SELECTED = "o.file, o.written, o.key, o.size, o.digest, o.etag"
ONE = "node = ? AND written = ? AND file = ?"
# No run waits for the instance or works on it, and its group may not grow any more.
_NOT_NEEDED = (
    "g.state <> 'open' AND NOT EXISTS (SELECT 1 FROM port104_group f JOIN port104_job j ON j.group_id = f.id"
    " JOIN port104_run r ON r.job_id = j.id WHERE f.called = g.called AND f.tag = g.tag AND f.value = g.value"
    " AND r.state IN ('waiting', 'running'))"
)


KeyOf = Callable[[str, str, int], str]
"""Node, file, time of writing -> key, as objects.place.Place.key_of says."""


class Waiting(NamedTuple):
    """An instance that is to be put into the store, and its key there."""

    file: str
    written: int
    key: str

    @property
    def identity(self) -> Identity:
        """What it is known by."""
        return self.file, self.written


class StoredInstance(msgspec.Struct, frozen=True):
    """An instance that is in the object store as `held`."""

    file: str
    written: int
    held: Held

    @property
    def identity(self) -> Identity:
        """What it is known by."""
        return self.file, self.written


class Objects:
    """Of one engine. As a Ledger is: every call may wait, and raises DatabaseError."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    # ---- on the way to the store ----

    def want_some(self, after: Identity = BEFORE_ALL, most: int = 5_000) -> Identity | None:
        """Let instances wait that came before there was a store; returns where to go on, None: all do."""
        with self._database.changing() as session:
            rows = session.run(
                "SELECT file, written, state FROM port104_instance WHERE node = ?"
                " AND (written, file) > (?, ?) ORDER BY written, file LIMIT ?",
                *(self._node, after[1], after[0], most),
            )
            _want(session, self._node, [(file, written) for file, written, state in rows if state == "kept"])
        return (rows[-1][0], rows[-1][1]) if len(rows) == most else None

    def take(self, most: int, key_of: KeyOf) -> list[Waiting]:
        """What is to be put into the store now, what waits longest first; those without a key get one."""
        with self._database.changing() as session:
            rows = session.run(
                "SELECT file, written, key FROM port104_object WHERE node = ? AND state = 'waiting'"
                " AND due <= ? ORDER BY due, written LIMIT ?",
                *(self._node, session.now(), most),
            )
            taken = [
                Waiting(file, written, key or key_of(self._node, file, written))
                for file, written, key in rows
            ]
            session.run_many(
                f"UPDATE port104_object SET key = ? WHERE {ONE} AND key IS NULL",  # noqa: S608 - no value
                [(each.key, self._node, each.written, each.file) for each in taken],
            )
        return taken

    def seconds_until_due(self) -> float | None:
        """How long until there is something to put there; None: nothing waits."""
        with self._database.reading() as session:
            ((due,),) = session.run(
                "SELECT MIN(due) FROM port104_object WHERE node = ? AND state = 'waiting'", self._node
            )
            return None if due is None else max(0.0, due - session.now())

    def stored(self, instances: Sequence[StoredInstance]) -> list[StoredInstance]:
        """Write down that the store holds instances; returns those that went meanwhile: nobody wants them."""
        with self._database.changing() as session:
            return [each for each in instances if not self._store(session, each)]

    def put_off(self, instances: Sequence[Identity], seconds: float) -> None:
        """Let instances wait for so long before they are tried again."""
        with self._database.changing() as session:
            due = session.now() + seconds
            session.run_many(
                f"UPDATE port104_object SET due = ? WHERE {ONE}",  # noqa: S608 - no value is in it
                [(due, *row) for row in self._keys(instances)],
            )

    def unwanted(self, instances: Sequence[Identity]) -> list[Identity]:
        """Those whose place others took, or that were removed."""
        with self._database.reading() as session:
            return [
                (file, written)
                for node, written, file in self._keys(instances)
                if session.run(f"SELECT state FROM port104_instance WHERE {ONE}", node, written, file)  # noqa: S608
                != [("kept",)]
            ]

    def wait_again(self, instances: Sequence[Identity]) -> None:
        """Let instances wait that the store has lost, and that are still in the storage folder."""
        with self._database.changing() as session:
            due = session.now()
            session.run_many(
                f"UPDATE port104_object SET state = 'waiting', due = ? WHERE {ONE}",  # noqa: S608 - as above
                [(due, *row) for row in self._keys(instances)],
            )

    # ---- and out of the storage folder ----

    def releasable(self, place: str, age: float, most: int) -> list[StoredInstance]:
        """Instances whose files are not needed here any more, for they are in the store at `place`.

        `age`: seconds since their group's end.
        """
        with self._database.reading() as session:
            before = session.now() - age
            return found(
                session,
                "JOIN port104_instance i ON i.node = o.node AND i.written = o.written AND i.file = o.file"  # noqa: S608
                f" JOIN port104_group g ON g.id = i.group_id WHERE {_NOT_NEEDED} AND o.node = ?"
                " AND o.state = 'stored' AND o.written <= ? AND COALESCE(g.closed, g.last) <= ?"
                " AND EXISTS (SELECT 1 FROM port104_node n WHERE n.node = o.node AND n.place = ?)"
                " ORDER BY o.written LIMIT ?",
                *(self._node, int(before * 1e9), before, place, most),
            )

    def released(self, instances: Sequence[Identity]) -> None:
        """Write down that the files of instances are gone."""
        with self._database.changing() as session:
            session.run_many(
                f"UPDATE port104_object SET state = 'released' WHERE {ONE}",  # noqa: S608 - as above
                self._keys(instances),
            )

    def replaced(self, most: int) -> list[StoredInstance]:
        """Instances that are in the store, and whose place others took; no run works on them."""
        with self._database.reading() as session:
            return found(
                session,
                "JOIN port104_instance i ON i.node = o.node AND i.written = o.written AND i.file = o.file"
                f" JOIN port104_group g ON g.id = i.group_id WHERE {_NOT_NEEDED} AND o.node = ?"
                " AND o.state = 'stored' AND i.state <> 'kept' ORDER BY o.written LIMIT ?",
                *(self._node, most),
            )

    # ---- and out of the store ----

    def keys_of(self, instances: Sequence[Identity]) -> list[str]:
        """The keys of those that are in the store, or may be."""
        with self._database.reading() as session:
            return [
                key
                for row in self._keys(instances)
                for (key,) in session.run(
                    f"SELECT key FROM port104_object WHERE {ONE} AND key IS NOT NULL",  # noqa: S608 - as above
                    *row,
                )
            ]

    def forget(self, instances: Sequence[Identity]) -> None:
        """Write down nothing of instances any more: they are not in the store, and are not to be."""
        with self._database.changing() as session:
            forget(session, self._node, instances)

    def want_none(self) -> None:
        """Let nothing wait any more: there is no store."""
        with self._database.changing() as session:
            session.run("DELETE FROM port104_object WHERE node = ? AND state = 'waiting'", self._node)

    def classes_of(self, files: Sequence[str]) -> dict[str, str]:
        """The SOP class UIDs of those files whose instances are in the store alone."""
        with self._database.reading() as session:
            return {
                file: sop_class
                for file in files
                for (sop_class,) in session.run(
                    "SELECT i.sop_class FROM port104_object o JOIN port104_instance i ON i.node = o.node"
                    " AND i.written = o.written AND i.file = o.file WHERE o.node = ? AND o.file = ?"
                    " AND o.state = 'released' AND i.state = 'kept' ORDER BY o.written",
                    *(self._node, file),
                )
            }

    def _store(self, session: Session, instance: StoredInstance) -> bool:
        held = instance.held
        return bool(
            session.run(
                "UPDATE port104_object SET state = 'stored', size = ?, digest = ?, etag = ?"  # noqa: S608
                f" WHERE {ONE} AND state = 'waiting' RETURNING file",
                *(held.size, held.digest, held.etag),
                *(self._node, instance.written, instance.file),
            )
        )

    def _keys(self, instances: Iterable[Identity]) -> list[tuple[str, int, str]]:
        return [(self._node, written, file) for file, written in instances]


def found(session: Session, sought: str, *parameters: str | float) -> list[StoredInstance]:
    """Read stored instances. `sought`: what follows the table `o` in SQL, with `?` for the parameters."""
    return [
        StoredInstance(file, written, Held(*held))
        for file, written, *held in session.run(
            f"SELECT {SELECTED} FROM port104_object o {sought}",  # noqa: S608 - our own words
            *parameters,
        )
    ]


def forget(session: Session, node: str, instances: Iterable[Identity]) -> None:
    """As Objects.forget."""
    rows = [(node, written, file) for file, written in instances]
    session.run_many(f"DELETE FROM port104_object WHERE {ONE}", rows)  # noqa: S608 - no value is in it


def want(session: Session, node: str, arrivals: Iterable[Arrival]) -> None:
    """Let what came wait for the store."""
    _want(session, node, [(arrival.file, arrival.written) for arrival in arrivals])


def _want(session: Session, node: str, instances: Sequence[Identity]) -> None:
    session.run_many(
        "INSERT INTO port104_object (node, written, file, state, due) VALUES (?, ?, ?, 'waiting', 0)"
        " ON CONFLICT (node, written, file) DO NOTHING",
        [(node, written, file) for file, written in instances],
    )
