"""How many messages wait for the broker, how long the oldest has, and what the broker waits for."""

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.requests import stranded


class MessageBacklog(msgspec.Struct, frozen=True):
    """Messages that the broker does not have. `seconds`: for which the oldest waits; 0: none does.

    `refused`: how many of them it did not take when they were sent last; `why`: one of them, or why export
    requests wait whose engine is gone.
    `requests`: export requests that are not answered yet.
    """

    waiting: int
    seconds: float
    refused: int
    why: str
    requests: int


def message_backlog(session: Session) -> MessageBacklog:
    """Read it."""
    ((waiting, oldest, refused, why),) = session.run(
        "SELECT COUNT(*), MIN(created), SUM(CASE WHEN why <> '' THEN 1 ELSE 0 END), MAX(why)"
        " FROM port104_message WHERE sent IS NULL"
    )
    ((requests,),) = session.run("SELECT COUNT(*) FROM port104_request WHERE state <> 'ended'")
    why = why or "; ".join(each.words for each in stranded(session))
    seconds = 0.0 if oldest is None else max(0.0, session.now() - oldest)
    return MessageBacklog(waiting, round(seconds, 1), int(refused or 0), why, requests)
