"""What can be said of an entry on the command line: flags and KEY=VALUE words, and the keys that they set.

The keys are those of documents (settings/), which checks the values; here it is said where each goes.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import click

from port104.service.commands.entry_flags import FLAGS, SETTINGS, WAYS, Flag, Form

_TYPES: Mapping[Form, type] = {"number": int, "amount": float}
_SEVERAL: tuple[Form, ...] = ("list", "names", "pairs")


def entry_options(word: str, *, new: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the flags of a kind, and the KEY=VALUE words of one that has some. `new`: for what is created."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        if word == "aetitle":
            command = click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")(command)
        for flag in reversed(FLAGS[word]):
            if new or not flag.only_new:
                command = _option(flag)(command)
        return command

    return decorate


def _option(flag: Flag) -> Callable[[Callable[..., None]], Callable[..., None]]:
    if flag.form == "switch":
        return click.option(flag.names, _parameter(flag), default=None, help=flag.help)
    return click.option(
        *flag.names.split("/"),
        _parameter(flag),
        metavar=flag.metavar,
        type=_TYPES.get(flag.form, str),
        multiple=flag.form in _SEVERAL,
        help=flag.help,
    )


def _parameter(flag: Flag) -> str:
    """How click calls it."""
    return "given_" + flag.key.replace(".", "_").lower()


def says_anything(word: str, given: Mapping[str, Any]) -> bool:
    """Whether anything of an entry was `given` (by click's names)."""
    values = (given.get(_parameter(flag)) for flag in FLAGS[word])
    return bool(given.get("settings")) or any(value not in (None, ()) for value in values)


def changed(word: str, old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Write a document with what was `given` (by click's names) instead of what `old` has.

    Raises click.UsageError for a word that is not of the form KEY=VALUE.
    """
    document = dict(old)
    settings = dict(old.get(SETTINGS, {}))
    said = []
    for flag in FLAGS[word]:
        value = given.get(_parameter(flag))
        if value is None or value == ():
            continue
        said.append(flag.key)
        value = _read(flag, value, old)
        if flag.key.startswith(f"{SETTINGS}."):
            _set(settings, flag.key.removeprefix(f"{SETTINGS}."), value)
        else:
            _put(document, flag.key, value)
        if flag.key == "hosts":
            document["hostIp"] = None  # -i says all of them
    _give_up_other_ways(document, said, WAYS.get(word, {}))
    for each in given.get("settings", ()):
        _set(settings, *_pair(each))
    if settings or SETTINGS in old:
        document[SETTINGS] = settings
    return document


def _read(flag: Flag, value: Any, old: Mapping[str, Any]) -> Any:
    """Write what was typed as the document has it."""
    match flag.form:
        case "list":
            return [word for each in value for word in each.replace(",", " ").split()]
        case "names":
            return [each for each in value if each]
        case "pairs":
            pairs = {**_known(flag.key, old), **dict(map(_pair, value))}
            return {key: each for key, each in pairs.items() if each}
        case "command":
            try:
                return shlex.split(value)
            except ValueError:
                return value  # whoever checks it says what is wrong
        case _:
            return value


def _known(key: str, old: Mapping[str, Any]) -> dict[str, Any]:
    """The pairs that a document has, also those of an object of it."""
    found: Any = old
    for part in key.split("."):
        found = (found or {}).get(part)
    return found or {}


def _give_up_other_ways(
    document: dict[str, Any], said: Collection[str], ways: Mapping[str, tuple[str, ...]]
) -> None:
    if not any(way in said for way in ways):
        return
    firsts = {key.partition(".")[0] for key in said}
    stays = firsts.union(*(belongings for way, belongings in ways.items() if way in said))
    for way, belongings in ways.items():
        first = way.partition(".")[0]
        for key in (first, *belongings):
            if first not in firsts and key not in stays and _says_something(document.get(key)):
                del document[key]


def _says_something(value: Any) -> bool:
    return any(each != 0 for each in value.values()) if isinstance(value, dict) else bool(value)


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    """Set a key of a document, or after a dot one of an object of it."""
    outer, dot, inner = key.partition(".")
    document[outer] = {**(document.get(outer) or {}), inner: value} if dot else value


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(
            f"{text!r} is not of the form KEY=VALUE, such as pipeline-covid=ID or timeout=30"
        )
    return key, value


def _set(settings: dict[str, Any], key: str, value: str) -> None:
    """Set one, or take it out where nothing is given; `group-by` and `groupBy` are the same."""
    folded = _folded(key)
    for known in [known for known in settings if _folded(known) == folded]:
        del settings[known]
    if value:
        settings[key] = value


def _folded(key: str) -> str:
    """What distinguishes a key; the name of a pipeline as it is."""
    return key if key.lower().startswith("pipeline-") else key.replace("-", "").lower()


def flags_of(word: str, field: str) -> str:
    """What sets a field of a document, as one types it; empty: nothing does."""
    whole, _, _ = field.partition("[")
    whole = "hosts" if word == "src" and whole == "hostIp" else whole
    for flag in FLAGS[word]:
        if flag.key == whole or (flag.form == "pairs" and whole.startswith(f"{flag.key}.")):
            return flag.names
    if whole.startswith(f"{SETTINGS}."):
        return f"{whole.removeprefix(f'{SETTINGS}.')}="
    return ""


def explained(word: str, faults: Iterable[tuple[str, str]]) -> list[str]:
    """Say of each fault which flag it is about, and which field."""
    lines = []
    for field, reason in faults:
        flags = flags_of(word, field)
        lines.append(f"{flags} ({field}): {reason}" if flags else f"{field}: {reason}")
    return lines
