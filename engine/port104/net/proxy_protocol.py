"""The PROXY protocol's header, versions 1 and 2: what a load balancer says before its client's first byte.

Rules that this room keeps:
- pure: available bytes in, how many of them are the header's out, so that not one byte more is taken;
- a header that is wrong is a fault and is never passed over: who sends one is trusted to say who calls.
Source: "The PROXY protocol", versions 1 & 2, of HAProxy (proxy-protocol.txt).
"""

import ipaddress
import re
import struct

import msgspec

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"  # version 2 (2.2)
_TEXT_PREFIX = b"PROXY "
_LONGEST_LINE = 107  # version 1, with CR LF (2.1)
# Addresses take 36 bytes; what may follow them (TLVs) is passed over: a client's certificate at the most.
_LONGEST_BODY = 4096
_HEAD = struct.Struct(">12sBBH")
_LOCAL, _PROXY = 0, 1
_TCP_OVER_IPV4, _TCP_OVER_IPV6 = 0x11, 0x21
_ADDRESSES = {_TCP_OVER_IPV4: struct.Struct(">4s4sHH"), _TCP_OVER_IPV6: struct.Struct(">16s16sHH")}

_PORT = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)
_FIELDS = 6  # PROXY, family, two addresses, two ports


class ProxyHeaderError(ValueError):
    """What came is no header; the text says why and quotes nothing."""


class NoProxyHeaderError(ProxyHeaderError):
    """Not a byte came."""


class Origin(msgspec.Struct, frozen=True):
    """Who called the proxy; None: the proxy speaks for itself, or does not know."""

    address: str | None


class HeaderReader:
    """Reads one header. Offer bytes to `take` until `origin` is there."""

    def __init__(self) -> None:
        self.origin: Origin | None = None
        self._taken = b""

    def take(self, available: bytes) -> int:
        """Say how many of the next bytes belong to the header: all, or those up to its end.

        Raises ProxyHeaderError where they are no header.
        """
        known = self._taken + available
        if _begins_like(known, SIGNATURE):
            end = self._read_binary(known)
        elif _begins_like(known, _TEXT_PREFIX):
            end = self._read_text(known)
        else:
            raise ProxyHeaderError("it does not begin as a PROXY header does")
        count = len(available) if end is None else end - len(self._taken)
        self._taken += available[:count]
        return count

    def _read_text(self, known: bytes) -> int | None:
        """Returns where the header ends, or None while it goes on."""
        end = known.find(b"\n", 0, _LONGEST_LINE) + 1
        if not end:
            if len(known) >= _LONGEST_LINE:
                raise ProxyHeaderError(f"a header of version 1 ends within {_LONGEST_LINE} bytes")
            return None
        line = known[:end]
        if not line.endswith(b"\r\n") or not line.isascii():
            raise ProxyHeaderError("a header of version 1 is one line of ASCII that ends with CR LF")
        self.origin = _origin_of_line(line[:-2].decode("ascii"))
        return end

    def _read_binary(self, known: bytes) -> int | None:
        if len(known) < _HEAD.size:
            return None
        version_and_command: int
        family: int
        length: int
        _, version_and_command, family, length = _HEAD.unpack_from(known)
        version, command = divmod(version_and_command, 16)
        if version != 2 or command not in (_LOCAL, _PROXY):
            raise ProxyHeaderError(f"version {version}, command {command} is not known")
        if length > _LONGEST_BODY:
            raise ProxyHeaderError(f"the header states {length} bytes, at most {_LONGEST_BODY} are taken")
        end = _HEAD.size + length
        if len(known) < end:
            return None
        self.origin = _origin_of_body(command, family, known[_HEAD.size : end])
        return end


def _begins_like(known: bytes, prefix: bytes) -> bool:
    return known[: len(prefix)] == prefix[: len(known)]


def _origin_of_line(line: str) -> Origin:
    fields = line.split(" ")
    if fields[1] == "UNKNOWN":
        return Origin(None)
    if len(fields) != _FIELDS or fields[1] not in ("TCP4", "TCP6"):
        raise ProxyHeaderError("a header of version 1 has a protocol, two addresses and two ports")
    kind = ipaddress.IPv4Address if fields[1] == "TCP4" else ipaddress.IPv6Address
    try:
        source, _ = kind(fields[2]), kind(fields[3])
    except ValueError as error:
        raise ProxyHeaderError(f"an address is not one of {fields[1]}") from error
    if not all(_PORT.fullmatch(port) and int(port) <= 0xFFFF for port in fields[4:]):
        raise ProxyHeaderError("a port is not a number from 0 to 65535")
    return Origin(str(source).partition("%")[0])


def _origin_of_body(command: int, family: int, body: bytes) -> Origin:
    layout = _ADDRESSES.get(family)
    if command == _LOCAL or layout is None:  # a health check; UDP, a Unix socket or unspecified (2.2)
        return Origin(None)
    if len(body) < layout.size:
        raise ProxyHeaderError(f"{len(body)} bytes have no room for the addresses")
    source = layout.unpack_from(body)[0]
    return Origin(str(ipaddress.ip_address(source)))
