"""Documents -> settings, with every fault and not only the first.

Two steps: `canonical` gives each key of a document its one spelling and finds the unknown ones;
`build` checks the values of the merged tree and makes the structs of settings/.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from port104.service import schema, suggestions
from port104.service.schema import Path
from port104.service.settings.section import Section
from port104.service.values import FAULTY, Faulty

_LONGEST_SHOWN = 100

Tree = dict[str, Any]
"""A document whose keys are spelt as in settings/."""


NamedValue = Callable[[str, Any], tuple[str, Any]]
"""Gives a key and its value their one form; raises ValueError, which says what is wrong."""


class Raw(str):
    """Text from the environment or a flag, in which a number or a boolean may be written."""

    __slots__ = ()


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    path: Path
    """Empty when the origin alone says where."""
    reason: str
    origin: str = ""
    """The file, variable or flag; filled in by whoever knows it."""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.origin, schema.path_text(self.path), self.reason)))


def canonical(
    document: Mapping[Any, Any], section: type[msgspec.Struct], faults: list[Fault], path: Path = ()
) -> Tree:
    """Spell every key as settings/ does; unknown and repeated keys become faults."""
    tree: Tree = {}
    repeated = getattr(document, "duplicates", ())
    faults += [Fault((*path, str(name)), "it is given more than once") for name in repeated]
    for name, value in document.items():
        if not isinstance(name, str):
            faults.append(Fault(path, f"a key must be text, not {name!r}"))
            continue
        key = schema.find(section, name)
        if key is None:
            suggestion = suggestions.nearest_key(section, path, name)
            known = (each.name for each in schema.keys(section))
            reason = f"unknown key{suggestions.did_you_mean(suggestion, known)}"
            faults.append(Fault((*path, name), reason))
        elif key.name in tree:
            faults.append(Fault((*path, name), f"it is the same key as {key.name}, given before"))
        else:
            tree[key.name] = _canonical_value(value, key, faults, (*path, key.name))
    return tree


def _canonical_value(value: Any, key: schema.Key, faults: list[Fault], path: Path) -> Any:
    if key.section is not None and isinstance(value, dict):
        return canonical(value, key.section, faults, path)
    if key.section is not None and value is None and key.default is not None:
        return {}  # `scp:` with nothing below it, in YAML
    if key.entry is not None and isinstance(value, list):
        return [
            canonical(entry, key.entry, faults, (*path, index)) if isinstance(entry, dict) else entry
            for index, entry in enumerate(value)
        ]
    return value


def build(section: type[msgspec.Struct], tree: Any, faults: list[Fault], path: Path = ()) -> Any:
    """Make the struct; what it returns is worth nothing when faults were added."""
    if not isinstance(tree, dict):
        return _wrong(tree, "an object with keys", faults, path)
    built: dict[str, Any] = {}
    for key in schema.keys(section):
        here = (*path, key.name)
        if key.name in tree:
            built[key.attribute] = _value(tree[key.name], key.hint, faults, here)
        elif key.required:
            faults.append(Fault(here, "it is required, and missing"))
            built[key.attribute] = FAULTY
    if FAULTY in built.values():
        return FAULTY
    made = section(**built)
    own = [*made.faults()] if isinstance(made, Section) else []
    faults += [Fault((*path, name), reason) for name, reason in own]
    return FAULTY if own else made


def _value(value: Any, hint: Any, faults: list[Fault], path: Path) -> Any:
    kind, extra = schema.bare(inspect.type_info(hint))
    if value is None and schema.is_optional(inspect.type_info(hint)):
        built = None
    elif isinstance(kind, inspect.StructType):
        built = build(kind.cls, value, faults, path)
    elif isinstance(kind, inspect.VarTupleType):
        built = _list(value, hint, kind, faults, path)
    elif "named" in extra:
        built = _named(value, extra["named"], kind, faults, path)
    else:
        built = _leaf(value, hint, faults, path)
    check = extra.get("check")
    reason = check(built) if check and built is not None and built is not FAULTY else None
    if reason is None:
        return built
    shown = "" if isinstance(built, tuple) or "secret" in extra else f"{_shown(value)} is wrong: "
    faults.append(Fault(path, shown + reason))
    return FAULTY


def _list(value: Any, hint: Any, kind: inspect.VarTupleType, faults: list[Fault], path: Path) -> Any:
    if not isinstance(value, list) or len(value) < (kind.min_length or 0):
        return _wrong(value, schema.described(kind), faults, path)
    item = schema.item_hint(hint)
    return tuple(_value(each, item, faults, (*path, n)) for n, each in enumerate(value))


def _named(value: Any, read: NamedValue, kind: inspect.Type, faults: list[Fault], path: Path) -> Any:
    """An object whose keys are no settings of ours; `read` knows them, and gives key and value one form."""
    if not isinstance(value, dict):
        return _wrong(value, schema.described(kind), faults, path)
    repeated = getattr(value, "duplicates", ())
    faults += [Fault((*path, str(name)), "it is given more than once") for name in repeated]
    built: dict[str, Any] = {}
    for given, each in value.items():
        try:
            name, read_value = read(str(given), each)
        except ValueError as fault:
            faults.append(Fault((*path, str(given)), str(fault)))
            continue
        if name in built:
            faults.append(Fault((*path, str(given)), f"it is the same key as {name}, given before"))
        built[name] = read_value
    return built


def _leaf(value: Any, hint: Any, faults: list[Fault], path: Path) -> Any:
    kind, extra = schema.bare(inspect.type_info(hint))
    raw = isinstance(value, Raw)
    plain = str(value) if raw else value
    if isinstance(kind, inspect.LiteralType) and isinstance(plain, str):
        plain = _choice(plain, kind, extra.get("synonyms", {}))
    try:
        return msgspec.convert(plain, hint, strict=not raw)
    except msgspec.ValidationError:
        return _wrong(value, schema.described(inspect.type_info(hint)), faults, path)


def _choice(text: str, kind: inspect.LiteralType, synonyms: Mapping[str, str]) -> str:
    """One of the values, in any case, or by another name for it; else the text."""
    folded = synonyms.get(text.lower(), text).lower()
    return next((str(value) for value in kind.values if str(value).lower() == folded), text)


def _wrong(value: Any, expected: str, faults: list[Fault], path: Path) -> Faulty:
    faults.append(Fault(path, f"{_shown(value)} is wrong: expected {expected}"))
    return FAULTY


def _shown(value: Any) -> str:
    """Write a value as JSON would, short, and safe to print."""
    if value is None or isinstance(value, bool | int | float | str):
        text = json.dumps(value)
    elif isinstance(value, list):
        text = "a list" if value else "an empty list"
    elif isinstance(value, dict):
        text = "an object"
    else:
        text = ascii(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
