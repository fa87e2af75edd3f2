"""How many associations there may be at once, and whether any more at all."""

from port104.wire.negotiation import Rejection


class Gate:
    """Counts associations; refuses transiently, so that the peer tries again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._closing = False
        self.associations = 0

    def enter(self) -> Rejection | None:
        """Count one more association, or return the rejection that it must get."""
        if self._closing:
            return Rejection.TEMPORARY_CONGESTION
        if self.associations >= self._limit:
            return Rejection.LOCAL_LIMIT_EXCEEDED
        self.associations += 1
        return None

    def leave(self) -> None:
        """An association that had entered is over."""
        self.associations -= 1

    def close(self) -> None:
        """Let no further association in."""
        self._closing = True
