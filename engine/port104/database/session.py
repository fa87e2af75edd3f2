"""What a database offers to whoever keeps something in it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Session(Protocol):
    """A transaction under way."""

    @property
    def clustered(self) -> str:
        """What is said behind a table whose rows are to stand in the order of its primary key."""
        ...

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Carry out a statement; returns its rows."""
        ...

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Carry out a statement for each of many rows of parameters; returns how many rows it changed."""
        ...

    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name."""
        ...

    def now(self) -> float:
        """Seconds since 1970, by the one clock of all who use the database; it never goes back."""
        ...


class Database(Protocol):
    """A database. Used by one thread at a time; every call may wait for a disk or a network.

    All raise DatabaseError, whose text says what to do, when it cannot be used.
    """

    def reading(self) -> AbstractContextManager[Session]:
        """Begin a transaction that changes nothing, and sees one moment."""
        ...

    def changing(self) -> AbstractContextManager[Session]:
        """Begin a transaction that is committed where the block ends well."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
