"""Export requests: taken in once each, turned into results that are delivered, and answered when they are.

Rules that this room keeps:
- a request is known by the ID of its message, which is remembered after its end: one that comes again is not
  another one;
- its results and its files' places among them are one transaction, and so are its end and its answer;
- it is begun by the engine in whose storage folder its run is, and ended by whoever sees that all is done;
- one whose engine is gone keeps no other from being taken in, and does not wait for ever.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from port104.database.session import Database, Session
from port104.jobs.ledger.exports import retry_results
from port104.jobs.ledger.gone import GoneEngine, gone_engines
from port104.jobs.ledger.messages import Message, put
from port104.jobs.ledger.results import Result, register

# They keep no other out; more would fill the ledger.
_MOST_STRANDED = 1_000


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one attempt of a run, by their paths below the storage folder, for destinations.

    The IDs are the asking program's: they come back in the answer.
    """

    message_id: str
    workflow_instance_id: str
    export_task_id: str
    correlation_id: str
    run_id: str
    attempt: int
    files: tuple[str, ...]
    destinations: tuple[str, ...]


class Requested(NamedTuple):
    """A file for a destination. `result`: what is delivered; None: nothing is: `why`, in short `status`."""

    path: str
    destination: str
    result: Result | None
    status: int | None = None
    why: str = ""


class Became(NamedTuple):
    """What became of a file for a destination.

    `status`: why it was never a result; None: it was one, whose delivery ended in `state`; None: it is gone.
    """

    path: str
    destination: str
    status: int | None
    state: str | None
    why: str


class Stranded(NamedTuple):
    """So many requests wait for an engine that is gone."""

    engine: GoneEngine
    requests: int

    @property
    def words(self) -> str:
        """Why they wait, and what to do."""
        return f"export requests that wait: {self.requests}; {self.engine.words}"


