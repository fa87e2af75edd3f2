"""Tokens."""

from collections.abc import Iterator

from port104.registry.catalogue import SCOPES
from port104.service.api import tokens
from port104.service.api.operations.forms import counted_list, in_path
from port104.service.api.operations.operation import Operation, Schema, ref

_WANTED: Schema = {
    "name": {"type": "string", "minLength": 1, "maxLength": 64},
    "scope": {"enum": [*SCOPES]},
}


def of_tokens() -> Iterator[Operation]:
    """What can be done with them."""
    yield counted_list(tokens.PATH, "Every token, without its secret", ref("Token"), scope="admin")
    yield Operation(
        path=tokens.PATH,
        method="post",
        summary="Create a token; its secret is shown this once",
        scope="admin",
        body={
            "type": "object",
            "properties": _WANTED,
            "required": ["name", "scope"],
            "additionalProperties": False,
        },
        answers=(
            201,
            "the token with its secret",
            {
                "type": "object",
                "properties": _WANTED | {"secret": {"type": "string"}},
                "required": ["secret"],
            },
        ),
        headers=("Location",),
        problems=(400, 409, 413, 415, 503),
    )
    yield Operation(
        path=f"{tokens.PATH}/{{name}}",
        method="delete",
        summary="Delete a token: it is worth nothing from now on",
        scope="admin",
        parameters=(in_path("The token's name."),),
        answers=(204, "it is deleted", None),
        problems=(400, 404, 503),
    )
