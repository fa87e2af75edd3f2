"""How much is not delivered, by destination: of exports that are not done, which are few."""

import msgspec

from port104.database.session import Session


class Backlog(msgspec.Struct, frozen=True):
    """Results for a destination that wait, or are being sent; and that failed for good (dead letters)."""

    destination: str
    waiting: int
    dead_letters: int


def backlogs(session: Session) -> list[Backlog]:
    """Read them; a destination of which everything was delivered has none."""
    rows = session.run(
        "SELECT destination, SUM(total - delivered - failed - cancelled), SUM(failed) FROM port104_export"
        " WHERE state <> 'delivered' GROUP BY destination ORDER BY destination"
    )
    return [Backlog(destination, int(waiting), int(failed)) for destination, waiting, failed in rows]
