"""The bytes of a watch -> changes. A watch is a JSON object a line, and may break off anywhere.

Sans-IO. Half a line is never a change: what breaks off within one is heard again from the version before.
"""

from typing import Literal

import msgspec

from port104.cluster.faults import ClusterError
from port104.cluster.resources import Change, Resource

# etcd takes objects of 1.5 MiB, which grow a little as JSON; more than this is no line of an API server.
_LONGEST_LINE = 4 << 20


class _Line(msgspec.Struct, frozen=True):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _Status(msgspec.Struct, frozen=True):
    """`meta/v1 Status`: what the API server says of what it does not do."""

    code: int = 0
    message: str = ""


class Lines:
    """Takes bytes as they come."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Change]:
        """Return the changes whose lines are whole now.

        Raises ClusterError, whose status is that of the watch's ERROR, for one, and for what is no line of a
        watch.
        """
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        if len(self._rest) > _LONGEST_LINE:
            raise ClusterError(f"the API server sent a line of more than {_LONGEST_LINE} bytes: what is it?")
        return [_change(bytes(line)) for line in lines if line.strip()]


def _change(text: bytes) -> Change:
    try:
        line = msgspec.json.decode(text, type=_Line)
        if line.type != "ERROR":
            return Change(line.type, msgspec.json.decode(line.object, type=Resource))
        status = msgspec.json.decode(line.object, type=_Status)
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise ClusterError(f"the API server sent what is no change of a custom resource: {fault}") from fault
    raise ClusterError(f"the API server ended the watch: {status.message}", status=status.code)
