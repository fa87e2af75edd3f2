"""A configuration file as nested dicts and lists, whatever its format.

JSON is read as .NET reads appsettings.json: with a byte order mark, comments and trailing commas,
which Clara's own documentation uses.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from port104.errors import ConfigurationError


class Pairs(dict[Any, Any]):
    """An object of a document; `duplicates` are the keys that it holds more than once."""

    duplicates: tuple[Any, ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[Any, Any]]) -> "Pairs":
        """Build one, where the last value of a duplicate key counts."""
        pairs = list(pairs)
        made = cls(pairs)
        made.duplicates = repeated(key for key, _ in pairs)
        return made


def subset(document: Mapping[Any, Any], wanted: Container[Any]) -> Pairs:
    """Take only some keys of an object, with what is known about their duplicates."""
    made = Pairs((key, value) for key, value in document.items() if key in wanted)
    made.duplicates = tuple(key for key in getattr(document, "duplicates", ()) if key in wanted)
    return made


def repeated(words: Iterable[Hashable]) -> tuple[Any, ...]:
    """List the words that come more than once."""
    return tuple(word for word, count in Counter(words).items() if count > 1)


def read(file: Path) -> dict[Any, Any]:
    """Read a .json, .toml, .yaml or .yml file.

    Raises ConfigurationError, naming the file and the line, when it cannot be read or is malformed.
    """
    parse = _PARSERS.get(file.suffix.lower())
    if parse is None:
        raise ConfigurationError(
            f"{file}: its name must end in one of {', '.join(_PARSERS)}, which tells the format"
        )
    try:
        document = parse(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{file}: line {line}: this is not UTF-8 text") from error
    except RecursionError as error:
        raise ConfigurationError(f"{file}: it is nested too deeply") from error
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{file}: it must hold an object with keys, not {document!r:.60}")
    return document


_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)


def parse_json(text: str) -> Any:
    """Parse JSON. Raises ValueError whose text begins with the line."""
    # Blanks take the place of what is removed, so that lines and columns stay true.
    for extension in (_COMMENT, _TRAILING_COMMA):
        text = extension.sub(lambda found: found[1] or re.sub(r"[^\n]", " ", found[0]), text)
    try:
        return json.loads(text, object_pairs_hook=Pairs.of, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{place}: this is not JSON: {error.msg}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).removesuffix(")").rpartition(" (at ")
        raise ValueError(f"{place}: this is not TOML: {reason}") from error


def _parse_yaml(text: str) -> Any:
    from port104.service.yaml_documents import parse_yaml  # noqa: PLC0415 - commands without one start sooner

    return parse_yaml(text)


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".json": parse_json,
    ".toml": _parse_toml,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}
