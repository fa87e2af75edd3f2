"""How long a step of a Job waits for an object store that cannot be used: nobody comes back for it."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from port104.objects.faults import ObjectStoreError

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds between two tries; each time twice as long."""

ResultT = TypeVar("ResultT")


class Patience:
    """Asks again and again; any number of threads may at a time.

    `seconds`: how long one thing is tried, from its first failure on; `say`: is told what is wrong, once.
    """

    def __init__(
        self,
        seconds: float,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._say = say
        self._sleep = sleep
        self._clock = clock
        self._telling = threading.Lock()
        self._told: set[str] = set()

    def do(self, work: Callable[[], ResultT]) -> ResultT:
        """Do it, as often as the store cannot be used. Raises ObjectStoreError once that took too long."""
        pause, deadline = FIRST_PAUSE, None
        while True:
            try:
                return work()
            except ObjectStoreError as fault:
                now = self._clock()
                deadline = now + self._seconds if deadline is None else deadline
                if now >= deadline:
                    raise
                self._tell(fault)
            self._sleep(min(pause, max(0.0, deadline - now)))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _tell(self, fault: ObjectStoreError) -> None:
        with self._telling:
            if str(fault) not in self._told:
                self._told.add(str(fault))
                self._say(f"{fault}; tried again for {self._seconds:g} s")
