"""Stored instances on their way to the program that receives: one after the other, and none is left out.

Rules that this room keeps:
- the store never waits for the program: what it has not handled yet waits here, as a path and some names;
- who called is known as long as an instance of that association may still be told.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

import msgspec
import trio

from port104.net.contracts import AssociationEnd, AssociationStart
from port104.storage.stored import StoredInstance

# Some megabytes; from here on new associations are to come later, and those that run go on.
MOST_WAITING = 10_000
_SOP_CLASS_UID, _STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID = 0x00080016, 0x0020000D, 0x0020000E


class ReceivedInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that was received: it is on the disk, and its sender was told so.

    `path`: its file (PS3.10), which is the program's to move or delete. `address`: who sent it from where.
    Study, series and SOP class are empty where the data set could not be read so far while it passed.
    `duplicate`: the same bytes were there already; they are kept once.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    calling_ae_title: str
    called_ae_title: str
    address: str
    duplicate: bool


Handler = Callable[[ReceivedInstance], Awaitable[None]]
"""What is done with each instance."""


class Handing:
    """Hands instances to `handler`; a net.Witness, and what a store tells of stored ones."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._waiting: deque[ReceivedInstance] = deque()
        self._starts: dict[int, AssociationStart] = {}
        self._news = trio.Event()
        self._ends = False

    def is_behind(self) -> bool:
        """Whether more waits than should."""
        return len(self._waiting) >= MOST_WAITING

    def established(self, start: AssociationStart) -> None:
        """As the protocol says."""
        self._starts[start.association] = start

    def ended(self, end: AssociationEnd) -> None:
        """As the protocol says."""
        if end.association is not None:
            del self._starts[end.association]

    def stored(self, instances: Collection[StoredInstance]) -> None:
        """Take what was stored. Never waits."""
        self._waiting += [self._received(each) for each in instances]
        self._news.set()

    async def run(self) -> None:
        """Hand over until `end`, and then what is left. Raises what the handler raises."""
        while self._waiting or not self._ends:
            if self._waiting:
                await self._handler(self._waiting.popleft())
            else:
                self._news = trio.Event()
                await self._news.wait()

    def end(self) -> None:
        """Nothing more is stored."""
        self._ends = True
        self._news.set()

    def _received(self, stored: StoredInstance) -> ReceivedInstance:
        start, elements = self._starts[stored.association], stored.elements

        def uid(tag: int) -> str:
            return elements.get(tag, b"").decode("ascii", "replace").strip("\0 ")

        return ReceivedInstance(
            path=stored.path,
            sop_class_uid=uid(_SOP_CLASS_UID),
            sop_instance_uid=stored.sop_instance_uid,
            study_instance_uid=uid(_STUDY_INSTANCE_UID),
            series_instance_uid=uid(_SERIES_INSTANCE_UID),
            calling_ae_title=start.request.calling_ae_title,
            called_ae_title=start.request.called_ae_title,
            address=start.address,
            duplicate=stored.duplicate,
        )
