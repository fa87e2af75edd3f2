"""What can be said of an entry on the command line: flags and KEY=VALUE words, and the keys that they set.

The keys are those of documents (settings/), which checks the values; here it is said where each goes.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import click

Form = Literal["text", "number", "amount", "list", "names", "pairs", "command", "switch"]
"""`list`: several, or one with commas; `names`: several, each of which may hold anything."""

SETTINGS = "processorSettings"


class Flag(NamedTuple):
    """A flag. `key`: what it sets in the document, or after a dot in an object of it."""

    names: str
    key: str
    help: str
    form: Form = "text"
    metavar: str = "TEXT"
    only_new: bool = False
    """Whether it cannot be changed afterwards."""


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
        Flag("--dicomweb", "url", "Or: where its DICOMweb services are, for STOW-RS.", metavar="URL"),
        Flag(
            "--dicomweb-token-file",
            "tokenFile",
            "File with a bearer token for its web server.",
            metavar="PATH",
        ),
        Flag(
            "--dicomweb-headers-file",
            "headersFile",
            "File with other headers for its web server, NAME: VALUE, one a line.",
            metavar="PATH",
        ),
        Flag("--tls/--no-tls", "tls", "Whether it is called over TLS; default: no.", "switch"),
        Flag(
            "--conversion",
            "conversion",
            "none or lossless: of what it refuses as it is; default: none.",
            metavar="WORD",
        ),
        Flag(
            "--associations",
            "associations",
            "Associations or connections with it at one time, 1 to 100; default: 2.",
            "number",
            "N",
        ),
        Flag(
            "--storage-commitment/--no-storage-commitment",
            "storageCommitment",
            "Whether results are delivered only once it says that it holds them; default: no.",
            "switch",
        ),
        Flag(
            "--window",
            "window",
            "Operations outstanding that are proposed to it, 1 to 256; default: 1.",
            "number",
            "N",
        ),
    ),
    "pipeline": (
        Flag("-n/--name", "name", "What people call it.", metavar="NAME"),
        Flag(
            "--id",
            "id",
            "What AE titles call it; default: it is made. It never changes.",
            metavar="ID",
            only_new=True,
        ),
        Flag(
            "--command",
            "command",
            "A program and its arguments, as typed; no shell comes between.",
            "command",
            "COMMAND",
        ),
        Flag(
            "-e/--environment",
            "environment",
            "A variable for the command; several. KEY= takes it out.",
            "pairs",
            "KEY=VALUE",
        ),
        Flag(
            "--memory",
            "limits.memory",
            "Address space of each of its processes; default: port104's own.",
            "number",
            "BYTES",
        ),
        Flag(
            "--open-files",
            "limits.openFiles",
            "Files that each of them may have open; default: as port104 may.",
            "number",
            "N",
        ),
        Flag(
            "--cpu-seconds",
            "limits.cpuSeconds",
            "CPU time of each of them; default: no limit.",
            "number",
            "N",
        ),
        Flag("--webhook", "webhook", "Or: the URL that is told of each run.", metavar="URL"),
        Flag(
            "--webhook-secret-file",
            "webhookSecretFile",
            "File with the secret that its messages are signed with.",
            metavar="PATH",
        ),
        Flag("--folder", "folder", "Or: the folder that each payload is put into.", metavar="PATH"),
        Flag("--concurrency", "concurrency", "Runs at one time; default: 1.", "number", "N"),
        Flag(
            "--time-limit",
            "timeLimit",
            "For one attempt, 0: no limit; default: 3600.",
            "amount",
            "SECONDS",
        ),
        Flag("--retries", "retries", "Attempts after the first; default: 3.", "number", "N"),
        Flag(
            "--destination",
            "destinations",
            "Name of a destination that results go to; several.",
            "names",
            "NAME",
        ),
    ),
}
"""Word of a kind (registration.Kind) -> its flags."""


_WAYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "pipeline": {"command": ("environment", "limits"), "webhook": ("webhookSecretFile",), "folder": ()},
    "dest": {
        "hostIp": ("aeTitle", "port", "tls", "conversion", "storageCommitment"),
        "url": ("tokenFile", "headersFile"),
    },
}
"""Of these an entry has one; to change it is to give up the others, and what belongs to them."""
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
    _give_up_other_ways(document, said, _WAYS.get(word, {}))
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
            pairs = {**old.get(flag.key, {}), **dict(map(_pair, value))}
            return {key: each for key, each in pairs.items() if each}
        case "command":
            try:
                return shlex.split(value)
            except ValueError:
                return value  # whoever checks it says what is wrong
        case _:
            return value


def _give_up_other_ways(
    document: dict[str, Any], said: Collection[str], ways: Mapping[str, tuple[str, ...]]
) -> None:
    if not any(way in said for way in ways):
        return
    firsts = {key.partition(".")[0] for key in said}
    for way, belongings in ways.items():
        for key in (way, *belongings):
            if way not in firsts and key not in firsts and _says_something(document.get(key)):
                del document[key]


def _says_something(value: Any) -> bool:
    return any(each != 0 for each in value.values()) if isinstance(value, dict) else bool(value)


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    """Set a key of a document, or after a dot one of an object of it."""
    outer, dot, inner = key.partition(".")
    document[outer] = {**document.get(outer, {}), inner: value} if dot else value


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
