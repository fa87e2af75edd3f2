"""Who may be calling under one AE title, found by address however many hosts there are.

Networks are kept by the length of their prefix, so a look-up costs one step for each length that occurs
(at most 33 and 129), and one for each host name that has the address.
"""

from collections.abc import Collection, Sequence

from port104.registry.addresses import Address, Network, parse_network
from port104.registry.entries import Source


def network_of(host: str) -> Network | None:
    """Return the addresses that a host entry stands for, or None for a host name."""
    try:
        return parse_network(host)
    except ValueError:
        return None


class Callers:
    """The sources of one calling AE title, in order of precedence."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self.hosts = tuple(dict.fromkeys(host for source in sources for host in source.hosts))
        self.guarded = any(source.demands_certificate for source in sources)
        """Whether one of them must show a certificate."""
        # (IP version, prefix length) -> the prefix as a number -> positions in `sources`
        self._networks: dict[tuple[int, int], dict[int, list[int]]] = {}
        self._names: dict[str, list[int]] = {}
        for position, source in enumerate(sources):
            for host in source.hosts:
                self._add(host, position)

    def _add(self, host: str, position: int) -> None:
        network = network_of(host)
        if network is None:
            self._names.setdefault(host, []).append(position)
            return
        alike = self._networks.setdefault((network.version, network.prefixlen), {})
        first = network.network_address
        alike.setdefault(_prefix(first, network.prefixlen), []).append(position)

    @property
    def host_names(self) -> Collection[str]:
        """Those of `hosts` that are names."""
        return self._names.keys()

    def at(self, peer: Address, names: Collection[str]) -> list[Source]:
        """The sources that call from this address, which `names` are known to have, in order."""
        found: set[int] = set()
        for (version, length), alike in self._networks.items():
            if version == peer.version:
                found.update(alike.get(_prefix(peer, length), ()))
        for name in names:
            found.update(self._names.get(name, ()))
        return [self.sources[position] for position in sorted(found)]


def _prefix(address: Address, length: int) -> int:
    return int(address) >> (address.max_prefixlen - length)
