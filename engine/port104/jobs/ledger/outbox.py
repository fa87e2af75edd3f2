"""The results of one ledger on their way: each call is one transaction."""

from collections.abc import Sequence

from port104.database.session import Database
from port104.jobs.ledger import exports
from port104.jobs.ledger.exports import Delivery, Due, Outcome
from port104.jobs.ledger.transactions import Transactions

_MOST_GIVEN_UP = 1_000


class Outbox:
    """What is to be delivered, held by one engine at a time. As a Ledger is: every call may wait, and raise.

    `node`: the storage folder whose engine this is, and the name that it holds results under.
    """

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node
        self.transactions = Transactions(database, node)
        """What destinations are to commit to."""

    def due(self, nodes: Sequence[str], most: int) -> list[tuple[Due, float]]:
        """What waits in the folders of `nodes`, and in how many seconds the first of it is due."""
        with self._database.reading() as session:
            now = session.now()
            return [(each, max(0.0, each.first - now)) for each in exports.due(session, nodes, now, most)]

    def take(self, nodes: Sequence[str], destination: str, most: int, seconds: float) -> list[Delivery]:
        """Take what is due for a destination, to be sent within so many seconds; `most` at the most."""
        with self._database.changing() as session:
            now = session.now()
            return exports.take(session, self._node, nodes, destination, most, now, now + seconds)

    def renew(self, seconds: float) -> None:
        """Go on holding what is held, for so many seconds from now."""
        with self._database.changing() as session:
            exports.renew(session, self._node, session.now() + seconds)

    def settle(self, outcomes: Sequence[Outcome], failure_threshold: float) -> None:
        """As exports.settle."""
        with self._database.changing() as session:
            exports.settle(session, self._node, outcomes, failure_threshold, session.now())

    def begin(self, failure_threshold: float) -> int:
        """Let go of what the engine before this one held; returns how many results it was."""
        with self._database.changing() as session:
            exports.resume(session, self._node, None)
            return exports.free(session, self._node, failure_threshold, session.now())

    def free_abandoned(self, failure_threshold: float) -> int:
        """As exports.free_abandoned."""
        with self._database.reading() as session:  # there is something once in a long while
            if not exports.is_abandoned(session, self._node, session.now()):
                return 0
        with self._database.changing() as session:
            return exports.free_abandoned(session, self._node, failure_threshold, session.now())

    def give_up(self, patience: float, why: str, failure_threshold: float) -> int:
        """End the waiting of what was asked for so many seconds ago; returns how much it was.

        Of very much a part: call it again until it is none.
        """
        with self._database.changing() as session:
            now = session.now()
            return exports.give_up(session, now - patience, why, failure_threshold, now, _MOST_GIVEN_UP)

    def retry(self, export_id: str, failure_threshold: float) -> int | None:
        """As exports.retry."""
        with self._database.changing() as session:
            return exports.retry(session, export_id, failure_threshold, session.now())

    def cancel(self, export_id: str, failure_threshold: float) -> int | None:
        """As exports.cancel."""
        with self._database.changing() as session:
            return exports.cancel(session, export_id, failure_threshold, session.now())

    def pause(self, destination: str, why: str, seconds: float | None) -> None:
        """Write down that nothing is sent to a destination for so many seconds, and why.

        `seconds`: None: until somebody does something.
        """
        with self._database.changing() as session:
            now = session.now()
            due = None if seconds is None else now + seconds
            exports.pause(session, self._node, destination, why, due, now)

    def resume(self, destination: str) -> None:
        """Write down that a destination is sent to again."""
        with self._database.changing() as session:
            exports.resume(session, self._node, destination)

    def other_nodes(self) -> list[tuple[str, str]]:
        """As exports.other_nodes."""
        with self._database.reading() as session:
            return exports.other_nodes(session, self._node)
