"""The tree of settings as data, read from the structs in settings/.

Names are compared folded: without hyphens, in lower case. So Clara 0.7's `reject-unknown-sources`
and 0.8's `rejectUnknownSources` are one key, as are upper-case names of environment variables.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect, structs

Path = tuple[str | int, ...]
"""Where a setting stands: keys, and positions in lists."""


class Key(msgspec.Struct, frozen=True):
    """One key of a section."""

    name: str
    """As spelt in files: camelCase."""
    attribute: str
    """As spelt in Python."""
    hint: Any
    """The annotation in settings/."""
    kind: inspect.Type
    """What msgspec makes of it, without the `Metadata` around it."""
    extra: Mapping[str, Any]
    """What settings/ attached to it."""
    required: bool
    default: Any
    """Meaningless when required."""

    @property
    def section(self) -> type[msgspec.Struct] | None:
        """The struct, when the key holds a section."""
        return self.kind.cls if isinstance(self.kind, inspect.StructType) else None

    @property
    def entry(self) -> type[msgspec.Struct] | None:
        """The struct of one entry, when the key holds a list of them."""
        if isinstance(self.kind, inspect.VarTupleType):
            item, _ = bare(self.kind.item_type)
            if isinstance(item, inspect.StructType):
                return item.cls
        return None

    @property
    def scalar(self) -> bool:
        """Whether a single word can hold the value."""
        return not isinstance(self.kind, inspect.StructType | inspect.VarTupleType | inspect.DictType)


def fold(name: str) -> str:
    """Reduce a key to what distinguishes it from others."""
    return name.replace("-", "").lower()


def bare(kind: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    """Split a type from what was attached to it, or to the members of a union."""
    extra: dict[str, Any] = {}
    while isinstance(kind, inspect.Metadata):
        extra = {**(kind.extra or {}), **extra}
        kind = kind.type
    if (section := _optional_section(kind)) is not None:
        return section, extra
    if isinstance(kind, inspect.UnionType):
        for member in kind.types:
            extra = {**bare(member)[1], **extra}
    return kind, extra


def is_optional(kind: inspect.Type) -> bool:
    """Whether null may take the place of a section."""
    return _optional_section(kind) is not None


def _optional_section(kind: inspect.Type) -> inspect.StructType | None:
    """The section, where a type is one or null."""
    if not isinstance(kind, inspect.UnionType) or not kind.includes_none:
        return None
    others = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
    return others[0] if len(others) == 1 and isinstance(others[0], inspect.StructType) else None


@functools.cache
def keys(section: type[msgspec.Struct]) -> tuple[Key, ...]:
    """All keys of a section, in the order of their declaration."""
    hints = get_type_hints(section, include_extras=True)
    return tuple(_key(field, hints[field.name]) for field in structs.fields(section))


def _key(field: structs.FieldInfo, hint: Any) -> Key:
    kind, extra = bare(inspect.type_info(hint))
    default = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return Key(field.encode_name, field.name, hint, kind, extra, field.required, default)


def item_hint(hint: Any) -> Any:
    """Return X for an annotation `tuple[X, ...]`."""
    while get_origin(hint) is Annotated:
        hint = hint.__origin__
    return get_args(hint)[0]


@functools.cache
def find(section: type[msgspec.Struct], name: str) -> Key | None:
    """Look a key up by any of its spellings."""
    for key in keys(section):
        if fold(name) in map(fold, (key.name, *key.extra.get("aliases", ()))):
            return key
    return None


def leaves(section: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Key]]:
    """Every key that is not itself a section, with its path: `dicom.scp.aeTitles[].name`.

    A list of entries comes itself and is followed by the keys of its entries.
    """
    for key in keys(section):
        path = prefix + key.name
        if key.section is not None:
            yield from leaves(key.section, f"{path}.")
            continue
        yield path, key
        if key.entry is not None:
            yield from leaves(key.entry, f"{path}[].")


def path_text(path: Path) -> str:
    """Write a path as messages show it: `dicom.scp.sources[1].hostIp`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def described(kind: inspect.Type) -> str:
    """Say in words which values a type takes."""
    kind, extra = bare(kind)
    match kind:
        case inspect.IntType():
            words = "a whole number" + _range(kind)
        case inspect.FloatType():
            words = "a number" + _range(kind)
        case inspect.LiteralType():
            words = "one of " + ", ".join(map(str, kind.values))
        case inspect.VarTupleType():
            words = "a list, not empty" if kind.min_length else "a list"
        case inspect.UnionType():
            words = " or ".join(map(described, kind.types))
        case inspect.StrType():
            words = f"text ({extra['valid']})" if "valid" in extra else "text"
        case _:
            words = _PLAIN[type(kind)]
    return words


_PLAIN: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.DictType: "an object with named values",
    inspect.NoneType: "null",
    inspect.StructType: "an object with keys",
}


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.gt is not None:
        return f" above {kind.gt} and at most {kind.le}"
    if kind.ge is None:
        return ""
    return f" from {kind.ge} to {kind.le}" if kind.le is not None else f" of at least {kind.ge}"
