"""Entries, of each kind alike, and asking a destination."""

from collections.abc import Iterator

from port104.service.api import echo, entries
from port104.service.api.operations.forms import counted_list, in_path
from port104.service.api.operations.operation import Operation, Schema, name_of, ref
from port104.service.registration import Kind

_NAMED = in_path("The entry's name.")
_KEPT = "the entry, with its ETag"


def of_entries(kind: Kind) -> Iterator[Operation]:
    """What can be done with the entries of a kind."""
    path, title, schema = entries.path_of(kind), kind.title, ref(name_of(kind.settings))
    one = f"{path}/{{name}}"
    yield counted_list(path, f"Every {title}, sorted by name", schema)
    yield _create(path, title, schema)
    yield _show(one, title, schema)
    yield _replace(one, title, schema)
    yield _delete(one, title, schema)


def _create(path: str, title: str, schema: Schema) -> Operation:
    return Operation(
        path=path,
        method="post",
        summary=f"Create one {title}",
        scope="admin",
        body=schema,
        answers=(201, _KEPT, schema),
        headers=("ETag", "Location"),
        problems=(400, 409, 413, 415, 503),
    )


def _show(one: str, title: str, schema: Schema) -> Operation:
    return Operation(
        path=one,
        method="get",
        summary=f"Show one {title}",
        parameters=(_NAMED, _header("If-None-Match", "Answer 304 where its ETag is one of these.")),
        answers=(200, _KEPT, schema),
        headers=("ETag",),
        problems=(304, 400, 404),
    )


def _replace(one: str, title: str, schema: Schema) -> Operation:
    return Operation(
        path=one,
        method="put",
        summary=f"Replace one {title}, as a whole; without `name` it keeps its name",
        scope="admin",
        parameters=(_NAMED, _IF_MATCH),
        body=schema,
        answers=(200, _KEPT, schema),
        headers=("ETag", "Content-Location"),
        problems=(400, 404, 409, 412, 413, 415, 503),
    )


def _delete(one: str, title: str, schema: Schema) -> Operation:
    return Operation(
        path=one,
        method="delete",
        summary=f"Delete one {title}",
        scope="admin",
        parameters=(_NAMED, _IF_MATCH),
        answers=(200, "what was deleted", schema),
        problems=(400, 404, 409, 412, 503),
    )


def of_echo() -> Operation:
    """Asking a destination whether it is there."""
    return Operation(
        path=echo.PATH,
        method="post",
        summary="Ask a destination by C-ECHO or OPTIONS, and say what is wrong where it does not answer",
        scope="admin",
        parameters=(in_path("The destination's name."),),
        answers=(200, "what came of it", ref("Verification")),
        problems=(400, 404),
    )


def _header(name: str, words: str) -> Schema:
    return {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}


_IF_MATCH = _header("If-Match", "Change it only if its ETag is one of these.")
