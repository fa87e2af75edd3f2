"""Groups: what is together, and whether more is waited for."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.looking.pages import Conditions, Found, Listing, Page, read_page, sought
from port104.jobs.times import iso, iso_or_none

GroupState = Literal["open", "holding", "closed"]
STATES: tuple[GroupState, ...] = ("open", "holding", "closed")


class Group(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Instances that one AE title took and that have one `value` of a tag. Times: ISO 8601, UTC.

    `state`: `open`, more may come; `holding`, its instances have no such value, and nothing closes it;
    `closed`. `opened`, `last`: when its first and its last instance came; `due`: when it is closed if nothing
    more comes; `reason`: why then, or why it was (`complete`, `idle`, `age`). `announced`: how many instances
    there will be, as one of them said. `follows`: the ID of the group of the same value before it; `withAll`:
    jobs work on the instances of that one too.
    """

    id: str
    called_ae_title: str
    tag: str
    value: str
    state: GroupState
    opened: str
    last: str
    due: str | None
    closed: str | None
    reason: str | None
    instances: int
    announced: int | None
    follows: str | None
    with_all: bool


class WantedGroups(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which groups are asked for; None: any."""

    state: GroupState | None = None
    called_ae_title: str | None = None


_LISTING = Listing(
    columns="g.id, g.called, g.tag, g.value, g.state, g.opened, g.last, g.due, g.closed, g.reason,"
    " g.instances, g.announced, g.follows, g.with_all",
    source="port104_group g",
    key=("g.opened", "g.id"),
    kinds=tuple[float, str],
)


def groups(session: Session, wanted: WantedGroups, page: Page) -> Found[Group]:
    """Read a page of groups, the latest first. Raises FaultyPageError."""
    conditions = Conditions()
    conditions.equal("g.state", wanted.state)
    if wanted.state in ("open", "holding"):
        conditions.add("g.state <> 'closed'")  # in the words of an index of those, which are few
    conditions.equal("g.called", wanted.called_ae_title)
    return read_page(session, _LISTING, conditions, page, _group)


def group(session: Session, group_id: str) -> Group | None:
    """Read one group; None: there is none of this ID."""
    rows = session.run(
        f"SELECT {_LISTING.columns} FROM {_LISTING.source} WHERE g.id = ?",  # noqa: S608 - no value is in it
        sought(group_id),
    )
    return _group(rows[0]) if rows else None


def _group(row: Sequence[Any]) -> Group:
    id_, called, tag, value, state, opened, last, due, closed, reason, count, announced, follows, with_all = (
        row
    )
    return Group(
        id=id_,
        called_ae_title=called,
        tag=f"{tag >> 16:04X},{tag & 0xFFFF:04X}",
        value=value,
        state=state,
        opened=iso(opened),
        last=iso(last),
        due=iso_or_none(due) if state == "open" else None,
        closed=iso_or_none(closed),
        reason=reason,
        instances=count,
        announced=announced,
        follows=follows,
        with_all=bool(with_all),
    )
