"""An engine that shares its ledger lets itself be heard of, and takes over from those that are gone.

The rules of it stand in jobs/ledger/nodes.py.
"""

from collections.abc import Callable

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.desk import Desk
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.nodes import TakenRun

log = structlog.get_logger("port104.jobs")

# So many times within its patience an engine is heard of: one lost connection makes no difference.
_BEATS = 6
_LONGEST_SECONDS = 30.0


async def beat(desk: Desk, patience: float | None, taken_over: Callable[[], None]) -> None:
    """Let this engine be heard of, until cancelled. `taken_over`: is told that there are runs to begin.

    `patience`: seconds after which others may take its runs; None: never.
    """
    pause = _LONGEST_SECONDS if patience is None else min(_LONGEST_SECONDS, patience / _BEATS)
    while True:
        try:
            taken = await desk.do(_hear_and_take)
        except DatabaseError:
            taken = []  # the desk has said so
        for each in taken:
            log.warning(
                "run taken over" if each.state == "waiting" else "run of a lost engine cancelled",
                run=each.id,
                name=each.name,
                host=each.host,
                node=each.node,
            )
        if taken:
            taken_over()
        await trio.sleep(pause)


def _hear_and_take(ledger: Ledger) -> list[TakenRun]:
    ledger.hear()
    return ledger.take_over()
