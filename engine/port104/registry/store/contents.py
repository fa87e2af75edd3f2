"""What a database of the registry holds, and what the catalogue asks of it.

A store decides nothing. Each change carries the generation that it was decided upon, and is made only where
that still is the newest one: whoever decides has seen all that others did.
"""

from typing import Protocol

import msgspec


class EntryRow(msgspec.Struct, frozen=True):
    """An entry. `alias`: what of its kind is unique besides the name; `document`: the rest, as JSON."""

    kind: str
    name: str
    alias: str | None
    document: str
    revision: int = 0
    """The generation that wrote it; set by the store."""


class TokenRow(msgspec.Struct, frozen=True):
    """A token for the API. `digest`: SHA-256 of the secret, in hexadecimal; `created`: ISO 8601, UTC."""

    name: str
    scope: str
    digest: str
    created: str


Row = EntryRow | TokenRow


class Contents(msgspec.Struct, frozen=True):
    """Everything at one moment. `generation` grows by one with every change."""

    generation: int
    entries: tuple[EntryRow, ...] = ()
    tokens: tuple[TokenRow, ...] = ()


class Listener(Protocol):
    """Hears of changes that others make. Its descriptor becomes readable when there is one."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        ...

    def drain(self) -> None:
        """Take what came. Raises DatabaseError when nothing will come any more. May wait for the database."""
        ...

    def close(self) -> None:
        """Hear no more."""
        ...


class EntryStore(Protocol):
    """A database of the registry. Used by one thread at a time; every call may wait for a disk or a network.

    All raise DatabaseError, whose text says what to do, when the database cannot be used.
    """

    def read(self, known: int | None) -> Contents | None:
        """Read everything; None where generation `known` still is the newest one."""
        ...

    def write(self, known: int, *, drop: Row | None = None, put: Row | None = None) -> bool:
        """Take a row out and put one in, where generation `known` still is the newest one; False: it is not.

        The change makes generation `known + 1`.
        """
        ...

    def listen(self) -> Listener | None:
        """Hear of what others change from now on; None: nobody else can change this database."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
