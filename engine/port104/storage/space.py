"""Decides from a volume's figures whether instances are welcome. Sans-IO; volume.py looks and obeys.

Rules that this room keeps:
- used and free are what `df` shows: blocks kept for root count as neither;
- the soft limit is Clara's: the larger of what `watermarkPercent` leaves free and `reserveSpaceGB`. Senders
  that come then are told to come again later. The hard one is `reserveSpaceGB` alone: between the two,
  associations that run may finish;
- a limit is left a little above where it was met, so that a volume on the brink does not change with every
  file.
"""

import enum

import msgspec

GIGABYTE = 10**9

# Of a limit, what must be free beyond it before it is left: a twentieth, and at most a gigabyte, or a large
# volume would wait for days.
_RETURN_SHARE = 20
_RETURN_AT_MOST = GIGABYTE


class Room(enum.IntEnum):
    """What the volume has room for."""

    ENOUGH = 0
    LOW = 1  # for associations that run
    NONE = 2  # for nothing


class Volume(msgspec.Struct, frozen=True):
    """A volume's figures in bytes: `size` is what users may have of it in all, `free` what they may have yet.

    `names`: whether another file can be made (inodes are left).
    """

    size: int
    free: int
    names: bool = True


class Watermarks:
    """The limits and on which side of them the volume is.

    `watermark_percent`: of its size, what may be used. `reserve`: bytes that stay free.
    """

    def __init__(self, watermark_percent: int, reserve: int) -> None:
        self.set(watermark_percent, reserve)
        self.room = Room.ENOUGH

    def set(self, watermark_percent: int, reserve: int) -> None:
        """Put other limits in place of these; they hold with the next judgement."""
        self._unused_percent = 100 - watermark_percent
        self.reserve = reserve

    def limit(self, volume: Volume) -> int:
        """Bytes that must be free for an association to be welcome."""
        return max(volume.size * self._unused_percent // 100, self.reserve)

    def judge(self, volume: Volume) -> Room:
        """Take new figures and return what there is room for."""
        if not volume.names or self._is_met(volume, self.reserve, Room.NONE):
            self.room = Room.NONE
        elif self._is_met(volume, self.limit(volume), Room.LOW):
            self.room = Room.LOW
        else:
            self.room = Room.ENOUGH
        return self.room

    def _is_met(self, volume: Volume, limit: int, room: Room) -> bool:
        """Whether the limit that leads to `room` is met, or was met and is not left yet."""
        margin = min(limit // _RETURN_SHARE, _RETURN_AT_MOST) if self.room >= room else 0
        return volume.free <= limit + margin
