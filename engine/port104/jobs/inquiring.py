"""When an archive is asked how many instances a group will have, and what of it is believed. Decides.

Rules that this room keeps:
- a group is asked about when it has been open for a moment, and again after a while that doubles: archives
  count up while they receive;
- a number is believed when it was said twice in a row: before that the archive may be receiving what it will
  send on, and the number that it has is no number to close a group by;
- an archive that fails is left alone for a while that doubles. No group waits for an answer.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from port104.jobs.grouping import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID

FIRST_SECONDS = 1.0
"""After a group was opened: its first instances came, and most studies of one image are over."""
LONGEST_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 15.0, 300.0
MOST_AT_ONCE = 50
"""Groups that one archive is asked about over one association."""
MOST_ARCHIVES = 4
"""Archives that are asked at one time."""

ASKED_ABOUT = (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)
"""The tags by whose values archives can be asked."""
# Neither wild cards nor several values, which would match others too (PS3.4 C.2.2.2).
_UID = re.compile(r"[0-9.]{1,64}")


class Question(NamedTuple):
    """How many instances there are of a study, or of one of its series (None: of the study)."""

    study_instance_uid: str
    series_instance_uid: str | None = None


def question_of(tag: int, value: str, study_instance_uid: str) -> Question | None:
    """What is asked about a group of this value, with an instance of this study; None: nothing can be."""
    if not _UID.fullmatch(value) or not _UID.fullmatch(study_instance_uid):
        return None
    return Question(study_instance_uid, value if tag == SERIES_INSTANCE_UID else None)


class _Inquiry:
    """About one group. `due`: when it is asked next."""

    def __init__(self, now: float) -> None:
        self.due = now + FIRST_SECONDS
        self._wait = FIRST_SECONDS
        self._said: int | None = None

    def answered(self, number: int | None, now: float) -> int | None:
        said, self._said = self._said, number
        self._wait = min(2 * self._wait, LONGEST_SECONDS)
        self.due = now + self._wait
        return number if number == said else None


class _Pause(NamedTuple):
    """An archive is left alone. `times`: that it failed in a row."""

    until: float
    times: int


class Inquiries:
    """About all groups that are open. Of times, only differences matter."""

    def __init__(self) -> None:
        self._inquiries: dict[str, _Inquiry] = {}
        self._pauses: dict[str, _Pause] = {}
        self._asked: set[str] = set()

    def due(self, groups: Mapping[str, str], now: float) -> dict[str, list[str]]:
        """Which archives are to be asked now, and about which groups each; they count as being asked.

        `groups`: all that are open -> the archive that is asked about it. Others are forgotten.
        """
        self._inquiries = {group: self._inquiries.get(group) or _Inquiry(now) for group in groups}
        found: dict[str, list[str]] = {}
        for group in sorted(groups, key=lambda group: self._inquiries[group].due):
            archive = groups[group]
            if self._inquiries[group].due > now or not self._may_ask(archive, found, now):
                continue
            some = found.setdefault(archive, [])
            if len(some) < MOST_AT_ONCE:
                some.append(group)
        self._asked.update(found)
        return found

    def answered(self, group: str, number: int | None, now: float) -> int | None:
        """Take what an archive said of a group, None: nothing; returns how many to believe in, if any."""
        inquiry = self._inquiries.get(group)
        return None if inquiry is None else inquiry.answered(number, now)

    def ended(self, archive: str) -> None:
        """Nobody asks an archive any more, which answered as it could."""
        self._asked.discard(archive)
        self._pauses.pop(archive, None)

    def failed(self, archive: str, now: float) -> float:
        """Nobody asks an archive any more, as that failed; returns for how many seconds it is left alone."""
        self._asked.discard(archive)
        times = self._pauses[archive].times + 1 if archive in self._pauses else 1
        pause = min(math.ldexp(FIRST_PAUSE_SECONDS, min(times - 1, 60)), LONGEST_PAUSE_SECONDS)
        self._pauses[archive] = _Pause(now + pause, times)
        return pause

    def _may_ask(self, archive: str, found: Collection[str], now: float) -> bool:
        if archive in found:
            return True
        pause = self._pauses.get(archive)
        if archive in self._asked or (pause is not None and now < pause.until):
            return False
        return len(self._asked) + len(found) < MOST_ARCHIVES
