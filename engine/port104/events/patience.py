"""How long is waited for a broker, and for one that does not take a message. Decides.

`jitter`: a random number from 0 to 1, so that engines which lost one broker do not all come back at one time.
"""

import math

FIRST_SECONDS, LONGEST_SECONDS = 0.5, 60.0
FIRST_REFUSED_SECONDS, LONGEST_REFUSED_SECONDS = 5.0, 300.0


def pause_of(failures: int, jitter: float) -> float:
    """Seconds until the broker is called again, after it could not be used so many times in a row."""
    return _shortened(min(math.ldexp(FIRST_SECONDS, min(failures - 1, 60)), LONGEST_SECONDS), jitter)


def delay_of(attempt: int, jitter: float) -> float:
    """Seconds until a message is sent again that was not taken, so many times before this one."""
    return _shortened(
        min(math.ldexp(FIRST_REFUSED_SECONDS, min(attempt, 60)), LONGEST_REFUSED_SECONDS), jitter
    )


def _shortened(seconds: float, jitter: float) -> float:
    """Up to a half shorter."""
    return seconds * (1 - jitter / 2)
