"""What came since the start, in numbers that only grow: what is scraped is made into rates elsewhere.

Rules that this room keeps:
- while an association runs nothing is written here: its figures are read when somebody asks;
- there are few numbers, whatever peers say: outcomes and results of rejections are words of our own.
"""

from collections import Counter

import msgspec

from port104.net.contracts import AssociationEnd, AssociationStart

_PERMANENT = 1  # result of A-ASSOCIATE-RJ (PS3.8 9.3.4)


class Received(msgspec.Struct, frozen=True):
    """What came since the start, on associations that ended and on those that run.

    `figures`: of associations.Figures, by name; `ended`: associations, by outcome; `rejected`: those of them
    that were not let in, by whether they may try again (`transient`) or need not (`permanent`).
    """

    figures: Counter[str]
    ended: Counter[str]
    rejected: Counter[str]


class Reception:
    """A net.contracts.Witness that counts."""

    def __init__(self) -> None:
        self._running: dict[int, AssociationStart] = {}
        self._figures: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()

    def established(self, start: AssociationStart) -> None:
        """Count what comes on it."""
        self._running[start.association] = start

    def ended(self, end: AssociationEnd) -> None:
        """Count it; a connection on which nobody asked for an association is none."""
        if end.request is None:
            return
        if end.association is not None:
            self._running.pop(end.association, None)
        self._figures.update(end.figures)
        self._ended[end.outcome] += 1
        if end.reject is not None:
            self._rejected["permanent" if end.reject.result == _PERMANENT else "transient"] += 1

    def read(self) -> Received:
        """What came so far."""
        figures = self._figures.copy()
        for running in self._running.values():
            figures.update(running.figures())
        return Received(figures, self._ended.copy(), self._rejected.copy())
