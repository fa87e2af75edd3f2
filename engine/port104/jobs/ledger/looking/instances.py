"""Instances: who sent them and when; also those that others replaced."""

from collections.abc import Sequence
from typing import Any

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.looking.pages import Conditions, Found, Listing, Page, Whole, iso, read_page, sought


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


class WantedInstances(msgspec.Struct, frozen=True, kw_only=True):
    """Which instances are asked for; None: any. `since`: Unix time; `job`: those that it works on."""

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
    key=("i.received", "i.node", "i.file", "i.written"),
    kinds=tuple[float, str, str, Whole],
)
# As members.py has it: the job's group and, where it is worked on with all, those before it.
_OF_JOB = (
    "i.group_id IN (WITH RECURSIVE chain (id, follows, with_all) AS ("
    " SELECT g.id, g.follows, g.with_all FROM port104_group g JOIN port104_job j ON j.group_id = g.id"
    " WHERE j.id = ?"
    " UNION ALL SELECT g.id, g.follows, g.with_all FROM port104_group g JOIN chain c ON g.id = c.follows"
    " WHERE c.with_all = 1) SELECT id FROM chain)"
)


def instances(session: Session, wanted: WantedInstances, page: Page) -> Found[Instance]:
    """Read a page of instances, the latest first. Raises FaultyPageError."""
    conditions = Conditions()
    conditions.equal("i.sop_instance", wanted.sop_instance_uid)
    conditions.equal("i.study", wanted.study_instance_uid)
    conditions.equal("i.called", wanted.called_ae_title)
    conditions.equal("i.group_id", wanted.group)
    if wanted.job is not None:
        conditions.add(_OF_JOB, sought(wanted.job))
    if wanted.since is not None:
        conditions.add("i.received >= ?", wanted.since)
    return read_page(session, _LISTING, conditions, page, _instance)


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
