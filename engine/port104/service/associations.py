"""Which associations there are, and how the last ones ended: what people ask first when images do not come.

Rules that this room keeps:
- while an association runs nothing is written here: its figures are read when somebody asks;
- of ended ones the last are kept, as text, within a number and a size that no peer can exceed; those that
  were refused have a shelf of their own, or who is refused all day would drive out what others brought;
- there is no patient data here: AE titles, addresses, UIDs of SOP classes, counts and words.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec
import trio

from port104.jobs.times import iso
from port104.net.contracts import AssociationEnd, AssociationStart
from port104.wire.pdu import AssociateRQ

State = Literal["running", "ended"]
STATES: tuple[State, ...] = ("running", "ended")

# Of text: an association has at most 128 contexts, whose UIDs a peer may make 64 characters long: 25 KiB.
_MEBIBYTE = 1024 * 1024


class PresentationContext(msgspec.Struct, frozen=True, rename="camel"):
    """A presentation context that was accepted (PS3.8 9.3.3.2)."""

    id: int
    sop_class_uid: str
    transfer_syntax_uid: str


class Figures(msgspec.Struct, frozen=True, rename="camel"):
    """What came of an association. `stored` counts duplicates too; `bytes`: of the stored data sets."""

    stored: int = 0
    duplicates: int = 0
    ignored: int = 0
    refused: int = 0
    failed: int = 0
    echoes: int = 0
    bytes: int = 0


class Association(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One association, or the attempt at one that was refused. Times: ISO 8601, UTC; `duration`: seconds.

    `id`: numbers them from the start of port104 on. `outcome`: how it ended, in the words of the log
    (`released`, `rejected`, `aborted by peer`, ...), `reason` why, `hint` what would mend it; null while it
    runs.
    """

    id: int
    state: State
    calling_ae_title: str
    called_ae_title: str
    address: str
    tls: bool
    user: str | None = None
    contexts: tuple[PresentationContext, ...] = ()
    figures: Figures = Figures()
    start: str
    end: str | None = None
    duration: float
    outcome: str | None = None
    reason: str | None = None
    hint: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which associations are asked for; None: any."""

    state: State | None = None
    calling_ae_title: str | None = None
    called_ae_title: str | None = None
    outcome: str | None = None

    def covers(self, state: State, calling: str, called: str, outcome: str | None) -> bool:
        """Whether an association is among them."""
        return all(
            wanted in (None, found)
            for wanted, found in (
                (self.state, state),
                (self.calling_ae_title, calling),
                (self.called_ae_title, called),
                (self.outcome, outcome),
            )
        )


class _Running(msgspec.Struct, frozen=True):
    id: int
    told: AssociationStart
    at: float
    since: float

    def is_among(self, wanted: Wanted) -> bool:
        request = self.told.request
        return wanted.covers("running", request.calling_ae_title, request.called_ae_title, None)


class _Ended(msgspec.Struct, frozen=True):
    """Without the request, which a peer may have made long. `order`: of the ends."""

    order: int
    id: int
    calling: str
    called: str
    outcome: str
    text: bytes

    def is_among(self, wanted: Wanted) -> bool:
        return wanted.covers("ended", self.calling, self.called, self.outcome)


class Shelf:
    """The last of some associations: at most so many, and of so many bytes in all."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self.ended: deque[_Ended] = deque()

    def put(self, ended: _Ended) -> None:
        """Add one, and forget the oldest for which there is no room any more."""
        self.ended.append(ended)
        self._bytes += len(ended.text)
        while len(self.ended) > self._most or self._bytes > self._most_bytes:
            self._bytes -= len(self.ended.popleft().text)


class AssociationLog:
    """A Witness that remembers. `clock`: seconds of the epoch; `monotonic`: seconds, for durations.

    `established` and `refused`: where ended ones are kept that were, and that never were, established.
    """

    def __init__(
        self,
        *,
        established: Shelf | None = None,
        refused: Shelf | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = trio.current_time,
    ) -> None:
        self._established = established or Shelf(750, 12 * _MEBIBYTE)
        self._refused = refused or Shelf(250, 4 * _MEBIBYTE)
        self._clock = clock
        self._monotonic = monotonic
        self._last_id = 0
        self._ends = 0
        self._running: dict[int, _Running] = {}  # by the number of the intake, in the order of their starts

    # ---- as a Witness ----

    def established(self, start: AssociationStart) -> None:
        """Remember one that runs."""
        self._last_id += 1
        running = _Running(self._last_id, start, self._clock(), self._monotonic())
        self._running[start.association] = running

    def ended(self, end: AssociationEnd) -> None:
        """Remember how one ended; a connection on which nobody asked for one is none."""
        if end.request is None:
            return
        running = self._running.pop(end.association, None) if end.association is not None else None
        if running is None:
            self._last_id += 1
        number = self._last_id if running is None else running.id
        described = self._described_end(number, end, end.request, running)
        text = msgspec.json.encode(described)
        calling, called = described.calling_ae_title, described.called_ae_title
        self._ends += 1
        shelf = self._refused if running is None else self._established
        shelf.put(_Ended(self._ends, number, calling, called, end.outcome, text))

    # ---- what is asked ----

    def select(self, wanted: Wanted, *, limit: int, offset: int) -> tuple[int, list[msgspec.Raw]]:
        """How many there are, and some of them in JSON (Association): the running first, the latest first."""
        found = [each for each in self._all() if each.is_among(wanted)]
        return len(found), [self._written(each) for each in found[offset : offset + limit]]

    def find(self, number: int) -> msgspec.Raw | None:
        """One of them, an Association in JSON; None: there was none, or it is forgotten."""
        return next((self._written(each) for each in self._all() if each.id == number), None)

    def _all(self) -> Iterator[_Running | _Ended]:
        yield from reversed(self._running.values())
        shelves = (reversed(shelf.ended) for shelf in (self._established, self._refused))
        yield from heapq.merge(*shelves, key=lambda ended: -ended.order)

    def _written(self, each: _Running | _Ended) -> msgspec.Raw:
        return msgspec.Raw(
            each.text if isinstance(each, _Ended) else msgspec.json.encode(self._described(each))
        )

    def _described(self, running: _Running) -> Association:
        told = running.told
        return Association(
            id=running.id,
            state="running",
            calling_ae_title=told.request.calling_ae_title,
            called_ae_title=told.request.called_ae_title,
            address=told.address,
            tls=told.tls,
            user=told.user,
            contexts=_contexts(told),
            figures=Figures(**told.figures()),
            start=iso(running.at),
            duration=self._seconds_since(running.since),
        )

    def _described_end(
        self, number: int, end: AssociationEnd, request: AssociateRQ, running: _Running | None
    ) -> Association:
        now = self._clock()
        return Association(
            id=number,
            state="ended",
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            address=end.address,
            tls=end.tls,
            user=running.told.user if running else None,
            contexts=_contexts(running.told) if running else (),
            figures=Figures(**end.figures),
            start=iso(running.at if running else now),
            end=iso(now),
            duration=self._seconds_since(running.since) if running else 0.0,
            outcome=end.outcome,
            reason=end.why or None,
            hint=end.hint or None,
        )

    def _seconds_since(self, since: float) -> float:
        return round(self._monotonic() - since, 3)


def _contexts(start: AssociationStart) -> tuple[PresentationContext, ...]:
    return tuple(
        PresentationContext(number, context.abstract_syntax, context.transfer_syntax)
        for number, context in start.contexts.items()
    )
