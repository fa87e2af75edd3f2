"""How the object store is: what waits for it, and what came of it since the start."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from port104.database.faults import DatabaseError
from port104.dispatch.lookout import Lookout
from port104.jobs.ledger.looking.objects import object_backlog
from port104.service.object_store import ObjectStorage


class ObjectStoreHealth(msgspec.Struct, frozen=True, rename="camel"):
    """How instances get into the object store.

    `fault`: why it cannot be used at the moment; instances are stored and wait then. `waiting`: how many do,
    the first for so many seconds (`waitingSeconds`); null: the ledger cannot be asked, or none waits.
    `elsewhere`: how many are in an earlier store alone; null: as above. Since the start it took so many
    (`stored`) with so many bytes; `failed`: so many attempts did; all of them took `attemptSeconds` together.
    """

    fault: str | None
    waiting: int | None
    waiting_seconds: float | None
    stored: int
    stored_bytes: int
    failed: int
    elsewhere: int | None = None
    attempt_seconds: float = 0.0


ReadObjectStore = Callable[[], Awaitable[ObjectStoreHealth | None]]
"""Gives it; None: there is no store. Raises nothing."""


def object_store_health_of(
    storage: ObjectStorage | None, lookout: Lookout, clock: Callable[[], float] = time.time
) -> ReadObjectStore:
    """What reads it. `storage`: None: there is no store."""

    async def read() -> ObjectStoreHealth | None:
        if storage is None:
            return None
        uploader = storage.uploader
        figures, waiting, seconds, elsewhere = uploader.figures, None, None, None
        try:
            backlog = await lookout.ask(partial(object_backlog, node=uploader.node))
        except DatabaseError:
            pass  # the ledger's own health says so
        else:
            waiting, elsewhere = backlog.waiting, backlog.elsewhere
            if backlog.oldest is not None:
                seconds = round(max(0.0, clock() - backlog.oldest), 1)
        return ObjectStoreHealth(
            uploader.fault,
            waiting,
            seconds,
            figures.stored,
            figures.bytes,
            figures.failed,
            elsewhere,
            round(figures.seconds, 3),
        )

    return read
