"""How long an established association waits for its peer: silence, pace, and length of a message.

Rules that this room keeps:
- what comes is seen by looks, now and then: nothing is done for a byte or a message that comes in time, so
  these limits cost nothing while instances pass (the native side only counts). A limit is found exceeded at
  the first look after it, which is a quarter of the shortest of them later at most;
- a peer is measured only while it owes the rest of a message, and never while it waits for us.
"""

import math

import msgspec

# Looks in the shortest limit: a peer is given up at most a quarter later than is said.
_LOOKS_PER_LIMIT = 4


class PatienceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, `minimum_rate` in bytes a second.

    `idle`: silence. `message`: from a message's first byte to its last. `minimum_rate` of a message's bytes
    is asked for on the average of each `rate_grace`; 0: of any pace.
    """

    idle: float = math.inf
    message: float = math.inf
    minimum_rate: float = 0.0
    rate_grace: float = math.inf

    @property
    def look_interval(self) -> float:
        """How often to look at a message under way; infinity: no limit asks for it."""
        grace = self.rate_grace if self.minimum_rate else math.inf
        return min(grace, self.message) / _LOOKS_PER_LIMIT


class Sight(msgspec.Struct, frozen=True):
    """What a look finds.

    `received`: bytes since the connection began. `message`: a number for the message whose rest the peer
    owes, another for each; None between messages. `waits_for_us`: the peer has sent what we have not read
    or not answered yet.
    """

    received: int
    message: int | None = None
    waits_for_us: bool = False


class Patience:
    """Judges one peer by looks. Times are on the clock of `now`."""

    def __init__(self, limits: PatienceLimits, now: float) -> None:
        self._limits = limits
        self._interval = limits.look_interval
        self.heard = now
        """When the peer was last known not to be silent."""
        self._looked = now
        self._received = 0
        self._message: int | None = None
        self._begun = now  # when the message was first seen
        self._measured = now  # since when its pace is measured, and the bytes before
        self._measured_from = 0

    def next_look(self) -> float:
        """When `look` is due at the latest."""
        return min(self.heard + self._limits.idle, self._looked + self._interval)

    def hear(self, now: float, received: int) -> None:
        """The peer is not silent; `received` bytes have come so far."""
        self.heard, self._received = now, received

    def note(self, now: float, received: int) -> None:
        """The peer is silent unless more bytes have come than were known of. Judges nothing."""
        if received != self._received:
            self.hear(now, received)

    def look(self, now: float, sight: Sight) -> str:
        """Judge the peer. Returns why it is given up; empty: it is not."""
        self._looked = now
        if sight.waits_for_us:
            self.hear(now, sight.received)
        self.note(now, sight.received)
        if now >= self.heard + self._limits.idle:
            return "the peer was silent for too long"
        if sight.message is None or sight.message != self._message:
            self._message, self._begun = sight.message, now
            self._measure(now, sight)
            return ""
        if now - self._begun >= self._limits.message:
            return f"the peer did not end a message within {self._limits.message:g} s"
        return self._judge_pace(now, sight)

    def _measure(self, now: float, sight: Sight) -> None:
        self._measured, self._measured_from = now, sight.received

    def _judge_pace(self, now: float, sight: Sight) -> str:
        passed = now - self._measured
        came = sight.received - self._measured_from
        if not sight.waits_for_us:
            if passed < self._limits.rate_grace:
                return ""
            if came < self._limits.minimum_rate * passed:
                return (
                    f"the peer sent {came} bytes of a message in {passed:.0f} s,"
                    f" less than {self._limits.minimum_rate:g} a second"
                )
        self._measure(now, sight)
        return ""
