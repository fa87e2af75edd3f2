"""Pages of lists: the newest first, and each begins where the one before ended."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from port104.database.session import Session

MOST = 1000
"""Entries of a page."""

ItemT = TypeVar("ItemT")
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a column of whole numbers holds."""


class FaultyPageError(ValueError):
    """There is no such place in a list; the text says so."""


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is wanted. `after`: `Found.following` of the page before; empty: the first."""

    limit: int = 100
    after: str = ""


class Found(msgspec.Struct, Generic[ItemT], frozen=True):
    """A page. `following`: where the next one begins; None: there is none."""

    items: list[ItemT]
    following: str | None


class Listing(msgspec.Struct, frozen=True):
    """How a list is read. `columns` and `source`: between SELECT and FROM, and behind it.

    `key`: the columns that the list is sorted by, descending, which are of one row only; `kinds`: theirs.
    """

    columns: str
    source: str
    key: tuple[str, ...]
    kinds: type[tuple[Any, ...]]


class Conditions:
    """What is asked of rows; every value is a parameter."""

    def __init__(self) -> None:
        self.clauses: list[str] = []
        self.parameters: list[Any] = []

    def add(self, clause: str, *parameters: Any) -> None:
        """Ask for it too."""
        self.clauses.append(clause)
        self.parameters += parameters

    def equal(self, column: str, value: str | None) -> None:
        """Ask for a value; None: any will do."""
        if value is not None:
            self.add(f"{column} = ?", sought(value))


def read_page(
    session: Session,
    listing: Listing,
    conditions: Conditions,
    page: Page,
    item_of: Callable[[Sequence[Any]], ItemT],
) -> Found[ItemT]:
    """Read one page. Raises FaultyPageError."""
    return page_of(read_rows(session, listing, conditions, page), listing, page, item_of)


def read_rows(
    session: Session, listing: Listing, conditions: Conditions, page: Page
) -> list[tuple[Any, ...]]:
    """Read the rows of a page, and one more where there is one; each begins with its key."""
    key, clauses, parameters = ", ".join(listing.key), [*conditions.clauses], [*conditions.parameters]
    if page.after:
        clauses.append(f"({key}) < ({', '.join('?' * len(listing.key))})")
        parameters += _read_key(page.after, listing.kinds)
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    return session.run(
        f"SELECT {key}, {listing.columns} FROM {listing.source}{where}"  # noqa: S608 - no value is in it
        f" ORDER BY {', '.join(f'{column} DESC' for column in listing.key)} LIMIT ?",
        *parameters,
        page.limit + 1,
    )


def page_of(
    rows: Sequence[tuple[Any, ...]],
    listing: Listing,
    page: Page,
    item_of: Callable[[Sequence[Any]], ItemT],
) -> Found[ItemT]:
    """Make a page of rows that `read_rows` gave."""
    shown, width = rows[: page.limit], len(listing.key)
    following = _written_key(shown[-1][:width]) if len(rows) > page.limit else None
    return Found([item_of(row[width:]) for row in shown], following)


def sought(text: str) -> str:
    """The text as a database may be asked for it: what none could hold becomes what is nowhere."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _written_key(key: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def _read_key(text: str, kinds: type[tuple[Any, ...]]) -> list[Any]:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        key = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=kinds)
    except (UnicodeError, binascii.Error, msgspec.DecodeError):
        raise FaultyPageError("there is no such place in the list: take what the page before gave") from None
    return [sought(part) if isinstance(part, str) else part for part in key]
