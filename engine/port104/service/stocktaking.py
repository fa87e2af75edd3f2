"""What is logged of the instances in store: at the start, while the service runs, and at its end."""

import structlog
import trio

from port104.native import SpoolCounts
from port104.storage.folder import others_may_write
from port104.storage.store import InstanceStore

log = structlog.get_logger("port104.service")


def report_recovery(store: InstanceStore) -> None:
    """Log what the start found in the folder of part files."""
    counts = store.counts()
    parts = str(store.root / "parts")
    if counts.recovered:
        log.info("finished instances whose storing was interrupted", instances=counts.recovered)
    if counts.restored:
        log.info("wrote instances anew that were not yet synced by themselves", instances=counts.restored)
    if counts.torn:
        log.warning(
            "files that a power cut had torn before they were acknowledged are set aside",
            files=counts.torn,
            folder=parts,
            hint="their senders were told of no success; delete *.torn once nobody needs them",
        )
    if counts.left:
        log.error(
            "whole instances could not be given their names",
            instances=counts.left,
            folder=parts,
            hint="check the disk and what stands in instances/; the next start tries again",
        )


async def report_contents(store: InstanceStore) -> None:
    """Log how many instances there are. Nothing depends on it, so a failure must end nothing."""
    try:
        if await trio.to_thread.run_sync(others_may_write, store.root):
            hint = f"chmod o-w {store.root}"
            log.warning("storage folder may be changed by every user", folder=str(store.root), hint=hint)
        count = await store.count_instances()
    except OSError as failure:
        log.warning("stored instances cannot be counted", folder=str(store.root), reason=failure.strerror)
    else:
        log.info("storage folder opened", folder=str(store.root), instances=count)


def report_end(counts: SpoolCounts) -> None:
    """Log what came of the run; with synced instances, how many of them shared a barrier."""
    shared = {"barriers": counts.barriers, "barrier_files": counts.barrier_files} if counts.barriers else {}
    log.info("stopped", stored=counts.stored, **shared)
