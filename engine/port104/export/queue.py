"""Which destination is sent to next, over how many associations. Decides; time and randomness are arguments.

What waits is in the ledger; here is only what this engine does about it at the moment.

Rules that this room keeps:
- the destination with the fewest associations has the next turn: none is slowed by what waits for others;
- one that is not known to be there is called outside of the number of associations there may be, so that it
  takes no other's place while it hangs; where it answers and there is no room, it waits for some;
- one that has not shown yet that it takes results has one association;
- one that failed is left alone for a while (breaker.py).
"""

import enum
import math
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from port104.export.breaker import Breaker, Condition
from port104.export.policy import ExportPolicy

# Calls to destinations that are not known to be there: each is a socket.
_MOST_CALLS = 64


class Wanted(msgspec.Struct, frozen=True):
    """What a destination could be sent now. `limit`: associations that it may have at one time."""

    count: int
    limit: int


class Turn(msgspec.Struct):
    """An association that is to be opened: to send what waits, or to ask by C-ECHO who is there.

    `counts`: among the associations there may be.
    """

    destination: str
    kind: Literal["send", "probe"]
    counts: bool


class Pause(msgspec.Struct, frozen=True):
    """A destination is left alone until then, on the clock of `now`."""

    why: str
    until: float


class _Trust(enum.IntEnum):
    """What is known of a destination, since it failed last."""

    NONE = 0
    IS_THERE = 1
    WORKS = 2


class _Lane:
    def __init__(self, policy: ExportPolicy) -> None:
        self.breaker = Breaker(policy)
        self.turns: list[Turn] = []
        self.trust = _Trust.NONE
        self.last_turn = -math.inf


class ExportQueue:
    """All destinations. `jitter`: gives a number from 0 to 1, another one each time."""

    def __init__(self, policy: ExportPolicy, jitter: Callable[[], float]) -> None:
        self.policy = policy
        self._jitter = jitter
        self._lanes: dict[str, _Lane] = {}
        self.is_crowded = False
        """Whether some destination waits for an association to end."""

    @property
    def associations(self) -> int:
        """How many there are now, or soon."""
        return sum(turn.counts for lane in self._lanes.values() for turn in lane.turns)

    def turns(self, wanted: Mapping[str, Wanted], now: float) -> list[Turn]:
        """Decide which associations to open now; each is under way until `ended` is called for it."""
        turns: list[Turn] = []
        self.is_crowded = False
        while (name := self._next(wanted, now)) is not None:
            lane = self._lane(name)
            probe = lane.breaker.may_probe(now)
            if probe:
                lane.breaker.probe()
            turn = Turn(name, "probe" if probe else "send", counts=lane.trust > _Trust.NONE)
            lane.turns.append(turn)
            lane.last_turn = now
            turns.append(turn)
        return turns

    def established(self, turn: Turn) -> bool:
        """The destination has accepted the association. Returns whether there is room for it now."""
        lane = self._lane(turn.destination)
        lane.trust = max(lane.trust, _Trust.IS_THERE)
        if not turn.counts:
            turn.counts = self.associations < self.policy.associations
        return turn.counts

    def ended(self, turn: Turn) -> None:
        """The association is over, however it ended."""
        lane = self._lane(turn.destination)
        lane.turns = [each for each in lane.turns if each is not turn]

    def works(self, destination: str) -> bool:
        """Whether it has taken, or judged, a result, and failed in nothing since."""
        return self._lane(destination).trust is _Trust.WORKS

    def judged(self, destination: str, now: float, *, strike: bool | None, why: str) -> bool:
        """A result was answered, or was not, as verdicts.Verdict says.

        Returns whether it shows that the destination works, which was not known: it may have more turns.
        """
        lane = self._lane(destination)
        if strike:
            self._strike(lane, now, why, hard=False)
        if strike is not False:
            return False
        is_news = lane.trust < _Trust.WORKS
        lane.breaker.answered()
        lane.trust = _Trust.WORKS
        return is_news

    def unreachable(self, destination: str, now: float, why: str) -> None:
        """There was no association, or no answer to a C-ECHO."""
        self._strike(self._lane(destination), now, why, hard=True)

    def probed(self, destination: str) -> None:
        """A C-ECHO was answered."""
        self._lane(destination).breaker.probed()

    def pause_of(self, destination: str, now: float) -> Pause | None:
        """Until when a destination is left alone, and why; None: it is not."""
        lane = self._lanes.get(destination)
        if lane is None or lane.breaker.until is None or lane.breaker.condition(now) == "closed":
            return None
        return Pause(lane.breaker.why, lane.breaker.until)

    def condition_of(self, destination: str, now: float) -> Condition:
        """Whether a destination is sent to."""
        lane = self._lanes.get(destination)
        return "closed" if lane is None else lane.breaker.condition(now)

    def next_probe(self, now: float) -> float:
        """When the next destination may be asked again; infinity: none is left alone."""
        breakers = (lane.breaker for lane in self._lanes.values())
        return min(
            (breaker.until for breaker in breakers if breaker.until is not None and breaker.until > now),
            default=math.inf,
        )

    def _strike(self, lane: _Lane, now: float, why: str, *, hard: bool) -> None:
        lane.breaker.strike(now, why, self._jitter(), hard=hard)
        lane.trust = _Trust.NONE

    def _next(self, wanted: Mapping[str, Wanted], now: float) -> str | None:
        """The destination whose turn it is; None: nobody's."""
        has_room = self.associations < self.policy.associations
        calls = sum(not turn.counts for lane in self._lanes.values() for turn in lane.turns)
        candidates = []
        for name, each in wanted.items():
            lane = self._lane(name)
            if not self._may_have_one(lane, each, now):
                continue
            if lane.trust == _Trust.NONE and calls < _MOST_CALLS:
                return name
            if has_room and lane.trust > _Trust.NONE:
                candidates.append((len(lane.turns), lane.last_turn, name))
            elif lane.trust > _Trust.NONE:
                self.is_crowded = True
        return min(candidates)[-1] if candidates else None

    def _may_have_one(self, lane: _Lane, wanted: Wanted, now: float) -> bool:
        if lane.breaker.condition(now) != "closed":
            return wanted.count > 0 and not lane.turns and lane.breaker.may_probe(now)
        limit = min(wanted.limit, math.ceil(wanted.count / self.policy.batch))
        return len(lane.turns) < (limit if lane.trust == _Trust.WORKS else min(1, limit))

    def _lane(self, name: str) -> _Lane:
        if name not in self._lanes:
            self._lanes[name] = _Lane(self.policy)
        return self._lanes[name]
