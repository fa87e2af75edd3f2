"""How many security alerts one peer may cause: the trail must neither be flooded nor hide that it was.

In each window an address has its first alerts written one by one; those beyond are counted, and told as a
number when the window ends.
"""

from collections import Counter

WINDOW_SECONDS = 60.0
ALERTS_PER_WINDOW = 10
"""A misconfigured modality that tries each few seconds is written out in full; a flood is not."""
MOST_ADDRESSES = 1000
"""Addresses told apart in one window; further ones are counted together."""

OTHER_ADDRESSES = "other addresses"


class AlertLimit:
    """Decides which alerts are written. Times in seconds on any steady clock."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._seen: Counter[str] = Counter()

    def admit(self, address: str, now: float) -> bool:
        """Whether an alert about `address` is written by itself; else it is counted."""
        if self._began is None:
            self._began = now
        if address not in self._seen and len(self._seen) >= MOST_ADDRESSES:
            address = OTHER_ADDRESSES
        self._seen[address] += 1
        return self._seen[address] <= ALERTS_PER_WINDOW

    def due(self, now: float) -> dict[str, int]:
        """Once the window has ended: how many alerts were not written, by address."""
        if self._began is None or now - self._began < WINDOW_SECONDS:
            return {}
        return self.close()

    def close(self) -> dict[str, int]:
        """End the window now; how many alerts were not written in it, by address."""
        left_out = {
            address: number - ALERTS_PER_WINDOW
            for address, number in self._seen.items()
            if number > ALERTS_PER_WINDOW
        }
        self._began = None
        self._seen.clear()
        return left_out
