"""What became of an export: the results of one run for one destination. Decides.

Rules that this room keeps:
- an export is delivered when every result of it is, and never before: a part that is missing is told of;
- the failure threshold tells a partial delivery from a failed one, and neither from a success.
"""

from typing import Literal

import msgspec

ExportState = Literal["waiting", "failed", "partial", "cancelled", "delivered"]
EXPORT_STATES: tuple[ExportState, ...] = ("waiting", "failed", "partial", "cancelled", "delivered")
"""Of exports; `waiting`: something of it is still to be delivered."""

ResultState = Literal[
    "waiting", "sending", "committing", "delivered", "failed", "cancelled", "kept", "unreadable"
]
"""Of one result for one destination; what is `kept` or `unreadable` is not to be delivered."""


class Tally(msgspec.Struct, frozen=True):
    """How many results an export has, and in how many of them its delivery has ended how."""

    total: int
    delivered: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def waiting(self) -> int:
        """How many are still to be delivered."""
        return self.total - self.delivered - self.failed - self.cancelled


def state_of(tally: Tally, failure_threshold: float) -> ExportState:
    """Decide what state an export is in.

    `failure_threshold`: the share (0 to 1) of its results that may fail before it counts as failed, and not
    as delivered in part (Clara's `failureThreshold`, which there made it a success).
    """
    if tally.waiting:
        return "waiting"
    if tally.delivered == tally.total:
        return "delivered"
    if tally.failed and (not tally.delivered or tally.failed > failure_threshold * tally.total):
        return "failed"
    return "partial" if tally.delivered else "cancelled"
