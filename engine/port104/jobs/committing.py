"""When a report of storage commitment is tried again, and when it is given up. Randomness is an argument."""

import math

import msgspec


class CommitmentPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How promises to report are kept. Times in seconds."""

    grace: float = 1.0
    """From the response to a request to its report: who releases at once is not to be crossed."""
    lease: float = 300.0
    """For one attempt; the check of ten thousand instances among others."""
    first_delay: float = 10.0
    """Before the second attempt; each time twice as long."""
    longest_delay: float = 3600.0
    patience: float = 3 * 86_400.0
    """So long a report waits for a peer that cannot be reached."""
    most: int = 1_000
    """Promises at one time."""
    of_one_peer: int = 100
    """Promises at one time to one calling AE title."""
    at_once: int = 8
    """Reports under way at one time."""

    def next_delay(self, attempt: int, waited: float, jitter: float) -> float | None:
        """How long to wait after one more attempt that failed; None: it is given up.

        `attempt`: how many failed before; `waited`: since it was asked for; `jitter`: from 0 to 1, takes away
        up to a half.
        """
        if waited >= self.patience:
            return None
        delay = min(math.ldexp(self.first_delay, min(attempt, 60)), self.longest_delay)
        return delay * (1 - jitter / 2)
