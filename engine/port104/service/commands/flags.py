"""What can be said of an entry on the command line: flags and KEY=VALUE words, and the keys that they set.

The keys are those of documents (settings.py), which checks the values; here it is said where each goes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import click

Form = Literal["text", "number", "list", "switch"]

SETTINGS = "processorSettings"


class Flag(NamedTuple):
    """A flag. `key`: what it sets in the document, or in its `processorSettings` after a dot."""

    names: str
    key: str
    help: str
    form: Form = "text"
    metavar: str = "TEXT"


_AE_TITLE = Flag("-a/--ae-title", "aeTitle", "Its AE title, of 16 characters at most.", metavar="AETITLE")
_NAME = Flag("-n/--name", "name", "What people call it; default: the AE title.", metavar="NAME")
_IGNORED = Flag(
    "--ignored-sop-classes",
    "ignoredSopClasses",
    "Acknowledged with success and not stored; several, or with commas.",
    "list",
    "UID",
)
_ALLOWED = Flag(
    "--allowed-sop-classes",
    "allowedSopClasses",
    "Stored; default: all. Several, or with commas.",
    "list",
    "UID",
)

FLAGS: dict[str, tuple[Flag, ...]] = {
    "aetitle": (
        _AE_TITLE,
        _NAME,
        Flag(
            "--overwrite/--no-overwrite",
            "overwriteSameInstance",
            "Whether an instance that is sent again replaces the one stored before; default: no.",
            "switch",
        ),
        _IGNORED,
        _ALLOWED,
        Flag(
            "--transfer-syntaxes",
            "acceptedTransferSyntaxes",
            "Taken for instances; default: all. Several, or with commas.",
            "list",
            "UID",
        ),
        Flag(
            "--maximum-object-size",
            "maximumObjectSize",
            "Longest data set that is kept, 0: any; default: dicom.scp.maximumObjectSize.",
            "number",
            "BYTES",
        ),
        Flag("--processor", "processor", "Clara's job processor class."),
        Flag(
            "--group-by",
            f"{SETTINGS}.groupBy",
            "What instances of one job have in common; default: 0020,000D, the study.",
            metavar="TAG",
        ),
        Flag(
            "--timeout",
            f"{SETTINGS}.timeout",
            "After the last instance, until a job starts; default: 5.",
            metavar="SECONDS",
        ),
        Flag("--priority", f"{SETTINGS}.priority", "lower, normal, higher or immediate.", metavar="WORD"),
        Flag(
            "--job-retry-delay",
            f"{SETTINGS}.jobRetryDelay",
            "Until a job that could not be started is tried again.",
            metavar="MILLISECONDS",
        ),
    ),
    "src": (
        _AE_TITLE,
        _NAME,
        Flag(
            "-i/--host",
            "hosts",
            "Where it calls from: IP address, CIDR network or host name; several, or with commas.",
            "list",
            "HOST",
        ),
        _IGNORED,
        _ALLOWED,
        Flag(
            "--certificate-fingerprints",
            "certificateFingerprints",
            "SHA-256 of its certificate, where it must show one over TLS; several, or with commas.",
            "list",
            "DIGITS",
        ),
        Flag(
            "--certificate-names",
            "certificateNames",
            "A name that its certificate must have; several, or with commas.",
            "list",
            "NAME",
        ),
    ),
    "dest": (
        Flag("-n/--name", "name", "What pipelines call it.", metavar="NAME"),
        _AE_TITLE,
        Flag("-i/--host", "hostIp", "Where it listens: IP address or host name.", metavar="HOST"),
        Flag("-p/--port", "port", "Its TCP port.", "number", "PORT"),
        Flag("--tls/--no-tls", "tls", "Whether it is called over TLS; default: no.", "switch"),
        Flag(
            "--window",
            "window",
            "Operations outstanding that are proposed to it, 1 to 256; default: 1.",
            "number",
            "N",
        ),
    ),
}
"""Word of a kind (registration.Kind) -> its flags."""


def entry_options(word: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the flags of a kind, and the KEY=VALUE words of one that has some."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        if word == "aetitle":
            command = click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")(command)
        for flag in reversed(FLAGS[word]):
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
        type=int if flag.form == "number" else str,
        multiple=flag.form == "list",
        help=flag.help,
    )


def _parameter(flag: Flag) -> str:
    """How click calls it."""
    return "given_" + flag.key.replace(".", "_").lower()


def says_anything(word: str, given: Mapping[str, Any]) -> bool:
    """Whether anything of an entry was `given` (by click's names)."""
    values = (given[_parameter(flag)] for flag in FLAGS[word])
    return bool(given.get("settings")) or any(value not in (None, ()) for value in values)


def changed(word: str, old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Write a document with what was `given` (by click's names) instead of what `old` has.

    Raises click.UsageError for a word that is not of the form KEY=VALUE.
    """
    document = dict(old)
    settings = dict(old.get(SETTINGS, {}))
    for flag in FLAGS[word]:
        value = given[_parameter(flag)]
        if value is None or value == ():
            continue
        if flag.form == "list":
            value = [word for each in value for word in each.replace(",", " ").split()]
        if flag.key.startswith(f"{SETTINGS}."):
            _set(settings, flag.key.removeprefix(f"{SETTINGS}."), value)
        else:
            document[flag.key] = value
        if flag.key == "hosts":
            document["hostIp"] = None  # -i says all of them
    for each in given.get("settings", ()):
        _set(settings, *_pair(each))
    if settings or SETTINGS in old:
        document[SETTINGS] = settings
    return document


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
        if flag.key == whole:
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
