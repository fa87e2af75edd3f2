"""Instances: who sent them and when; also those that others replaced.

They are listed in the order of their writing, in which their table is kept (tables.py), folder by folder.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.looking.pages import (
    Conditions,
    Found,
    Listing,
    Page,
    Whole,
    page_of,
    read_page,
    read_rows,
    sought,
)
from port104.jobs.times import iso


class Instance(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An instance that was received. `received`: ISO 8601, UTC.

    `state`: it is kept; other bytes have replaced it; or it was removed, as it was done with. `group`: the ID
    of its group. `file`: its path below instances/ in the storage folder of `node`, which is on `host`.
    """

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    called_ae_title: str
    calling_ae_title: str
    address: str
    received: str
    state: str
    group: str
    node: str
    host: str
    file: str


class WantedInstances(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which instances are asked for; None: any.

    `since`: those that were written at this Unix time or later; `job`: those that it works on.
    """

    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None
    called_ae_title: str | None = None
    group: str | None = None
    job: str | None = None
    since: float | None = None


_LISTING = Listing(
    columns="i.sop_instance, i.sop_class, i.study, i.series, i.called, i.calling, i.address, i.received,"
    " i.state, i.group_id, i.node, COALESCE(n.host, ''), i.file",
    source="port104_instance i LEFT JOIN port104_node n ON n.node = i.node",
    key=("i.written", "i.node", "i.file"),
    kinds=tuple[Whole, str, str],
)
# As members.py has it: the job's group and, where it is worked on with all, those before it.
_OF_JOB = (
    "i.group_id IN (WITH RECURSIVE chain (id, follows, with_all) AS ("
    " SELECT g.id, g.follows, g.with_all FROM port104_group g JOIN port104_job j ON j.group_id = g.id"
    " WHERE j.id = ?"
    " UNION ALL SELECT g.id, g.follows, g.with_all FROM port104_group g JOIN chain c ON g.id = c.follows"
    " WHERE c.with_all = 1) SELECT id FROM chain)"
)
# UIDs are in order inside of each group (tables.py).
_OF_ANY_GROUP = "i.group_id IN (SELECT id FROM port104_group)"
_OF_STUDY = "i.group_id IN (SELECT group_id FROM port104_study WHERE study = ?) AND i.study = ?"
_OF_GROUPS = "i.group_id IN (SELECT id FROM port104_group WHERE called = ?)"
_RARE = 500  # groups; of more, enough instances for a page are among those that came last


def instances(session: Session, wanted: WantedInstances, page: Page) -> Found[Instance]:
    """Read a page of instances, the latest first. Raises FaultyPageError."""
    conditions = Conditions()
    conditions.equal("i.group_id", wanted.group)
    if wanted.study_instance_uid is not None:
        study = sought(wanted.study_instance_uid)
        conditions.add(_OF_STUDY, study, study)
    elif wanted.sop_instance_uid is not None and wanted.group is None:
        conditions.add(_OF_ANY_GROUP)
    conditions.equal("i.sop_instance", wanted.sop_instance_uid)
    if wanted.job is not None:
        conditions.add(_OF_JOB, sought(wanted.job))
    are_few = bool(conditions.clauses)
    conditions.equal("i.called", wanted.called_ae_title)
    if wanted.since is not None:
        conditions.add("i.written >= ?", _nanoseconds(wanted.since))
    if not are_few and wanted.called_ae_title is not None and _is_rare(session, wanted.called_ae_title):
        conditions.add(_OF_GROUPS, sought(wanted.called_ae_title))
        are_few = True
    if are_few:
        return read_page(session, _LISTING, conditions, page, _instance)
    return page_of(_of_each_folder(session, conditions, page), _LISTING, page, _instance)


def _nanoseconds(seconds: float) -> int:
    """As a column can hold them: some 292 years from 1970, either way."""
    return max(-(2**63), min(int(seconds * 1e9), 2**63 - 1))


def _is_rare(session: Session, called_ae_title: str) -> bool:
    """Whether so little came to an AE title that going through all instances would find it late."""
    ((groups,),) = session.run(
        "SELECT COUNT(*) FROM (SELECT 1 FROM port104_group WHERE called = ? LIMIT ?) some_groups",
        sought(called_ae_title),
        _RARE,
    )
    return int(groups) < _RARE


def _of_each_folder(session: Session, conditions: Conditions, page: Page) -> list[tuple[Any, ...]]:
    """Read the rows of a page from each storage folder, and put them together."""
    rows: list[tuple[Any, ...]] = []
    for (node,) in session.run("SELECT node FROM port104_node"):
        there = Conditions()
        there.add("i.node = ?", node)
        there.add(" AND ".join(conditions.clauses) or "1 = 1", *conditions.parameters)
        rows += read_rows(session, _LISTING, there, page)
    return sorted(rows, reverse=True)[: page.limit + 1]


def _instance(row: Sequence[Any]) -> Instance:
    uid, sop_class, study, series, called, calling, address, received, state, group, node, host, file = row
    return Instance(
        sop_instance_uid=uid,
        sop_class_uid=sop_class,
        study_instance_uid=study,
        series_instance_uid=series,
        called_ae_title=called,
        calling_ae_title=calling,
        address=address,
        received=iso(received),
        state=state,
        group=group,
        node=node,
        host=host,
        file=file,
    )
