"""Reports of storage commitment that were promised to peers: written down until they are made.

Rules that this room keeps:
- a promise is kept by the engine that made it, for the instances are in its storage folder;
- asked again under the same Transaction UID, a peer has one promise, of what it asked last;
- there are no more than some, in all and of one peer.
"""

from typing import NamedTuple

import msgspec

from port104.database.session import Database, Session
from port104.wire.commitment import CommitmentRequest


class Promise(msgspec.Struct, frozen=True):
    """A report that a peer is owed. `attempt`: how many failed; `waited`: seconds since it was asked for."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    request: CommitmentRequest
    attempt: int = 0
    waited: float = 0.0


class Room(NamedTuple):
    """How many promises there may be: in all, and to one calling AE title."""

    most: int
    of_one: int


class Commitments:
    """The promises of one engine. As a Ledger is: every call may wait, and raises DatabaseError."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def promise(self, promise: Promise, room: Room, seconds: float) -> bool:
        """Write a promise down, to be kept in so many seconds; False: there is no room for it."""
        with self._database.changing() as session:
            return _promise(session, self._node, promise, room, seconds)

    def take(self, most: int, seconds: float) -> list[Promise]:
        """The promises to be kept now, the longest due first; they are due again in so many seconds."""
        with self._database.changing() as session:
            return _take(session, self._node, most, seconds)

    def seconds_until_due(self) -> float | None:
        """How long until there is a promise to keep; None: there is none."""
        with self._database.reading() as session:
            ((due,),) = session.run("SELECT MIN(due) FROM port104_commitment WHERE node = ?", self._node)
            return None if due is None else max(0.0, due - session.now())

    def kept(self, promise: Promise) -> None:
        """Forget a promise: it was kept, or is given up. Not one that was made anew meanwhile."""
        with self._database.changing() as session:
            session.run(
                f"DELETE FROM port104_commitment WHERE {_THIS_ONE}",  # noqa: S608 - our own words
                *self._key(promise),
            )

    def postpone(self, promise: Promise, seconds: float) -> None:
        """Write down that an attempt failed, and that there is another one in so many seconds."""
        with self._database.changing() as session:
            session.run(
                f"UPDATE port104_commitment SET attempt = attempt + 1, due = ? WHERE {_THIS_ONE}",  # noqa: S608
                session.now() + seconds,
                *self._key(promise),
            )

    def _key(self, promise: Promise) -> tuple[str, str, str, str]:
        request = promise.request
        return self._node, promise.calling_ae_title, request.transaction_uid, _text_of(request)


_THIS_ONE = "node = ? AND calling = ? AND transaction_uid = ? AND request = ?"


def _promise(session: Session, node: str, promise: Promise, room: Room, seconds: float) -> bool:
    calling, uid = promise.calling_ae_title, promise.request.transaction_uid
    ((in_all, of_one),) = session.run(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN calling = ? THEN 1 ELSE 0 END), 0) FROM port104_commitment"
        " WHERE node = ? AND NOT (calling = ? AND transaction_uid = ?)",
        *(calling, node, calling, uid),
    )
    if in_all >= room.most or of_one >= room.of_one:
        return False
    now = session.now()
    session.run(
        "INSERT INTO port104_commitment (node, calling, transaction_uid, called, address, request, asked,"
        " attempt, due) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (node, calling, transaction_uid)"
        " DO UPDATE SET called = excluded.called, address = excluded.address, request = excluded.request,"
        " asked = excluded.asked, attempt = 0, due = excluded.due",
        *(node, calling, uid, promise.called_ae_title, promise.address, _text_of(promise.request)),
        *(now, now + seconds),
    )
    return True


def _take(session: Session, node: str, most: int, seconds: float) -> list[Promise]:
    now = session.now()
    rows = session.run(
        "SELECT calling, transaction_uid, called, address, request, attempt, asked FROM port104_commitment"
        " WHERE node = ? AND due <= ? ORDER BY due, calling, transaction_uid LIMIT ?",
        *(node, now, most),
    )
    session.run_many(
        "UPDATE port104_commitment SET due = ? WHERE node = ? AND calling = ? AND transaction_uid = ?",
        [(now + seconds, node, calling, uid) for calling, uid, *_ in rows],
    )
    return [
        Promise(
            calling,
            called,
            address,
            msgspec.json.decode(request, type=CommitmentRequest),
            attempt,
            now - asked,
        )
        for calling, _, called, address, request, attempt, asked in rows
    ]


def _text_of(request: CommitmentRequest) -> str:
    return msgspec.json.encode(request).decode("ascii")
