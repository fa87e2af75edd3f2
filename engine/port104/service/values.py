"""What a setting's text must look like. Each check returns the fault in words, or None.

A check is attached to a setting with `msgspec.Meta(extra={"check": ...})` (see settings/).
"""

import re
import shlex
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any

from port104.registry.addresses import is_host_name, parse_network
from port104.wire.identifiers import valid_ae_title, valid_uid

_LONGEST_UID = 64
_LONGEST_AE_TITLE = 16
_FINGERPRINT_DIGITS = 64
_LONGEST_NAME = 64  # so that tables stay readable
_PIPELINE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Faulty:
    """What takes the place of a faulty value while the rest is checked."""


FAULTY = Faulty()

Check = Callable[[Any], str | None]


def ae_title_fault(text: str) -> str | None:
    """PS3.5 6.2, VR AE.

    Spaces at the ends are legal on the wire, where they mean nothing; in a setting they can only be
    a mistake.
    """
    if valid_ae_title(text):
        return None
    if not text.strip(" "):
        return "an AE title must not be empty or blank"
    if len(text) > _LONGEST_AE_TITLE:
        return f"an AE title has at most {_LONGEST_AE_TITLE} characters, this one has {len(text)}"
    wrong = sorted({c for c in text if not " " <= c <= "~" or c == "\\"})
    if wrong:
        return f"an AE title is printable ASCII without \\, not {', '.join(map(ascii, wrong))}"
    if text != text.strip(" "):
        return "an AE title must not begin or end with a space"
    return "an AE title must not step up a path (..)"


def uid_fault(text: str) -> str | None:
    """PS3.5 9.1."""
    if valid_uid(text):
        return None
    if len(text) > _LONGEST_UID:
        return f"a UID has at most {_LONGEST_UID} characters, this one has {len(text)}"
    return "a UID is numbers without leading zeros, joined by dots (1.2.840.10008.1.1)"


def peer_fault(text: str) -> str | None:
    """Check where a peer calls from: an address, a network in CIDR notation, or a host name."""
    if "/" in text:
        return network_fault(text)
    return host_fault(text)


def host_fault(text: str) -> str | None:
    """One machine: an address or a host name."""
    try:
        parse_network(text)
    except ValueError:
        if is_host_name(text):
            return None
        return "it is neither an IP address nor a host name"
    return "one machine is needed here, not a network" if "/" in text else None


def network_fault(text: str) -> str | None:
    """An address, or a network in CIDR notation."""
    try:
        parse_network(text)
    except ValueError as error:
        return f"it is not a network in CIDR notation ({error})"
    return None


def fingerprint_fault(text: str) -> str | None:
    """SHA-256 as OpenSSL and others print it."""
    digits = text.replace(":", "").lower()
    if len(digits) == _FINGERPRINT_DIGITS and not set(digits) - set("0123456789abcdef"):
        return None
    return (
        "a SHA-256 fingerprint has 64 hexadecimal digits: openssl x509 -noout -fingerprint -sha256 -in FILE"
    )


def not_blank(text: str) -> str | None:
    """Any text but none."""
    return None if text.strip() else "it must not be empty"


def name_fault(text: str) -> str | None:
    """What people call an entry: printable, for it stands in tables, URLs and logs."""
    if not text.strip():
        return "it must not be empty"
    if len(text) > _LONGEST_NAME:
        return f"a name has at most {_LONGEST_NAME} characters, this one has {len(text)}"
    if not text.isprintable() or text != text.strip():
        return "a name is printable text that neither begins nor ends with a blank"
    return None


def name_or_none_fault(text: str) -> str | None:
    """A name, or none."""
    return name_fault(text) if text else None


def pipeline_id_fault(text: str) -> str | None:
    """What AE titles call a pipeline: fit for settings, file names and URLs as it is."""
    if _PIPELINE_ID.fullmatch(text):
        return None
    return "an ID has 1 to 64 characters of A-Z, a-z, 0-9, dot, hyphen and underscore"


def command_fault(command: str | tuple[str, ...]) -> str | None:
    """A program and its arguments, as typed or word by word; nothing at all is no command, and no fault."""
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError:
        return "a quotation in it has no end"
    if any("\0" in word for word in words):
        return "no word may hold the character NUL"
    return "its first word must be a program" if words and not words[0].strip() else None


def url_fault(text: str) -> str | None:
    """Where messages are posted to."""
    try:
        parts = urllib.parse.urlsplit(text)
        right = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right or not text.isascii() or not text.isprintable() or " " in text:
        return "expected a URL such as https://host.example:8443/path"
    if parts.username is not None or parts.password is not None:
        return "a URL is seen by many: let the receiver check signatures instead of a password in it"
    return "what follows # is never sent" if parts.fragment else None


def dicomweb_url_fault(text: str) -> str | None:
    """Where the services of a web server are; the resources are port104's to add (PS3.18 8.3)."""
    fault = url_fault(text)
    if fault is not None:
        return fault
    if "?" in text:
        return "nothing may follow ?: what the server wants to know of callers stands in headersFile"
    return "give what stands before /studies" if text.rstrip("/").endswith("/studies") else None


def absolute_path_fault(text: str) -> str | None:
    """A path that is the same wherever port104 was started."""
    if "\0" in text or not PurePath(text).is_absolute():
        return "expected an absolute path, such as /srv/port104"
    return None


def unique(*attributes: str, of: str) -> Check:
    """No two entries of a list agree in all these attributes (`of` names them in the fault)."""

    def check(entries: Iterable[Any]) -> str | None:
        seen: dict[tuple[Any, ...], int] = {}
        for index, entry in enumerate(entries):
            if entry is FAULTY:  # reported already
                continue
            key = tuple(getattr(entry, attribute) for attribute in attributes)
            first = seen.setdefault(key, index)
            if first != index:
                shown = " at ".join(f'"{part}"' for part in key)
                return f"entries {first} and {index} have the same {of} {shown}"
        return None

    return check


def every(*checks: Check) -> Check:
    """Join checks: the first fault found counts."""

    def check(value: Any) -> str | None:
        return next((fault for each in checks if (fault := each(value))), None)

    return check
