"""What one method does at one path."""

from typing import Any

import msgspec

from port104.service.api import health

Schema = dict[str, Any]

JSON = "application/json"
REFS = "#/components/schemas/{name}"
"""Where the schema of a name stands."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What one method does at one path. `answers`: the status, what it means, and the schema.

    `upload`: the media type of a file that is taken in place of the body.
    """

    path: str
    method: str
    summary: str
    answers: tuple[int, str, Schema | None]
    scope: str = "read"
    body: Schema | None = None
    upload: str = ""
    parameters: tuple[Schema, ...] = ()
    headers: tuple[str, ...] = ()
    problems: tuple[int, ...] = ()
    media_type: str = JSON

    @property
    def tag(self) -> str:
        """What it is about: the last fixed part of its path."""
        fixed = self.path.partition("/{")[0]
        return "health" if fixed.startswith(health.PATH) else fixed.rpartition("/")[2]


def name_of(section: type[msgspec.Struct]) -> str:
    """What the schema of a section of the configuration is called."""
    return section.__name__.removesuffix("Settings")


def ref(name: str) -> Schema:
    """The schema of a name."""
    return {"$ref": REFS.format(name=name)}
