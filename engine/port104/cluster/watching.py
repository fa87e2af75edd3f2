"""Keeps the mirror of one kind up to date: a list, then one watch after the other, whatever happens to them.

Rules that this room keeps:
- what was heard last is never taken back because the API server is away;
- a watch that ended or broke goes on from the newest version heard; only where that is too old (410) all is
  listed anew;
- whatever goes wrong again and again is tried more and more seldom.
"""

from collections.abc import Callable, Sequence

import trio

from port104.cluster.api_server import ApiServer
from port104.cluster.collection import Collection
from port104.cluster.faults import GONE, ClusterError
from port104.cluster.mirror import Mirror
from port104.cluster.resources import Change

FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 10.0


class Watcher:
    """`changed` is called when the mirror has changed; `told` with each fault, and None when all is well."""

    def __init__(
        self,
        server: ApiServer,
        of: Collection,
        changed: Callable[[], None],
        told: Callable[[str, ClusterError | None], None],
    ) -> None:
        self.mirror = Mirror()
        self._server = server
        self._of = of
        self._changed = changed
        self._told = told

    async def run(self) -> None:
        """List and watch until cancelled."""
        delay = FIRST_RETRY_SECONDS
        while True:
            before, began = self.mirror.version, trio.current_time()
            try:
                await self._follow()
            except ClusterError as fault:
                if fault.status == GONE:
                    self.mirror.lose()
                else:
                    self._told(self._of.plural, fault)
            # A watch that ends at once and has nothing to say is no better than one that fails.
            went_on = self.mirror.version not in (before, None)
            lasted = trio.current_time() - began > LAST_RETRY_SECONDS
            delay = FIRST_RETRY_SECONDS if went_on or lasted else min(2 * delay, LAST_RETRY_SECONDS)
            await trio.sleep(delay)

    async def _follow(self) -> None:
        if self.mirror.version is None:
            resources, version = await self._server.everything(self._of)
            self.mirror.replace(resources, version)
            self._changed()
        assert self.mirror.version is not None  # noqa: S101 - it was listed
        await self._server.watch(self._of, self.mirror.version, self._hear)

    def _hear(self, changes: Sequence[Change]) -> None:
        self._told(self._of.plural, None)
        if self.mirror.hear(changes):
            self._changed()
