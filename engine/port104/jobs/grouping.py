"""Which instances belong together, and when nothing more is waited for. Decides; time is an argument.

Rules that this room keeps:
- instances belong together when one AE title took them and they have the same value of its tag;
- a group is closed when as many came as were announced, when none came for its timeout, and at its maximum
  age at the latest: a study that trickles in for days must not wait for ever;
- an instance without a value of the tag is held, visibly, in a group that nothing closes.
"""

import hashlib
from collections.abc import Mapping
from typing import Literal

import msgspec

STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
# Numbers of study and series related instances (PS3.3 C.3.4), which some archives write into what they send.
_ANNOUNCED_IN = {STUDY_INSTANCE_UID: 0x00201208, SERIES_INSTANCE_UID: 0x00201209}
_LONGEST_NUMBER = 12  # digits of an IS (PS3.5 6.2)
# Of a value as it stands in the ledger; UIDs have 64 characters at most, and most others too.
_LONGEST_VALUE = 256

Late = Literal["new", "all"]
Reason = Literal["complete", "idle", "age"]


class GroupingRule(msgspec.Struct, frozen=True, kw_only=True):
    """How an AE title groups. Times in seconds."""

    tag: int = STUDY_INSTANCE_UID
    """Group << 16 | element."""
    timeout: float = 5.0
    """Nothing came for so long: it is whole."""
    maximum_age: float = 3600.0
    """So long after its first instance it is closed, whatever still comes."""
    late: Late = "new"
    """What comes for a closed group makes a new job: of it alone, or (`all`) of everything there is."""

    @property
    def announced_in(self) -> int | None:
        """The tag that says how many instances there will be; None: there is none."""
        return _ANNOUNCED_IN.get(self.tag)

    @property
    def tags(self) -> frozenset[int]:
        """The elements that are looked at."""
        announced = self.announced_in
        return frozenset((self.tag,) if announced is None else (self.tag, announced))


class Progress(msgspec.Struct, frozen=True):
    """How far an open group has come. `opened`, `last`: when its first and its last instance came.

    `announced`: how many there will be; None: nobody said so.
    """

    opened: float
    last: float
    instances: int
    announced: int | None = None


class Closing(msgspec.Struct, frozen=True):
    """When a group is to be closed if nothing more comes, and why then."""

    at: float
    reason: Reason


def closing_of(rule: GroupingRule, progress: Progress) -> Closing:
    """Decide when the group is closed if nothing more comes."""
    if progress.announced is not None and progress.instances >= progress.announced:
        return Closing(progress.last, "complete")
    idle, age = progress.last + rule.timeout, progress.opened + rule.maximum_age
    return Closing(idle, "idle") if idle <= age else Closing(age, "age")


def value_of(rule: GroupingRule, elements: Mapping[int, bytes]) -> str | None:
    """The value of the tag that the instance is grouped by; None: it has none.

    `elements`: tag -> raw value. Padding (PS3.5 6.2) makes no difference. Of a very long one a digest stands
    for the rest.
    """
    raw = elements.get(rule.tag, b"").strip(b"\0 ")
    if not raw:
        return None
    text = raw.decode("latin-1")  # any bytes make a text, and different ones different texts
    if len(text) <= _LONGEST_VALUE and "\0" not in text:
        return text
    digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
    # No database keeps a NUL.
    return f"{text[: _LONGEST_VALUE - len(digest) - 1]}~{digest}".replace("\0", "")


def announced_by(rule: GroupingRule, elements: Mapping[int, bytes]) -> int | None:
    """How many instances the group will have, as this one of them says; None: it does not say."""
    raw = elements.get(rule.announced_in or 0, b"").strip(b"\0 ")
    if not raw.isdigit() or len(raw) > _LONGEST_NUMBER:
        return None
    return int(raw) or None
