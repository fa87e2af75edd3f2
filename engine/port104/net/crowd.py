"""Connections that have no association: how many may wait, and who gives way to a new one.

Rules that this room keeps:
- a connection is never turned away: an A-ASSOCIATE-RQ that there is no room for is answered (gate.py), and
  who has something to say says it at once. Where there are too many, the one that has waited longest
  gives way: a peer that means to talk does so in a round trip, and thousands would have to come
  within that to crowd it out;
- connections with an association never give way here, but they count.
"""

import ipaddress
from collections import Counter
from typing import Generic, TypeVar

MemberT = TypeVar("MemberT")

_IPV6_NETWORK_BITS = 64


def counted_as(address: str) -> str:
    """What the IP address `address` is counted as: an IPv6 one by its /64 network, which one host may own."""
    if ":" not in address:
        return address
    parsed = ipaddress.IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _IPV6_NETWORK_BITS), strict=False))


class Crowd(Generic[MemberT]):
    """Every connection. `limit` in all, `per_address` of one address; 0: no limit."""

    def __init__(self, *, limit: int, per_address: int) -> None:
        self._limit = limit
        self._per_address = per_address
        self._address_of: dict[MemberT, str] = {}
        self._counts: Counter[str] = Counter()
        self._waiting: dict[MemberT, None] = {}  # longest first
        self._waiting_at: dict[str, dict[MemberT, None]] = {}

    def arrive(self, member: MemberT, address: str) -> MemberT | None:
        """Count a new connection from `address`. Returns the one that must be closed for it, if any."""
        address = counted_as(address)
        self._address_of[member] = address
        self._counts[address] += 1
        gives_way = None
        if self._per_address and self._counts[address] > self._per_address:
            gives_way = _first(self._waiting_at.get(address, {}))
        elif self._limit and len(self._address_of) > self._limit:
            gives_way = _first(self._waiting)
        if gives_way is not None:
            self.leave(gives_way)
        self.wait(member)
        return gives_way

    def give_way(self) -> MemberT | None:
        """Return the connection that must be closed where descriptors have run out, if any waits."""
        gives_way = _first(self._waiting)
        if gives_way is not None:
            self.leave(gives_way)
        return gives_way

    def settle(self, member: MemberT) -> None:
        """It has an association."""
        self._waiting.pop(member, None)
        waiting_there = self._waiting_at.get(self._address_of.get(member, ""), {})
        waiting_there.pop(member, None)
        if not waiting_there:
            self._waiting_at.pop(self._address_of.get(member, ""), None)

    def wait(self, member: MemberT) -> None:
        """It has no association, or none any more. Does nothing for one that is not counted."""
        if member in self._address_of:
            self._waiting[member] = None
            self._waiting_at.setdefault(self._address_of[member], {})[member] = None

    def leave(self, member: MemberT) -> None:
        """It is closed. Does nothing for one that is not counted."""
        self.settle(member)
        address = self._address_of.pop(member, None)
        if address is None:
            return
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]


def _first(members: dict[MemberT, None]) -> MemberT | None:
    return next(iter(members), None)
