"""`logDimseDatasets`: logs the elements of stored data sets, patient data included.

Reading files would hold up the event loop, so a worker thread does; when it cannot keep up, data sets are
left out of the log, and their number is logged instead.
"""

from collections.abc import Iterable

import structlog
import trio

from port104.storage.reading import describe
from port104.storage.stored import StoredInstance

log = structlog.get_logger("port104.data_set")

# Stored instances that wait to be read: a burst of one series.
_WAITING = 1000


class DataSetLog:
    """Give `add` all stored instances, and run `run` beside."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[StoredInstance](_WAITING)
        self._left_out = 0

    def add(self, instances: Iterable[StoredInstance]) -> None:
        """Log these instances' data sets soon. Never waits."""
        for instance in instances:
            try:
                self._send.send_nowait(instance)
            except trio.WouldBlock:
                self._left_out += 1

    async def run(self) -> None:
        """Read and log until cancelled."""
        async for instance in self._receive:
            if self._left_out:
                log.warning("data sets not logged: too many at a time", count=self._left_out)
                self._left_out = 0
            await self._log(instance)

    async def _log(self, instance: StoredInstance) -> None:
        try:
            elements = await trio.to_thread.run_sync(describe, instance.path)
        except OSError as failure:
            elements = [f"cannot be read: {failure.strerror}"]
        log.info("data set", called=instance.called_ae_title, elements=elements)
