"""Which associations there is room for: in all, from one address, of one calling AE title.

Rules that this room keeps:
- who is refused is refused transiently (PS3.8 9.3.4), so that the peer tries again;
- the silent do not count against the busy: where there is no room, the association whose peer has been silent
  the longest gives way, once that is long enough;
- a flood of requests costs little: who is silent is not looked for again before somebody can be.
"""

import math
from collections.abc import Collection, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from port104.net.contracts import Limits
from port104.net.crowd import counted_as
from port104.wire.negotiation import Rejection


class Member(Protocol):
    """An association; net.Session is one."""

    def silent_since(self, now: float) -> float:
        """When its peer was last known not to be silent; `now` while that waits for us."""
        ...


MemberT = TypeVar("MemberT", bound=Member)


class Full(msgspec.Struct, frozen=True):
    """There is no room. `setting`: what says so; empty while port104 is shutting down."""

    rejection: Rejection
    setting: str = ""


class _Group(Generic[MemberT]):
    """Members that one limit counts together."""

    def __init__(self) -> None:
        self.members: dict[MemberT, None] = {}
        self.fruitless_until = -math.inf  # nobody can have been silent for long enough before

    def longest_silent(self, now: float, silence: float, leaving: Collection[MemberT]) -> MemberT | None:
        """Who has been silent for at least `silence` seconds, and the longest."""
        if now < self.fruitless_until:
            return None
        since, _, member = min(
            (member.silent_since(now), number, member)
            for number, member in enumerate(self.members)
            if member not in leaving
        )
        if now - since >= silence:
            return member
        if not leaving:
            self.fruitless_until = since + silence
        return None


class _Counted(NamedTuple):
    """What a limit counts: one of these keys per member and limit."""

    setting: str
    value: str


class Gate(Generic[MemberT]):
    """Counts associations. Times are on the clock of `now`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = {
            "maximumNumberOfAssociationsPerCallingAeTitle": limits.associations_per_calling_ae_title,
            "maximumNumberOfAssociationsPerAddress": limits.associations_per_address,
            "maximumNumberOfAssociations": limits.associations,
        }
        self._silence = limits.idle_grace
        self._groups: dict[_Counted, _Group[MemberT]] = {}
        self._members: dict[MemberT, tuple[_Counted, ...]] = {}
        self._closing = False

    @property
    def associations(self) -> int:
        """How many there are."""
        return len(self._members)

    def enter(self, member: MemberT, *, address: str, calling: str, now: float) -> list[MemberT] | Full:
        """Count one more association, or refuse it.

        Returns who gives way to it: they are not counted any more, and are the caller's to end.
        """
        if self._closing:
            return Full(Rejection.TEMPORARY_CONGESTION)
        counted = tuple(self._counted(address, calling))
        leaving: list[MemberT] = []
        for key in counted:
            group = self._groups.get(key)
            if group is None or self._has_room(key, group, leaving):
                continue
            silent = group.longest_silent(now, self._silence, leaving)
            if silent is None:
                return Full(Rejection.LOCAL_LIMIT_EXCEEDED, f"dicom.scp.{key.setting}")
            leaving.append(silent)
        for each in leaving:
            self.leave(each)
        self._members[member] = counted
        for key in counted:
            self._groups.setdefault(key, _Group()).members[member] = None
        return leaving

    def _counted(self, address: str, calling: str) -> Iterator[_Counted]:
        """The limits that there are, narrow ones first: who gives way to those makes room in the wide."""
        values = (calling, counted_as(address), "")
        for (setting, limit), value in zip(self._limits.items(), values, strict=True):
            if limit:
                yield _Counted(setting, value)

    def _has_room(self, key: _Counted, group: _Group[MemberT], leaving: list[MemberT]) -> bool:
        going = sum(each in group.members for each in leaving)
        return len(group.members) - going < self._limits[key.setting]

    def leave(self, member: MemberT) -> None:
        """An association is over. Does nothing for one that is not counted."""
        for key in self._members.pop(member, ()):
            group = self._groups[key]
            del group.members[member]
            if not group.members:
                del self._groups[key]

    def close(self) -> None:
        """Let no further association in."""
        self._closing = True
