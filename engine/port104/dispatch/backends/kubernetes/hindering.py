"""How long something keeps a Job from beginning. Sans-IO: `now` is an argument, in seconds of any clock."""

from collections.abc import Sequence

from port104.cluster.resources import Resource
from port104.dispatch.backends.kubernetes.judging import Hindrance, has_begun, hindrance_of

# A registry may be away for a moment, and a Secret come a moment after what names it.
HINDERED_SECONDS = 300.0


class Hindrances:
    """What kept one Job from beginning. `why`: the newest of it, in words; empty: it has begun."""

    def __init__(self) -> None:
        self.why = ""
        self._since: float | None = None
        self._told: set[str] = set()

    def hear(self, pods: Sequence[Resource], now: float) -> Hindrance | None:
        """Look at the Job's pods; returns what is to be told because it is new."""
        found = hindrance_of(pods)
        if found is None or not found.lasting:
            self._since = None
        elif self._since is None:
            self._since = now
        if found is not None:
            self.why = found.why
        elif any(map(has_begun, pods)):
            self.why = ""
        if found is None or found.reason in self._told:
            return None
        self._told.add(found.reason)
        return found

    def last(self, now: float) -> bool:
        """Whether it has lasted too long."""
        return self._since is not None and now - self._since >= HINDERED_SECONDS
