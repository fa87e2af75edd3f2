"""Results that destinations were sent and are to commit to: asked under a Transaction UID, until they answer.

Rules that this room keeps:
- a result that is `committing` was stored by its destination, and delivered once that says that it holds it;
- what a destination does not hold, or says nothing of in time, costs the result an attempt: in the first case
  it is sent again, in the second asked about again, until its attempts are used up;
- a report counts for the transaction that it names, and once;
- to ask needs no file: of an engine that is gone others ask.
"""

from collections.abc import Sequence
from typing import NamedTuple

from port104.database.session import Database, Session
from port104.jobs.ledger.exports import Changes
from port104.jobs.ledger.gone import gone_engines
from port104.wire.commitment import CommitmentReport, CommitmentRequest, Reference
from port104.wire.status import words_of

_NOT_ASKED = "storage commitment: "
_SILENT = "stored, but the destination did not say in time that it holds it"


class Terms(NamedTuple):
    """What holds for all destinations.

    `attempts`: of one result, to send it and to ask about it; `delay`: seconds until it is sent again;
    `failure_threshold`: as jobs.exporting.state_of has it.
    """

    attempts: int
    delay: float
    failure_threshold: float


class _Committing(NamedTuple):
    run_id: str
    file: str
    destination: str
    sop_instance: str
    attempt: int
    why: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.run_id, self.file, self.destination


class Transactions:
    """Of one engine. As a Ledger is: every call may wait, and raises DatabaseError."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def due(self) -> list[str]:
        """The destinations that are to be asked now."""
        with self._database.reading() as session:
            nodes = self._nodes(session)
            rows = session.run(
                "SELECT DISTINCT destination FROM port104_result WHERE state = 'committing'"  # noqa: S608
                f" AND {_among(nodes)} AND due <= ?",
                *(*nodes, session.now()),
            )
        return sorted(destination for (destination,) in rows)

    def begin(
        self, destination: str, uid: str, terms: Terms, *, most: int, seconds: float
    ) -> CommitmentRequest | None:
        """Take results that a destination is to be asked about, under `uid`; None: there are none.

        They are due again in so many seconds. Those that it said nothing of, and whose attempts are used up
        by that, have failed.
        """
        with self._database.changing() as session:
            now, nodes = session.now(), self._nodes(session)
            _give_up(session, nodes, destination, terms, now)
            rows = session.run(
                "UPDATE port104_result SET transaction_uid = ?, due = ?,"  # noqa: S608
                " attempt = attempt + CASE WHEN transaction_uid = '' THEN 0 ELSE 1 END"
                " WHERE (run_id, file, destination) IN (SELECT run_id, file, destination FROM port104_result"
                f" WHERE state = 'committing' AND {_among(nodes)} AND destination = ? AND due <= ?"
                " ORDER BY due, run_id, file LIMIT ?)"
                # Of two engines that ask about those of a third one comes first.
                " AND state = 'committing' AND due <= ? RETURNING sop_class, sop_instance",
                *(uid, now + seconds, *nodes, destination, now, most, now),
            )
        references = tuple(sorted({Reference(*row) for row in rows}))
        return CommitmentRequest(uid, references) if references else None

    def unasked(self, uid: str, why: str, seconds: float) -> None:
        """Write down that the destination could not be asked, why, and that it is in so many seconds."""
        with self._database.changing() as session:
            session.run(
                "UPDATE port104_result SET transaction_uid = '', why = ?, due = ?"
                " WHERE state = 'committing' AND transaction_uid = ?",
                *(_NOT_ASKED + why, session.now() + seconds, uid),
            )

    def needless(self, destination: str, terms: Terms) -> None:
        """Write down that a destination commits to nothing, any more: what it has stored is delivered."""
        with self._database.changing() as session:
            settling, nodes = _Settling(session, terms), self._nodes(session)
            for row in _committing(session, f"{_among(nodes)} AND destination = ?", *nodes, destination):
                settling.deliver(row)
            settling.write()

    def reported(self, report: CommitmentReport, terms: Terms) -> int:
        """Take a report; returns how many results its transaction still had: none where nobody asked."""
        held = {each.sop_instance_uid for each in report.held}
        reasons = {each.reference.sop_instance_uid: each.reason for each in report.failed}
        with self._database.changing() as session:
            rows = _committing(session, "transaction_uid = ?", report.transaction_uid)
            settling = _Settling(session, terms)
            for row in rows:
                if row.sop_instance in reasons:
                    reason = reasons[row.sop_instance]
                    why = f"stored, but the destination does not hold it: {reason:04X}: {words_of(reason)}"
                    settling.settle(row, "failed" if row.attempt >= terms.attempts else "waiting", why)
                elif row.sop_instance in held:
                    settling.deliver(row)
            settling.write()
        return len(rows)

    def _nodes(self, session: Session) -> list[str]:
        """Those whose results are asked about here."""
        return [self._node, *(gone_engines(session).keys() - {self._node})]


class _Settling:
    """Ends the commitment of results, and brings the tallies of their exports up to date."""

    def __init__(self, session: Session, terms: Terms) -> None:
        self._session = session
        self._terms = terms
        self._changes = Changes()
        self._now = session.now()

    def deliver(self, row: _Committing) -> None:
        """Write down that a result is held; what was noted when it was stored stays."""
        self.settle(row, "delivered", "" if row.why.startswith(_NOT_ASKED) else row.why)

    def settle(self, row: _Committing, state: str, why: str) -> None:
        """Write down what became of a result."""
        self._session.run(
            "UPDATE port104_result SET state = ?, why = ?, due = ?, ended = ?, transaction_uid = ''"
            " WHERE run_id = ? AND file = ? AND destination = ?",
            state,
            why,
            self._now + self._terms.delay,
            None if state == "waiting" else self._now,
            *row.key,
        )
        self._changes.note(row.key, "committing", state)

    def write(self) -> None:
        """Change the tallies."""
        self._changes.write(self._session, self._terms.failure_threshold, self._now)


def _committing(session: Session, whose: str, *of_whom: str | float) -> list[_Committing]:
    """Results that are to be committed to, kept from others' changes."""
    rows = session.run(
        "UPDATE port104_result SET state = state WHERE state = 'committing'"  # noqa: S608 - our own words
        f" AND {whose} RETURNING run_id, file, destination, sop_instance, attempt, why",
        *of_whom,
    )
    return sorted(_Committing(*row) for row in rows)


def _among(nodes: Sequence[str]) -> str:
    return f"node IN ({', '.join('?' * len(nodes))})"


def _give_up(session: Session, nodes: Sequence[str], destination: str, terms: Terms, now: float) -> None:
    """End the commitment of results whose last question was not answered in time."""
    settling = _Settling(session, terms)
    for row in _committing(
        session,
        f"{_among(nodes)} AND destination = ? AND due <= ? AND transaction_uid <> '' AND attempt >= ?",
        *nodes,
        *(destination, now, terms.attempts),
    ):
        settling.settle(row, "failed", _SILENT)
    settling.write()
