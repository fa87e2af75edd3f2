"""How much of an engine's is still to be put into the object store."""

import msgspec

from port104.database.session import Session


class ObjectBacklog(msgspec.Struct, frozen=True):
    """`waiting`: instances; `oldest`: Unix time at which the first of them was written, None: none waits.

    `elsewhere`: those that are in an earlier object store alone.
    """

    waiting: int
    oldest: float | None
    elsewhere: int = 0


def object_backlog(session: Session, node: str) -> ObjectBacklog:
    """Count what waits in the storage folder `node`."""
    ((waiting, oldest),) = session.run(
        "SELECT COUNT(*), MIN(written) FROM port104_object WHERE node = ? AND state = 'waiting'", node
    )
    ((elsewhere,),) = session.run(
        "SELECT COUNT(*) FROM port104_object WHERE place IS NOT NULL AND node = ?", node
    )
    return ObjectBacklog(int(waiting), None if oldest is None else oldest / 1e9, int(elsewhere))
