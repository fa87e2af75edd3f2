"""The instances that a run works on."""

from typing import Any

import msgspec

from port104.database.session import Session
from port104.objects.held import Held


class Member(msgspec.Struct, frozen=True):
    """An instance of a group. `root`, `host`: the storage folder that it is in, and the machine of that.

    `file`: its path below instances/ there; `received`: Unix time. `held`: in the object store; None: it is
    not there. `place`: which store that is (Place.name); None: it is not known.
    """

    node: str
    root: str
    host: str
    file: str
    received: float
    calling_ae_title: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    held: Held | None = None
    place: str | None = None


def members_of(session: Session, group_id: str) -> list[Member]:
    """The instances of a closed group and, where it is to be worked on with all, of those before it.

    What was replaced by other bytes meanwhile is not among them: those are of a later group.
    """
    rows = session.run(
        "WITH RECURSIVE chain (id, follows, with_all) AS ("
        " SELECT id, follows, with_all FROM port104_group WHERE id = ?"
        " UNION ALL SELECT g.id, g.follows, g.with_all FROM port104_group g JOIN chain c ON g.id = c.follows"
        " WHERE c.with_all = 1)"
        " SELECT i.node, COALESCE(n.root, ''), COALESCE(n.host, ''), i.file, i.received, i.calling,"
        " i.sop_class, i.sop_instance, i.study, i.series, COALESCE(o.place, n.place), o.key, o.size,"
        " o.digest, o.etag FROM chain c"
        " JOIN port104_instance i ON i.group_id = c.id LEFT JOIN port104_node n ON n.node = i.node"
        " LEFT JOIN port104_object o ON o.node = i.node AND o.written = i.written AND o.file = i.file"
        " AND o.state <> 'waiting'"
        " WHERE i.state = 'kept' ORDER BY i.received, i.node, i.file",
        group_id,
    )
    return [_member(*row) for row in rows]


def _member(*row: Any) -> Member:
    *facts, place, key, size, digest, etag = row
    held = (None, None) if key is None else (Held(key, size, digest, etag), place)
    return Member(*[*facts, *held])
