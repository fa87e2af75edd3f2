"""Another object store than before: what is still in the storage folder is put there, the rest stays known.

Whoever changes objectStore.url wants the instances to be in the new bucket; what left the storage folder is
in the one before alone, and port104 may not have the keys for that any more.
"""

from functools import partial
from pathlib import Path

import structlog
import trio

from port104.dispatch.desk import Desk
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.moving import Standing
from port104.jobs.ledger.objects import BEFORE_ALL, Identity

log = structlog.get_logger("port104.objects")

_AT_ONCE = 2_000


async def move_in(desk: Desk, root: Path, place: str) -> None:
    """See that the ledger speaks of the object store at `place`. `root`: the storage folder."""
    before = await desk.insist(lambda ledger: ledger.moving.place())
    if before is not None and before != place:
        again, left = await _move(desk, root, before)
        log.warning(
            "the object store is another one than before",
            before=before,
            now=place,
            put_again=again,
            left_there=left,
            hint="what is left is not in the storage folder any more: copy it, or set objectStore.url back"
            if left
            else "what is in the storage folder is put into the new one",
        )
    await desk.insist(lambda ledger: ledger.moving.arrive(place))


async def _move(desk: Desk, root: Path, before: str) -> tuple[int, int]:
    """Returns how many instances are to be put into the new store, and how many stay in the one before."""
    again, left, after = 0, 0, BEFORE_ALL
    while some := await desk.insist(partial(_some, after=after)):
        here = await trio.to_thread.run_sync(_those_here, root, some)
        gone = [each.identity for each in some if each.identity not in here]
        await desk.insist(partial(_part, here=[*here], gone=gone, place=before))
        again, left, after = again + len(here), left + len(gone), some[-1].identity
    return again, left


def _those_here(root: Path, instances: list[Standing]) -> set[Identity]:
    """Those whose files are still as they were written. Blocks on the disk."""
    known = (each.identity for each in instances if each.here)
    return {(file, written) for file, written in known if _is_here(root / "instances" / file, written)}


def _is_here(path: Path, written: int) -> bool:
    try:
        return path.stat().st_mtime_ns == written
    except FileNotFoundError:
        return False


def _some(ledger: Ledger, after: Identity) -> list[Standing]:
    return ledger.moving.some(after, _AT_ONCE)


def _part(ledger: Ledger, here: list[Identity], gone: list[Identity], place: str) -> None:
    ledger.moving.part(here, gone, place)