class Requests:
    """The requests of a ledger, as one engine works on them. As a Ledger is: calls may wait, and raise."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def take_in(self, request: Request) -> bool:
        """Write a request down; False: it was before."""
        with self._database.changing() as session:
            rows = session.run(
                "INSERT INTO port104_request (message_id, node, run_id, document, state, received) VALUES (?,"
                " COALESCE((SELECT node FROM port104_run WHERE id = ?), ?), ?, ?, 'waiting', ?)"
                " ON CONFLICT (message_id) DO NOTHING RETURNING message_id",
                *(request.message_id, request.run_id, self._node, request.run_id),
                *(msgspec.json.encode(request).decode(), session.now()),
            )
        return bool(rows)

    def count_waiting(self) -> int:
        """How many were taken in, by whomever, and not begun; a thousand of engines that are gone less."""
        with self._database.reading() as session:
            ((count,),) = session.run("SELECT COUNT(*) FROM port104_request WHERE state = 'waiting'")
            return int(count) - min(sum(each.requests for each in stranded(session)), _MOST_STRANDED)

    def stranded(self) -> list[Stranded]:
        """As stranded."""
        with self._database.reading() as session:
            return stranded(session)

    def waiting(self, most: int) -> list[Request]:
        """Those that are to be begun here, the oldest first."""
        with self._database.reading() as session:
            rows = session.run(
                "SELECT document FROM port104_request WHERE state = 'waiting' AND node = ?"
                " ORDER BY received, message_id LIMIT ?",
                self._node,
                most,
            )
        return [msgspec.json.decode(document, type=Request) for (document,) in rows]

    def overdue(self, patience: float, most: int) -> list[tuple[Request, GoneEngine]]:
        """Those that have waited for so many seconds for an engine that is gone."""
        with self._database.reading() as session:
            before = session.now() - patience
            return [
                (msgspec.json.decode(document, type=Request), engine)
                for engine in gone_engines(session).values()
                for (document,) in session.run(
                    "SELECT document FROM port104_request WHERE state = 'waiting' AND node = ?"
                    " AND received < ? ORDER BY received, message_id LIMIT ?",
                    *(engine.node, before, most),
                )
            ]

    def begin(self, request: Request, requested: Sequence[Requested], failure_threshold: float) -> bool:
        """Have what can be delivered be delivered; what failed before is sent again, what succeeded not.

        False: another engine has begun it.
        """
        results = [each.result for each in requested if each.result is not None]
        with self._database.changing() as session:
            now = session.now()
            if not session.run(
                "UPDATE port104_request SET state = 'exporting' WHERE message_id = ? AND state = 'waiting'"
                " RETURNING message_id",
                request.message_id,
            ):
                return False
            register(session, self._node, request.run_id, results, now)
            session.run("UPDATE port104_run SET cleaned = 0 WHERE id = ?", request.run_id)
            keys = ((request.run_id, each.file, each.destination) for each in results)
            retry_results(session, keys, failure_threshold, now)
            session.run_many(
                "INSERT INTO port104_requested (message_id, path, destination, file, status, why)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [_row(request, each) for each in requested],
            )
        return True

    def done(self, most: int) -> list[tuple[Request, list[Became]]]:
        """Requests of which nothing is to be delivered any more, and what became of each file."""
        with self._database.reading() as session:
            rows = session.run(
                "SELECT message_id, document FROM port104_request q WHERE q.state = 'exporting'"
                " AND NOT EXISTS (SELECT 1 FROM port104_requested f JOIN port104_result r"
                " ON r.run_id = q.run_id AND r.file = f.file AND r.destination = f.destination"
                " WHERE f.message_id = q.message_id"
                " AND r.state IN ('waiting', 'sending', 'committing')) ORDER BY q.received LIMIT ?",
                most,
            )
            return [
                (msgspec.json.decode(document, type=Request), _became(session, message_id))
                for message_id, document in rows
            ]

    def end(self, request: Request, answer: Message) -> bool:
        """Write the answer to a request, to be sent; False: another engine did."""
        with self._database.changing() as session:
            now = session.now()
            ended = session.run(
                "UPDATE port104_request SET state = 'ended', ended = ?, document = '' WHERE message_id = ?"
                " AND state = 'exporting' RETURNING message_id",
                now,
                request.message_id,
            )
            if ended:
                session.run("DELETE FROM port104_requested WHERE message_id = ?", request.message_id)
                put(session, answer, now)
        return bool(ended)

    def forget(self, age: float, most: int) -> int:
        """Forget requests that ended so many seconds ago; returns how many it was."""
        with self._database.changing() as session:
            rows = session.run(
                "DELETE FROM port104_request WHERE message_id IN (SELECT message_id FROM port104_request"
                " WHERE ended < ? ORDER BY ended LIMIT ?) RETURNING message_id",
                session.now() - age,
                most,
            )
        return len(rows)


def stranded(session: Session) -> list[Stranded]:
    """Which engines that are gone requests wait for."""
    gone = gone_engines(session)
    if not gone:
        return []
    rows = session.run(
        "SELECT node, COUNT(*) FROM port104_request WHERE state = 'waiting' GROUP BY node ORDER BY node"
    )
    return [Stranded(gone[node], count) for node, count in rows if node in gone]


def _row(request: Request, each: Requested) -> tuple[object, ...]:
    file = "" if each.result is None else each.result.file
    return request.message_id, each.path, each.destination, file, each.status, each.why


def _became(session: Session, message_id: str) -> list[Became]:
    rows = session.run(
        "SELECT f.path, f.destination, f.status, r.state, COALESCE(r.why, f.why) FROM port104_requested f"
        " JOIN port104_request q ON q.message_id = f.message_id LEFT JOIN port104_result r"
        " ON r.run_id = q.run_id AND r.file = f.file AND r.destination = f.destination"
        " WHERE f.message_id = ? ORDER BY f.path, f.destination",
        message_id,
    )
    return [Became(*row) for row in rows]
