"""Medians, ratios and spreads of what was measured.

A ratio is the median over the rounds of the ratio within one round: what slows a machine down for a while
slows both sides of a round, and so counts in neither.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Measurement(NamedTuple):
    """One trial in one round."""

    run: str
    place: str
    cell: str
    receiver: str
    round: int
    figures: dict[str, float]


class Failure(NamedTuple):
    """A trial that gave no figures. It is not tried again."""

    run: str
    place: str
    cell: str
    receiver: str
    round: int
    reason: str


class Key(NamedTuple):
    """What a figure is of: which run, on which file system, in which cell, of whom."""

    run: str
    place: str
    cell: str
    receiver: str


class Table:
    """The measurements, to be looked up."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._rounds: dict[Key, dict[int, dict[str, float]]] = {}
        for one in measurements:
            key = Key(one.run, one.place, one.cell, one.receiver)
            self._rounds.setdefault(key, {})[one.round] = one.figures

    def by_round(self, key: Key, figure: str) -> dict[int, float]:
        """The figure in each round that has it."""
        rounds = self._rounds.get(key, {})
        return {number: figures[figure] for number, figures in rounds.items() if figure in figures}

    def median(self, key: Key, figure: str) -> float | None:
        """Over the rounds; None: not measured."""
        values = self.by_round(key, figure).values()
        return statistics.median(values) if values else None

    def spread(self, key: Key, figure: str) -> tuple[float, float] | None:
        """Least and most."""
        values = self.by_round(key, figure).values()
        return (min(values), max(values)) if values else None

    def ratio(self, ours: Key, theirs: Key, figure: str) -> float | None:
        """Ours by theirs: the median over the rounds that have both."""
        mine, other = self.by_round(ours, figure), self.by_round(theirs, figure)
        ratios = [mine[number] / other[number] for number in mine if other.get(number)]
        return statistics.median(ratios) if ratios else None

    def keys(self, run: str) -> Sequence[Key]:
        """All that were measured in a run, in the order in which they first were."""
        return [key for key in self._rounds if key.run == run]


def distinct(values: Iterable[str]) -> list[str]:
    """Each once, in the order of their first appearance."""
    return list(dict.fromkeys(values))
