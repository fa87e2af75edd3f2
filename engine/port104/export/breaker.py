"""Whether a destination is worth an attempt: its circuit breaker. Decides; time and randomness are arguments.

Rules that this room keeps:
- closed, results are sent; what fails in a row for the destination's own sake opens it;
- open, nothing is sent for a while, which is twice as long each time;
- half-open, one C-ECHO asks whether somebody is there; what was delivered after it, not the echo alone, makes
  the next while a short one again: a destination may answer and have no room.
"""

from typing import Literal

from port104.export.policy import ExportPolicy, backed_off

Condition = Literal["closed", "open", "half-open"]


class Breaker:
    """Of one destination. `why` and `until`: for what, and until when, it is left alone; until then."""

    def __init__(self, policy: ExportPolicy) -> None:
        self._policy = policy
        self._strikes = 0
        self._times = 0  # opened since something was delivered
        self._probing = False
        self.why = ""
        self.until: float | None = None

    def condition(self, now: float) -> Condition:
        """As it is now."""
        if self.until is None:
            return "closed"
        return "half-open" if now >= self.until else "open"

    @property
    def is_sound(self) -> bool:
        """Whether nothing has failed since something was delivered."""
        return self._strikes == 0 and self._times == 0

    def may_probe(self, now: float) -> bool:
        """Whether it is time for a C-ECHO, and none is under way."""
        return self.condition(now) == "half-open" and not self._probing

    def probe(self) -> None:
        """A C-ECHO is under way."""
        self._probing = True

    def probed(self) -> None:
        """It was answered: results are tried again, and the next failure ends that."""
        self._probing = False
        self.until = None
        self._strikes = self._policy.strikes - 1

    def answered(self) -> None:
        """The destination has taken, or judged, a result: it is there, and works."""
        self._strikes = self._times = 0
        self.until = None
        self.why = ""

    def strike(self, now: float, why: str, jitter: float, *, hard: bool) -> None:
        """Something failed for the destination's own sake. `hard`: there is no point in another attempt."""
        self._probing = False
        if self.condition(now) == "open":
            return  # another association of the same time, which says nothing new
        self._strikes = self._policy.strikes if hard else self._strikes + 1
        if self._strikes >= self._policy.strikes:
            self._times += 1
            pause = backed_off(self._policy.first_pause, self._policy.longest_pause, self._times, jitter)
            self.why, self.until = why, now + pause
