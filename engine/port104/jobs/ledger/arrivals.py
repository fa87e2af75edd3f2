"""What came is written down, and with it the group that it belongs to.

Rules that this room keeps:
- what is told twice is written once: after a change whose end is unknown, everything is told again. A file
  and when it was written are what one instance is known by;
- an instance and its place in a group are one transaction;
- groups are taken in the order of their names, so that two engines never wait for each other.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from port104.database.session import Session
from port104.jobs.grouping import GroupingRule, Progress, closing_of

# Parameters of one statement; SQLite takes 32,766, older ones 999.
_AT_ONCE = 250

HOLDING = ""
"""The value of a holding group: no instance has an empty one."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Whence an instance came, and where it belongs: the same for those of a series, from one sender.

    `value`: of the tag that it is grouped by; None: it has none. `announced`: how many its group will have,
    as it says; None: it does not say.
    """

    called_ae_title: str
    calling_ae_title: str
    address: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    rule: GroupingRule
    value: str | None
    announced: int | None

    @property
    def group_key(self) -> "GroupKey":
        """What it has in common with the rest of its group."""
        value = HOLDING if self.value is None else self.value
        return GroupKey(self.called_ae_title, self.rule.tag, value)


class GroupKey(NamedTuple):
    """What the instances of one group have in common."""

    called_ae_title: str
    tag: int
    value: str


class Arrival(msgspec.Struct, frozen=True):
    """An instance that was stored.

    `file`: its path below instances/; `written`: when its last byte was, in ns since 1970, as the file system
    says. `replaced`: it took the place of another instance in the same file. `received`: Unix time.
    """

    file: str
    written: int
    replaced: bool
    received: float
    sop_instance_uid: str
    provenance: Provenance


def record(session: Session, node: str, arrivals: Sequence[Arrival], now: float) -> int:
    """Write down what came to `node`; returns how many of the arrivals are instances that were not known."""
    keys: dict[int, GroupKey] = {}  # by provenance: there are few
    together: defaultdict[GroupKey, dict[str, Arrival]] = defaultdict(dict)
    for arrival in arrivals:
        provenance = arrival.provenance
        key = keys.get(id(provenance)) or keys.setdefault(id(provenance), provenance.group_key)
        together[key][arrival.file] = arrival  # of two in one file, the one that stands there
    return sum(_join(session, node, key, list(together[key].values()), now) for key in sorted(together))


def known_of(session: Session, node: str, identities: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
    """Which of the instances (when it was written, file) are written down."""
    known: set[tuple[int, str]] = set()
    for some in _chunks(identities):
        places = ", ".join(["(?, ?)"] * len(some))
        rows = session.run(
            "SELECT written, file FROM port104_instance"  # noqa: S608 - no value stands in it
            f" WHERE node = ? AND (written, file) IN (VALUES {places})",
            node,
            *(part for identity in some for part in identity),
        )
        known.update((written, file) for written, file in rows)
    return known


def written_before(session: Session, node: str, arrival: Arrival) -> int | None:
    """When the instance was written that stands in the same file and has the same value; None: none does."""
    ((written,),) = session.run(
        "SELECT MAX(i.written) FROM port104_group g JOIN port104_instance i ON i.group_id = g.id"
        " WHERE g.called = ? AND g.tag = ? AND g.value = ? AND i.node = ? AND i.file = ?"
        " AND i.state = 'kept'",
        *arrival.provenance.group_key,
        node,
        arrival.file,
    )
    return None if written is None else int(written)


def _join(session: Session, node: str, key: GroupKey, members: Sequence[Arrival], now: float) -> int:
    """Put those instances that are new into their group, which is opened where there is none.

    Returns how many they are. They take others' places.
    """
    rule = members[-1].provenance.rule
    group_id, progress, is_new = _group(session, key, now)
    count = session.run_many(_INSERT, list(_rows(node, members, group_id)))
    if count == 0:
        if is_new:
            session.run("DELETE FROM port104_group WHERE id = ?", group_id)
        return 0
    if is_new:
        _follow(session, key, rule, group_id)
    _note_studies(session, members, group_id)
    _replace(session, node, key, members)
    progress = msgspec.structs.replace(
        progress,
        last=max(progress.last, now),
        instances=progress.instances + count,
        announced=max((*_numbers(members), *_some(progress.announced)), default=None),
    )
    closing = None if key.value == HOLDING else closing_of(rule, progress)
    session.run(
        "UPDATE port104_group SET last = ?, instances = ?, announced = ?, due = ?, reason = ? WHERE id = ?",
        progress.last,
        progress.instances,
        progress.announced,
        closing and closing.at,
        closing and closing.reason,
        group_id,
    )
    return count


_INSERT = (
    "INSERT INTO port104_instance (file, written, received, sop_instance, state, node, called, calling,"
    " address, sop_class, study, series, group_id) VALUES (?, ?, ?, ?, 'kept', ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (node, written, file) DO NOTHING"
)


def _rows(node: str, arrivals: Iterable[Arrival], group_id: str) -> Iterator[tuple[object, ...]]:
    in_common: dict[int, tuple[object, ...]] = {}  # by provenance
    for arrival in arrivals:
        provenance = arrival.provenance
        rest = in_common.get(id(provenance))
        if rest is None:
            rest = in_common[id(provenance)] = _in_common(node, provenance, group_id)
        yield (arrival.file, arrival.written, arrival.received, arrival.sop_instance_uid, *rest)


def _in_common(node: str, provenance: Provenance, group_id: str) -> tuple[object, ...]:
    return (
        node,
        provenance.called_ae_title,
        provenance.calling_ae_title,
        provenance.address,
        provenance.sop_class_uid,
        provenance.study_instance_uid,
        provenance.series_instance_uid,
        group_id,
    )


def _note_studies(session: Session, members: Iterable[Arrival], group_id: str) -> None:
    """Write down which studies there are in a group: by them the instances of a study are found."""
    studies = {each.provenance.study_instance_uid for each in members}
    session.run_many(
        "INSERT INTO port104_study (study, group_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(study, group_id) for study in sorted(studies)],
    )


def _replace(session: Session, node: str, key: GroupKey, members: Sequence[Arrival]) -> None:
    """Write down that instances which stood in the same files were replaced; they had the same value."""
    session.run_many(
        "UPDATE port104_instance SET state = 'replaced' WHERE node = ? AND file = ? AND written < ?"
        " AND state = 'kept' AND group_id IN"
        " (SELECT id FROM port104_group WHERE called = ? AND tag = ? AND value = ?)",
        [(node, each.file, each.written, *key) for each in members if each.replaced],
    )


def _group(session: Session, key: GroupKey, now: float) -> tuple[str, Progress, bool]:
    """Find or open the group, and keep others from changing it until the transaction ends.

    Returns its ID, how far it has come, and whether it was opened now.
    """
    new_id = secrets.token_hex(8)
    ((group_id, opened, last, instances, announced),) = session.run(
        "INSERT INTO port104_group (id, called, tag, value, state, opened, last, instances, with_all,"
        " cleaned) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0)"
        " ON CONFLICT (called, tag, value) WHERE state <> 'closed'"
        " DO UPDATE SET state = excluded.state RETURNING id, opened, last, instances, announced",
        new_id,
        *key,
        "holding" if key.value == HOLDING else "open",
        now,
        now,
    )
    return group_id, Progress(opened, last, instances, announced), group_id == new_id


def _follow(session: Session, key: GroupKey, rule: GroupingRule, group_id: str) -> None:
    """Let a group that was opened follow the one of the same value that was closed last."""
    session.run(
        "UPDATE port104_group SET with_all = ?, follows = (SELECT id FROM port104_group WHERE called = ?"
        " AND tag = ? AND value = ? AND state = 'closed' ORDER BY opened DESC LIMIT 1) WHERE id = ?",
        int(rule.late == "all"),
        *key,
        group_id,
    )


def _numbers(members: Iterable[Arrival]) -> Iterator[int]:
    for member in members:
        yield from _some(member.provenance.announced)


def _some(number: int | None) -> tuple[int, ...]:
    return () if number is None else (number,)


def _chunks(identities: Sequence[tuple[int, str]]) -> Iterator[tuple[tuple[int, str], ...]]:
    rest = iter(identities)
    while some := tuple(islice(rest, _AT_ONCE)):
        yield some
