"""What answers our queries: an identifier for each match (PS3.4 C.4.1.1.3), as they come.

A peer may have more matches than anybody asked for, or send without end: what is kept of a query is bounded.
"""

MOST_BYTES = 4 * 1024 * 1024
"""Of the matches of one query: some ten thousand studies."""
# What one more match costs besides its bytes: of short ones there are not too many either.
_OF_EACH = 256


class Matches:
    """The matches of the queries of one association, by their message IDs."""

    def __init__(self) -> None:
        self._found: dict[int, list[bytes]] = {}
        self._bytes: dict[int, int] = {}
        self._coming: int | None = None  # the query whose match is under way
        self._data = bytearray()

    def begin(self, message_id: int) -> None:
        """Hear that the identifier of a match of this query follows."""
        self._coming = message_id
        self._bytes[message_id] = self._bytes.get(message_id, 0) + _OF_EACH

    def take(self, data: bytes, *, last: bool) -> bool:
        """Take the next bytes of a data set, and pass over them where they are of no match.

        Returns False where there is more of the query than is kept.
        """
        if self._coming is None:
            return True
        self._bytes[self._coming] += len(data)
        if self._bytes[self._coming] > MOST_BYTES:
            return False
        self._data += data
        if last:
            self._found.setdefault(self._coming, []).append(bytes(self._data))
            self._data.clear()
            self._coming = None
        return True

    def count(self, message_id: int) -> int:
        """How many matches of the query are there."""
        return len(self._found.get(message_id, ()))

    def pop(self, message_id: int) -> list[bytes]:
        """Give the matches of the query away, once it has ended."""
        self._bytes.pop(message_id, None)
        return self._found.pop(message_id, [])
