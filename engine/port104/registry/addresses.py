"""Host entries: an address, a network in CIDR notation, or a host name.

IPv4-mapped IPv6 (`::ffff:10.0.0.5`, RFC 4291 2.5.5.2) is how a dual-stack listener sees an IPv4
peer; it is always treated as the IPv4 address that it carries.
"""

import ipaddress
import re
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
# RFC 1123 2.1, and underscores, which hospital networks use. The last label holds a letter:
# otherwise a mistyped address (10.0.0.300) would be looked up as a name.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*(?=[^.]*[A-Za-z]){_LABEL}\.?")
_LONGEST_HOST_NAME = 253  # RFC 1035 2.3.4, without the length bytes


def parse_address(text: str) -> Address:
    """Read an address as a socket reports it; a scope (`fe80::1%eth0`) is dropped.

    Raises ValueError for anything else.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or an address, is this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return parse_address(host).is_loopback
    except ValueError:
        return False


def parse_network(text: str) -> Network:
    """Read an address or a CIDR network; an address is the network that holds only itself.

    Raises ValueError, whose text says what is wrong, also for a network with host bits set.
    """
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        first = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((first, network.prefixlen - 96))
    return network


def is_host_name(text: str) -> bool:
    """Whether the text has the form of a host name (RFC 1123); nothing is looked up."""
    return len(text) <= _LONGEST_HOST_NAME and _HOST_NAME.fullmatch(text) is not None


def is_among(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address as a socket reports it lies in one of the networks."""
    peer = parse_address(address)
    return any(peer in network for network in networks)
