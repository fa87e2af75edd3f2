"""How long something keeps a Job from beginning. Sans-IO: `now` is an argument, in seconds of any clock."""

from collections.abc import Sequence

from port104.cluster.resources import Resource
from port104.dispatch.backends.kubernetes.judging import Hindrance, goes_on, hindrance_of, without_pod

# A registry may be away for a moment, and a Secret come a moment after what names it.
HINDERED_SECONDS = 300.0


class Hindrances:
    """What kept one Job from beginning, or its next step. `why`: the newest, in words; empty: nothing."""

    def __init__(self, job: str) -> None:
        """`job`: its name."""
        self.why = ""
        self._job = job
        self._has_pod = False
        self._found: Hindrance | None = None
        self._found_since = 0.0
        self._lasting_since: float | None = None
        self._told: set[str] = set()

    def hear(self, pods: Sequence[Resource], now: float) -> Hindrance | None:
        """Look at the Job's pods; returns what is to be told because it is new."""
        found = self._look(pods)
        if found is None or not found.lasting:
            self._lasting_since = None
        elif self._lasting_since is None:
            self._lasting_since = now
        if found is None or self._found is None or found.reason != self._found.reason:
            self._found_since = now
        self._found = found
        if any(map(goes_on, pods)):
            self.why = ""
        if found is None or now - self._found_since < found.patience:
            return None
        self.why = found.why
        if found.reason in self._told:
            return None
        self._told.add(found.reason)
        return found

    def last(self, now: float) -> bool:
        """Whether it has lasted too long."""
        return self._lasting_since is not None and now - self._lasting_since >= HINDERED_SECONDS

    def _look(self, pods: Sequence[Resource]) -> Hindrance | None:
        """Find what it is now; a pod that has begun loses its volumes again at its end."""
        self._has_pod = self._has_pod or bool(pods)
        if any(map(goes_on, pods)):
            return None
        return hindrance_of(pods) if self._has_pod else without_pod(self._job)
