"""The ledger of one engine: each call is one transaction, or a few."""

from collections.abc import Mapping, Sequence

from port104.database.session import Database
from port104.jobs.ledger.arrivals import Arrival, record
from port104.jobs.ledger.closing import ClosedGroup, close_due, next_due

# Behind the last character of every shelf's files: a shelf is a folder of two letters.
_BEYOND = "\U0010ffff"


class Ledger:
    """What came, what it belongs to, and what came of it.

    Used by one thread at a time; every call may wait for a disk or a network, and raises DatabaseError, whose
    text says what to do. `node`: whose storage folder the files are in that this engine tells of.
    """

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def record(self, arrivals: Sequence[Arrival]) -> int:
        """Write down what came; returns how many of the arrivals were not known before."""
        if not arrivals:
            return 0
        with self._database.changing() as session:
            return record(session, self._node, arrivals, session.now())

    def close_due(self) -> list[ClosedGroup]:
        """Close the groups that nothing more is waited for."""
        return list(close_due(self._database, self._now(), lambda _session, _group: None))

    def seconds_until_due(self) -> float | None:
        """How long until there is something to close, if nothing more comes; None: there is nothing."""
        with self._database.reading() as session:
            due = next_due(session)
            return None if due is None else max(0.0, due - session.now())

    def written_on(self, shelf: str) -> dict[str, int]:
        """File -> when it was written, of the instances in folder `shelf` that are thought to be there."""
        with self._database.reading() as session:
            rows = session.run(
                "SELECT file, written FROM port104_instance WHERE node = ? AND file > ? AND file < ?"
                " AND state = 'kept'",
                self._node,
                f"{shelf}/",
                f"{shelf}/{_BEYOND}",
            )
        return dict(rows)

    def rewritten(self, times: Mapping[str, tuple[int, int]]) -> None:
        """Let instances be known by another time of writing: file -> the time before, and the time now."""
        if not times:
            return
        with self._database.changing() as session:
            session.run_many(
                "UPDATE port104_instance SET written = ? WHERE node = ? AND file = ? AND written = ?",
                [(now, self._node, file, before) for file, (before, now) in times.items()],
            )

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _now(self) -> float:
        with self._database.reading() as session:
            return session.now()
