"""Forms that several resources share: lists, one thing, what is done to one, and their parameters."""

from collections.abc import Mapping, Sequence

from port104.jobs.ledger.looking import pages
from port104.service.api.operations.operation import Operation, Schema, ref
from port104.service.api.queries import MOST


def counted_list(
    path: str, summary: str, items: Schema, filters: Sequence[Schema] = (), *, scope: str = "read"
) -> Operation:
    """A list whose pages begin at a place by number."""
    offset = {"type": "integer", "minimum": 0, "default": 0}
    return Operation(
        path=path,
        method="get",
        summary=summary,
        scope=scope,
        parameters=(
            in_query("limit", "How many entries at most.", whole(1, MOST, MOST)),
            in_query("offset", "How many to leave out before them.", offset),
            *filters,
        ),
        answers=(200, "one page", {"type": "array", "items": items}),
        headers=("X-Total-Count",),
        problems=(400,),
    )


def followed_list(path: str, summary: str, name: str, filters: Sequence[Schema]) -> Operation:
    """A list whose pages begin where the one before ended."""
    return Operation(
        path=path,
        method="get",
        summary=summary,
        parameters=(
            in_query("limit", "How many entries at most.", whole(1, pages.MOST, pages.Page().limit)),
            in_query("after", "Where the page before ended: its `Link` says so.", {"type": "string"}),
            *filters,
        ),
        answers=(200, "one page", {"type": "array", "items": ref(name)}),
        headers=("Link",),
        problems=(400, 503),
    )


def one_of_the_ledger(path: str, summary: str, named: Schema, words: str, schema: Schema) -> Operation:
    """One thing that the ledger knows."""
    return Operation(
        path=path,
        method="get",
        summary=summary,
        parameters=(named,),
        answers=(200, words, schema),
        problems=(400, 404, 503),
    )


def action(path: str, summary: str, parameters: tuple[Schema, ...], words: str, schema: Schema) -> Operation:
    """Something that is done to one, and answered with it as it is then."""
    return Operation(
        path=path,
        method="post",
        summary=summary,
        scope="admin",
        parameters=parameters,
        answers=(200, words, schema),
        problems=(400, 404, 409, 503),
    )


def filters_of(words: Mapping[str, str], **schemas: Schema) -> list[Schema]:
    """The parameters that select what is listed; each is text but where `schemas` says otherwise."""
    return [in_query(name, of, schemas.get(name, {"type": "string"})) for name, of in words.items()]


def in_query(name: str, words: str, schema: Schema) -> Schema:
    """A parameter behind the `?`."""
    return {"name": name, "in": "query", "description": words, "schema": schema}


def in_path(words: str, name: str = "name") -> Schema:
    """A part of the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": words,
        "schema": {"type": "string"},
    }


def whole(least: int, most: int, default: int | None = None) -> Schema:
    """A whole number."""
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return schema if default is None else {**schema, "default": default}
