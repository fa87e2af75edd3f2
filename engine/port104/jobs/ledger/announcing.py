"""Groups that are open, and how many instances each will have, as somebody else knows.

A group takes the largest number that it was told of. One that is smaller than what is there tells nothing:
who said so may not have everything yet.
"""

import msgspec

from port104.database.session import Session
from port104.jobs.grouping import SERIES_INSTANCE_UID, GroupingRule, Progress, closing_of
from port104.jobs.inquiring import ASKED_ABOUT


class OpenGroup(msgspec.Struct, frozen=True):
    """A group that is open, of a study or a series. `study_instance_uid`: of one of its instances."""

    id: str
    called_ae_title: str
    tag: int
    value: str
    study_instance_uid: str


def open_groups(session: Session) -> list[OpenGroup]:
    """Those that are open, and of which the number of instances can be asked for; the oldest first."""
    rows = session.run(
        "SELECT id, called, tag, value, CASE WHEN tag = ? THEN"
        " (SELECT study FROM port104_instance WHERE group_id = port104_group.id LIMIT 1) ELSE value END"
        " FROM port104_group WHERE state = 'open' AND tag IN (?, ?) ORDER BY opened",
        SERIES_INSTANCE_UID,
        *ASKED_ABOUT,
    )
    return [OpenGroup(group, called, tag, value, study or "") for group, called, tag, value, study in rows]


def announce(session: Session, group_id: str, rule: GroupingRule, number: int) -> bool:
    """Write down how many instances an open group will have; returns whether they are all there."""
    rows = session.run(
        # It is changed to what it was, so that others wait until the transaction ends.
        "UPDATE port104_group SET state = state WHERE id = ? AND state = 'open' AND instances <= ?"
        " RETURNING opened, last, instances, announced",
        group_id,
        number,
    )
    if not rows:
        return False
    opened, last, instances, announced = rows[0]
    progress = Progress(opened, last, instances, max(number, announced or 0))
    closing = closing_of(rule, progress)
    session.run(
        "UPDATE port104_group SET announced = ?, due = ?, reason = ? WHERE id = ?",
        progress.announced,
        closing.at,
        closing.reason,
        group_id,
    )
    return closing.reason == "complete"
