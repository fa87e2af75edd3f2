"""How much of an engine's is still to be put into the object store."""

import msgspec

from port104.database.session import Session


class ObjectBacklog(msgspec.Struct, frozen=True):
    """`waiting`: instances; `oldest`: Unix time at which the first of them was written, None: none waits."""

    waiting: int
    oldest: float | None


def object_backlog(session: Session, node: str) -> ObjectBacklog:
    """Count what waits in the storage folder `node`."""
    ((waiting, oldest),) = session.run(
        "SELECT COUNT(*), MIN(written) FROM port104_object WHERE node = ? AND state = 'waiting'", node
    )
    return ObjectBacklog(int(waiting), None if oldest is None else oldest / 1e9)
