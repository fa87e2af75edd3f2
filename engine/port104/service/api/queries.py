"""What stands behind the `?`, and pages of lists."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec

from port104.jobs.ledger.looking import pages
from port104.service.api.problems import FieldFault, ProblemError, refuse
from port104.service.api.resources import Answer, Asks, in_json

MOST = 1000
"""Entries of a page, also where nothing is said: Clara's clients know no pages, and few sites have more."""
_FARTHEST = 10**9

ChoiceT = TypeVar("ChoiceT", bound=str)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted."""

    limit: int = MOST
    offset: int = 0


def read_query(request: Asks, *names: str) -> dict[str, str]:
    """Return the parameters. Raises ProblemError for one that is not among `names`, or is given twice."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if name not in names:
            known = f"there are {', '.join(names)}" if names else "there is none"
            raise wrong(name, f"unknown parameter: {known}")
        if name in query:
            raise wrong(name, "it is given more than once")
        query[name] = value
    return query


def page_of(query: Mapping[str, str]) -> Page:
    """Read `limit` and `offset`. Raises ProblemError."""
    return Page(
        limit=number_of(query, "limit", MOST, least=1, most=MOST),
        offset=number_of(query, "offset", 0, least=0, most=_FARTHEST),
    )


def choice_of(query: Mapping[str, str], name: str, choices: Sequence[ChoiceT]) -> ChoiceT | None:
    """Read a parameter that takes one of a few words. Raises ProblemError."""
    if name not in query:
        return None
    for choice in choices:
        if choice == query[name]:
            return choice
    raise wrong(name, f"expected one of {', '.join(choices)}")


def paged(request: Asks, query: Mapping[str, str], page: Page, total: int, items: Sequence[Any]) -> Answer:
    """Answer with one page of a list: an array, as Clara's clients expect; the rest stands in headers."""
    headers = {"X-Total-Count": str(total)}
    following = page.offset + len(items)
    if items and following < total:
        parameters = urlencode({**query, "limit": page.limit, "offset": following})
        headers["Link"] = f'<{request.scope["path"]}?{parameters}>; rel="next"'
    return in_json(items, 200, headers)


def place_of(query: Mapping[str, str]) -> pages.Page:
    """Read `limit` and `after`: each page begins where the one before ended. Raises ProblemError."""
    default = pages.Page()
    limit = number_of(query, "limit", default.limit, least=1, most=pages.MOST)
    return pages.Page(limit, query.get("after", default.after))


def paged_on(request: Asks, query: Mapping[str, str], found: pages.Found[Any]) -> Answer:
    """Answer with such a page: an array; where the next one begins stands in `Link`."""
    headers = {}
    if found.following is not None:
        parameters = urlencode({**query, "after": found.following})
        headers["Link"] = f'<{request.scope["path"]}?{parameters}>; rel="next"'
    return in_json(found.items, 200, headers)


def time_of(query: Mapping[str, str], name: str) -> float | None:
    """Read a parameter that is a time (ISO 8601; UTC where it names no zone). Raises ProblemError."""
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        raise wrong(name, "expected a time such as 2026-11-29T08:00:00Z") from None


def number_of(query: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """Read a parameter that is a whole number. Raises ProblemError."""
    text = query.get(name)
    if text is None:
        return default
    # Not every digit of Unicode, and none of int's underscores.
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise wrong(name, f"expected a whole number from {least} to {most}")
    return int(text)


def wrong(name: str, why: str) -> ProblemError:
    """Return what to raise for a parameter."""
    return refuse(400, "parameter", f"parameter {name}: {why}", FieldFault(name, why))
