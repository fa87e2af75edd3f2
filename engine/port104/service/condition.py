"""How far the service is, from its start to its end: what load balancers and people ask."""

import enum
import time
from collections.abc import Callable


class Phase(enum.Enum):
    """Where the service is between its start and its end."""

    STARTING = "Starting"
    RUNNING = "Running"
    DRAINING = "Draining"


class Condition:
    """The phase that holds now, and since when the service is there (seconds of the epoch)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.started = clock()
        self.phase = Phase.STARTING

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return max(0.0, self._clock() - self.started)

    def serves(self) -> None:
        """Associations are accepted, unless it drains already."""
        if self.phase is Phase.STARTING:
            self.phase = Phase.RUNNING

    def drains(self) -> None:
        """No new association is accepted any more."""
        self.phase = Phase.DRAINING
