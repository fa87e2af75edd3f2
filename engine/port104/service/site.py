"""Where the engine works: its ledger, its storage folder, and the registry of the moment."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from port104.dispatch.desk import Desk
from port104.registry.entries import Destination
from port104.registry.registry import Registry


class Site(msgspec.Struct, frozen=True):
    """What everything beside the ledger works with. `root`, `node`: the storage folder and its name."""

    desk: Desk
    root: Path
    node: str
    registry: Callable[[], Registry]

    def destinations(self) -> Mapping[str, Destination]:
        """By name, as they are now."""
        return self.registry().destinations
