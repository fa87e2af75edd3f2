"""Settings from the environment: `PORT104_DICOM__SCP__PORT=11112`, in any case.

Two underscores stand between levels. With `_FILE` at its end the variable names a file that holds
the value, for secrets that are mounted. Lists and objects are written as JSON.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from port104.errors import ConfigurationError
from port104.service import documents, schema, suggestions
from port104.service.clara import Layer
from port104.service.decoding import Fault, Raw, Tree
from port104.service.settings.tree import Settings

PREFIX = "PORT104_"
_FILE = "_FILE"

NO_SETTINGS = frozenset({"PORT104_CONFIG", "PORT104_URL", "PORT104_TOKEN", "PORT104_TOKEN_FILE"})
"""The command line reads them: where the configuration and a running engine are."""

# Kubernetes sets these for every Service in a pod's namespace, among them one called port104:
# PORT104_SERVICE_HOST=10.0.0.1, PORT104_PORT=tcp://10.0.0.1:104, PORT104_PORT_104_TCP_ADDR=...
_SERVICE_LINK = re.compile(
    r"PORT104_(?:[A-Z0-9]+_)*(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_URL = re.compile(r"(?:tcp|udp|sctp)://")


def layers(environ: Mapping[str, str], faults: list[Fault]) -> Iterator[Layer]:
    """Make a layer of each variable that names a setting; what is wrong is added to the faults."""
    seen: dict[schema.Path, str] = {}
    for variable, value in sorted(environ.items()):
        if not _is_ours(variable, value):
            continue
        origin = f"environment {variable}"
        try:
            path, key, in_file = _resolve(variable)
            first = seen.setdefault(path, variable)
            if first != variable:
                raise ConfigurationError(f"{first} sets the same")  # noqa: TRY301
            text = _content(Path(value)) if in_file else value
            yield Layer(nested(path, _value(text, key)), origin)
        except ConfigurationError as error:
            faults.append(Fault((), str(error), origin))


def variable_name(path: str) -> str:
    """Return the variable that sets a key: `dicom.scp.port` -> `PORT104_DICOM__SCP__PORT`."""
    return PREFIX + path.replace(".", "__").upper()


def nested(path: schema.Path, leaf: Any) -> Tree:
    """Build the tree that holds one value."""
    tree: Any = leaf
    for part in reversed(path):
        tree = {part: tree}
    return {**tree}


def _is_ours(variable: str, value: str) -> bool:
    if not variable.upper().startswith(PREFIX) or variable.upper() in NO_SETTINGS:
        return False
    return not (
        _SERVICE_LINK.fullmatch(variable) or (variable.endswith("PORT") and _SERVICE_URL.match(value))
    )


def _resolve(variable: str) -> tuple[schema.Path, schema.Key, bool]:
    """Find the setting, and whether the value is in a file. Raises ConfigurationError."""
    name = variable[len(PREFIX) :]
    found = _find(name)
    if found is not None:
        return *found, False
    if name.upper().endswith(_FILE):
        found = _find(name[: -len(_FILE)])
        if found is not None:
            return *found, True
    raise ConfigurationError(f"no such setting{suggestions.did_you_mean(_nearest(name))}")


def _find(name: str) -> tuple[schema.Path, schema.Key] | None:
    """Follow a name down to a key that is not a section."""
    path, key, section, rest = _follow(name)
    return (path, key) if key is not None and section is None and not rest else None


_Section = type[msgspec.Struct] | None


def _follow(name: str) -> tuple[schema.Path, schema.Key | None, _Section, list[str]]:
    """Follow a name as far as it leads: the path, its key, the section there, the unknown rest."""
    section: _Section = Settings
    path: schema.Path = ()
    key: schema.Key | None = None
    parts = name.split("__")
    while parts and section is not None:
        below = schema.find(section, parts[0])
        if below is None:
            break
        parts, path, key, section = parts[1:], (*path, below.name), below, below.section
    return path, key, section, parts


def _nearest(name: str) -> str | None:
    """Find the variable most like an unknown one: first where its name stops to make sense."""
    known = [variable_name(text) for text, _ in schema.leaves(Settings) if "[" not in text]
    path, _, section, rest = _follow(name)
    if section is not None and rest:
        key = suggestions.nearest_key(section, path, rest[0])
        if key is not None and variable_name(key) in known:
            return variable_name(key)
    return suggestions.nearest(PREFIX + name, known)


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is not UTF-8 text") from error


def _value(text: str, key: schema.Key) -> Any:
    """Read a list or an object as JSON; a single word is judged later, like a file's."""
    if key.scalar:
        return Raw(text)
    try:
        return documents.parse_json(text)
    except ValueError as error:
        raise ConfigurationError(f"the value is not JSON, as a list must be: {error}") from error
