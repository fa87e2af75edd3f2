"""The way of one instance: received by whom and when; its group; jobs that worked on it; their results."""

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.looking.groups import Group, group
from port104.jobs.ledger.looking.instances import Instance, WantedInstances, instances
from port104.jobs.ledger.looking.jobs import JobDetail, detail_of, jobs_of_groups
from port104.jobs.ledger.looking.pages import Page

# One SOP Instance UID may come to several AE titles, and with other bytes again and again.
_MOST_COPIES = 100
_MOST_GROUPS = 100


class InstanceWay(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An instance, and what became of it. `jobs`: that worked on it, in the order in which they were made."""

    instance: Instance
    group: Group | None
    jobs: list[JobDetail]


def ways(session: Session, sop_instance_uid: str) -> list[InstanceWay]:
    """Read the ways of all that came under a SOP Instance UID, the latest first, a hundred at the most."""
    wanted = WantedInstances(sop_instance_uid=sop_instance_uid)
    return [_way(session, each) for each in instances(session, wanted, Page(_MOST_COPIES)).items]


def _way(session: Session, instance: Instance) -> InstanceWay:
    # Groups that follow have the same AE title, tag and value, by which they are found.
    rows = session.run(
        "WITH RECURSIVE chain (id, called, tag, value) AS ("
        " SELECT id, called, tag, value FROM port104_group WHERE id = ?"
        " UNION ALL SELECT g.id, g.called, g.tag, g.value FROM chain c JOIN port104_group g"
        " ON g.called = c.called AND g.tag = c.tag AND g.value = c.value AND g.follows = c.id"
        " AND g.with_all = 1) SELECT id FROM chain LIMIT ?",
        instance.group,
        _MOST_GROUPS,
    )
    groups = [row[0] for row in rows] or [instance.group]
    return InstanceWay(
        instance=instance,
        group=group(session, instance.group),
        jobs=[detail_of(session, each) for each in jobs_of_groups(session, groups)],
    )
