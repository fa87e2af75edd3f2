"""Why nothing of an export is sent at the moment: its destination is left alone, or its engine is gone."""

from collections.abc import Mapping

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.gone import GoneEngine, gone_engines
from port104.jobs.times import iso, iso_or_none

# By then an engine that sees the storage folder of one that is gone has sent what is due, or says why not.
_LATE_SECONDS = 60.0


class Pause(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Nothing is sent to a destination, or nothing of an export. Times: ISO 8601, UTC.

    `due`: when it is asked again; null: when somebody has mended it.
    """

    why: str
    since: str
    due: str | None


class Pauses:
    """All of one moment."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._gone = gone_engines(session)
        self._of_destinations = _of_destinations(session, self._gone)

    def of(self, run_id: str, destination: str) -> Pause | None:
        """Of what a run left for a destination, and that is not delivered yet."""
        found = self._of_destinations.get(destination)
        return found if found is not None or not self._gone else self._of_gone(run_id, destination)

    def _of_gone(self, run_id: str, destination: str) -> Pause | None:
        rows = self._session.run(
            "SELECT node FROM port104_result WHERE run_id = ? AND destination = ? AND state = 'waiting'"  # noqa: S608
            f" AND due < ? AND node IN ({', '.join('?' * len(self._gone))}) LIMIT 1",
            *(run_id, destination, self._session.now() - _LATE_SECONDS, *self._gone),
        )
        if not rows:
            return None
        engine = self._gone[rows[0][0]]
        return Pause(why=engine.words, since=iso(engine.heard), due=None)


def _of_destinations(session: Session, gone: Mapping[str, GoneEngine]) -> Mapping[str, Pause]:
    """Of each destination the one that began first: of several engines one may reach it."""
    rows = session.run("SELECT node, destination, why, since, due FROM port104_pause ORDER BY since DESC")
    return {
        destination: Pause(why=why, since=iso(since), due=iso_or_none(due))
        for node, destination, why, since, due in rows
        if node not in gone  # which asks no more
    }
