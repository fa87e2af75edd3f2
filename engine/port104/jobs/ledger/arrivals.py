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

import msgspec

from port104.database.session import Session
from port104.jobs.grouping import GroupingRule, Progress, closing_of

# Parameters of one statement; SQLite takes 32,766, older ones 999.
_AT_ONCE = 500

HOLDING = ""
"""The value of a holding group: no instance has an empty one."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that was stored.

    `file`: its path below instances/; `written`: when its last byte was, in ns since 1970, as the file system
    says. `received`: Unix time.
    `value`: of the tag that it is grouped by; None: it has none. `announced`: how many its group will have,
    as it says; None: it does not say.
    """

    file: str
    written: int
    received: float
    called_ae_title: str
    calling_ae_title: str
    address: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    rule: GroupingRule
    value: str | None
    announced: int | None


def record(session: Session, node: str, arrivals: Sequence[Arrival], now: float) -> int:
    """Write down what came to `node`; returns how many of the arrivals are instances that were not known."""
    known = _known(session, node, [arrival.file for arrival in arrivals])
    newcomers: dict[str, Arrival] = {}
    for arrival in arrivals:
        if known.get(arrival.file) != arrival.written:
            newcomers[arrival.file] = arrival
    for file in newcomers.keys() & known.keys():
        session.run(
            "UPDATE port104_instance SET state = 'replaced' WHERE node = ? AND file = ? AND state = 'kept'",
            node,
            file,
        )
    together: defaultdict[tuple[str, int, str], list[Arrival]] = defaultdict(list)
    for arrival in newcomers.values():
        value = HOLDING if arrival.value is None else arrival.value
        together[arrival.called_ae_title, arrival.rule.tag, value].append(arrival)
    for (called, tag, value), members in sorted(together.items(), key=lambda item: item[0]):
        _join(session, node, (called, tag, value), members, now)
    return len(newcomers)


def _known(session: Session, node: str, files: Sequence[str]) -> dict[str, int]:
    """When the newest instance was written that is known in each of the files."""
    known: dict[str, int] = {}
    for some in _chunks(files):
        rows = session.run(
            f"SELECT file, written FROM port104_instance WHERE node = ?"  # noqa: S608 - no value
            f" AND file IN ({', '.join('?' * len(some))}) ORDER BY written",
            node,
            *some,
        )
        known.update((file, written) for file, written in rows)
    return known


def _join(
    session: Session, node: str, key: tuple[str, int, str], members: Sequence[Arrival], now: float
) -> None:
    """Put new instances into their group, which is opened where there is none."""
    group_id, progress = _group(session, key, members[0].rule, now)
    session.run_many(
        "INSERT INTO port104_instance (node, file, written, received, state, called, calling, address,"
        " sop_class, sop_instance, study, series, group_id)"
        " VALUES (?, ?, ?, ?, 'kept', ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                node,
                each.file,
                each.written,
                each.received,
                each.called_ae_title,
                each.calling_ae_title,
                each.address,
                each.sop_class_uid,
                each.sop_instance_uid,
                each.study_instance_uid,
                each.series_instance_uid,
                group_id,
            )
            for each in members
        ],
    )
    progress = msgspec.structs.replace(
        progress,
        instances=progress.instances + len(members),
        announced=max((*_numbers(members), *_some(progress.announced)), default=None),
    )
    closing = None if key[2] == HOLDING else closing_of(members[-1].rule, progress)
    session.run(
        "UPDATE port104_group SET instances = ?, announced = ?, due = ?, reason = ? WHERE id = ?",
        progress.instances,
        progress.announced,
        closing and closing.at,
        closing and closing.reason,
        group_id,
    )


def _group(
    session: Session, key: tuple[str, int, str], rule: GroupingRule, now: float
) -> tuple[str, Progress]:
    """Find or open the group, and keep others from changing it until the transaction ends."""
    new_id = secrets.token_hex(8)
    ((group_id, opened, last, instances, announced),) = session.run(
        "INSERT INTO port104_group (id, called, tag, value, state, opened, last, instances, with_all,"
        " cleaned) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0)"
        " ON CONFLICT (called, tag, value) WHERE state <> 'closed'"
        " DO UPDATE SET last = CASE WHEN excluded.last > port104_group.last THEN excluded.last"
        " ELSE port104_group.last END RETURNING id, opened, last, instances, announced",
        new_id,
        *key,
        "holding" if key[2] == HOLDING else "open",
        now,
        now,
    )
    if group_id == new_id:
        session.run(
            "UPDATE port104_group SET with_all = ?, follows = (SELECT id FROM port104_group WHERE called = ?"
            " AND tag = ? AND value = ? AND state = 'closed' ORDER BY opened DESC LIMIT 1) WHERE id = ?",
            int(rule.late == "all"),
            *key,
            new_id,
        )
    return group_id, Progress(opened, last, instances, announced)


def _numbers(members: Iterable[Arrival]) -> Iterator[int]:
    for member in members:
        yield from _some(member.announced)


def _some(number: int | None) -> tuple[int, ...]:
    return () if number is None else (number,)


def _chunks(files: Sequence[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(files)
    while some := tuple(islice(rest, _AT_ONCE)):
        yield some
