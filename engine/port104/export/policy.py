"""How results are delivered: how often, how long, over how many associations. Times in seconds."""

import math

import msgspec


class ExportPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every destination."""

    attempts: int = 4
    """Of one result, since it was asked for; then it is a dead letter, which somebody may retry."""
    first_delay: float = 10.0
    """Before the second attempt; each time twice as long."""
    longest_delay: float = 3600.0
    patience: float = 7 * 86_400.0
    """So long a result waits for a destination that cannot be reached or has no room."""
    failure_threshold: float = 0.5
    """Share of an export's results that may fail before it counts as failed (jobs/exporting.py)."""
    associations: int = 8
    """At one time, to all destinations."""
    batch: int = 50
    """Results that one association takes at a time; a destination with more may have another association."""
    strikes: int = 3
    """Failures in a row that are the destination's own, after which it is left alone for a while."""
    first_pause: float = 5.0
    """How long then; each time twice as long."""
    longest_pause: float = 300.0
    commitment_timeout: float = 3600.0
    """What a destination has to say what it holds, where it is to."""
    linger: float = 5.0
    """How long an association that has nothing to send is kept open for what may come."""
    lease: float = 60.0
    """How long what an engine takes is its own, unless it says that it is still there."""


def backed_off(first: float, longest: float, times: int, jitter: float) -> float:
    """How long to wait after `times` failures (from 1): twice as long each time.

    `jitter` from 0 to 1 takes away up to a half, so that what failed at once is not tried again at once.
    """
    return min(math.ldexp(first, min(times - 1, 60)), longest) * (1 - jitter / 2)
