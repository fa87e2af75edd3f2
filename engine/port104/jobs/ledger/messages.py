"""Messages for a broker: written in the transaction of what they tell of, and sent until the broker has them.

Rules that this room keeps:
- what a message tells of and the message are one transaction: neither is there without the other;
- a message is written once, for its ID follows from what it tells of, and never changes: sent again, after a
  kill between the broker's word and ours, it is the same, byte for byte;
- it is sent by the engine that holds it, until the time for which that took it is over;
- one that the broker does not take waits alone: those behind it go on.
"""

from collections.abc import Iterable, Sequence

import msgspec

from port104.database.session import Database, Session


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent. `id`, `kind`, `correlation_id`: the properties message-id, type and correlation-id.

    `routing_key`: by which the broker finds its queues; `body`: JSON. `created`: Unix time, 0: not written
    down yet; `attempt`: how many times the broker did not take it.
    """

    id: str
    routing_key: str
    kind: str
    correlation_id: str
    body: str
    created: float = 0.0
    attempt: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """The broker did not take a message: why, and in how many seconds it is sent again."""

    id: str
    why: str
    delay: float


def put(session: Session, message: Message, now: float) -> bool:
    """Write a message down, to be sent; False: it was before, and may be sent already."""
    rows = session.run(
        "INSERT INTO port104_message (id, routing_key, kind, correlation_id, body, created, due, attempt,"
        " why, holder, held_until) VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', '', 0) ON CONFLICT (id) DO NOTHING"
        " RETURNING id",
        *(message.id, message.routing_key, message.kind, message.correlation_id, message.body, now, now),
    )
    return bool(rows)


class Messages:
    """The messages of a ledger, as one engine sends them. As a Ledger is: every call may wait, and raise."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def begin(self) -> None:
        """Let go of what the engine before this one held."""
        with self._database.changing() as session:
            session.run(
                "UPDATE port104_message SET held_until = 0 WHERE sent IS NULL AND holder = ?", self._node
            )

    def take(self, most: int, seconds: float) -> list[Message]:
        """Take what is due, the oldest first, to be sent within so many seconds; `most` at the most."""
        with self._database.changing() as session:
            now = session.now()
            rows = session.run(
                "UPDATE port104_message SET holder = ?, held_until = ? WHERE id IN (SELECT id"
                " FROM port104_message WHERE sent IS NULL AND due <= ? AND held_until <= ?"
                # As often taken at once by two engines; then one finds that the other has it.
                " ORDER BY due, created, id LIMIT ?) AND sent IS NULL AND held_until <= ?"
                " RETURNING id, routing_key, kind, correlation_id, body, created, attempt",
                *(self._node, now + seconds, now, now, most, now),
            )
        taken = (
            Message(
                id=message_id,
                routing_key=routing_key,
                kind=kind,
                correlation_id=correlation_id,
                body=body,
                created=created,
                attempt=attempt,
            )
            for message_id, routing_key, kind, correlation_id, body, created, attempt in rows
        )
        return sorted(taken, key=lambda message: (message.created, message.id))

    def settle(self, sent: Iterable[str], refused: Iterable[Refusal], left: Iterable[str] = ()) -> None:
        """Write down what became of messages that were taken, by their IDs.

        `sent`: the broker has them; their bodies are forgotten. `left`: it could not be asked.
        """
        with self._database.changing() as session:
            now = session.now()
            session.run_many(
                "UPDATE port104_message SET sent = ?, body = '', why = '', held_until = 0 WHERE id = ?",
                [(now, message_id) for message_id in sent],
            )
            session.run_many(
                "UPDATE port104_message SET attempt = attempt + 1, why = ?, due = ?, held_until = 0"
                " WHERE id = ? AND sent IS NULL AND holder = ?",
                [(each.why, now + each.delay, each.id, self._node) for each in refused],
            )
            session.run_many(
                "UPDATE port104_message SET held_until = 0 WHERE id = ? AND sent IS NULL AND holder = ?",
                [(message_id, self._node) for message_id in left],
            )

    def seconds_until_due(self) -> float | None:
        """How long until there is a message to send that nobody holds; None: there is none."""
        with self._database.reading() as session:
            ((due,),) = session.run(
                "SELECT MIN(CASE WHEN due > held_until THEN due ELSE held_until END) FROM port104_message"
                " WHERE sent IS NULL"
            )
            return None if due is None else max(0.0, due - session.now())

    def forget(self, age: float, most: int) -> int:
        """Forget messages that the broker has had for so many seconds; returns how many it was."""
        with self._database.changing() as session:
            rows: Sequence[object] = session.run(
                "DELETE FROM port104_message WHERE id IN (SELECT id FROM port104_message WHERE sent < ?"
                " ORDER BY sent LIMIT ?) RETURNING id",
                session.now() - age,
                most,
            )
            return len(rows)
