"""What texts must look like that Kubernetes is given. Each check returns the fault in words, or None.

What the API server would refuse later, run by run, is told when the entry is made.
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from port104.registry.job_templates import PAYLOAD
from port104.service.values import FAULTY

_LONGEST_IMAGE = 500
_LONGEST_NAME = 253
# DNS-1123 subdomain, qualified name, label value and quantity of Kubernetes' API conventions.
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"(?:(?P<prefix>[^/]+)/)?(?P<name>[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_SECRET_KEY = re.compile(r"[-A-Za-z0-9_.]+")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def image_fault(text: str) -> str | None:
    """Where an image is: printable, without blanks."""
    if not text or len(text) > _LONGEST_IMAGE or not text.isascii() or not text.isprintable() or " " in text:
        return "expected an image such as registry.example/lung:2"
    return None


def object_name_fault(text: str) -> str | None:
    """The name of an object in Kubernetes, or none."""
    return given_object_name_fault(text) if text else None


def given_object_name_fault(text: str) -> str | None:
    """A DNS subdomain (RFC 1123)."""
    if len(text) <= _LONGEST_NAME and _SUBDOMAIN.fullmatch(text):
        return None
    return "a name in Kubernetes has small letters, digits, hyphens and dots"


def secret_key_fault(text: str) -> str | None:
    """The key of a Secret."""
    if len(text) <= _LONGEST_NAME and _SECRET_KEY.fullmatch(text):
        return None
    return "a key of a Secret has letters, digits, hyphens, dots and underscores"


def quantity_fault(text: str) -> str | None:
    """A quantity, or none."""
    return None if not text or _QUANTITY.fullmatch(text) else "expected a quantity such as 500m, 2 or 16Gi"


def label_key_fault(text: str) -> str | None:
    """The key of a label or taint, or none."""
    if not text:
        return None
    found = _QUALIFIED.fullmatch(text)
    if found and (found["prefix"] is None or given_object_name_fault(found["prefix"]) is None):
        return None
    return "expected a key such as gpu or example.com/gpu"


def label_value_fault(text: str) -> str | None:
    """The value of a label or taint, which may be empty."""
    if _LABEL.fullmatch(text):
        return None
    return "a value has at most 63 letters, digits, hyphens, dots and underscores, none of these at its ends"


def effect_fault(text: str) -> str | None:
    """What a taint does, or nothing."""
    return None if text in ("", *_EFFECTS) else f"expected one of {', '.join(_EFFECTS)}, or nothing"


def words_fault(words: Sequence[str]) -> str | None:
    """A program's words."""
    return "no word may hold the character NUL" if any("\0" in str(word) for word in words) else None


def mount_path_fault(text: str) -> str | None:
    """Where a container finds a volume; nothing may hide the payload."""
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or ":" in text or "\0" in text or len(path.parts) < 2:
        return "expected an absolute path below /, such as /models"
    if path.is_relative_to(PAYLOAD):
        return f"{PAYLOAD} is where the payload is"
    return None


def mount_paths_fault(volumes: Sequence[Any]) -> str | None:
    """No two volumes at one path."""
    seen: set[PurePosixPath] = set()
    for each in volumes:
        if each is FAULTY:  # reported already
            continue
        path = PurePosixPath(each.mount_path)
        if path in seen:
            return f"two volumes are mounted at {path}"
        seen.add(path)
    return None


def sub_path_fault(text: str) -> str | None:
    """A path within a volume, or none."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\0" in text:
        return "expected a path within the volume, without .."
    return None


def read_quantity(name: str, value: object) -> tuple[str, str]:
    """Read one resource and its quantity, as decoding.NamedValue says. Raises ValueError."""
    if not name or label_key_fault(name):
        raise ValueError("expected the name of a resource, such as memory, cpu or nvidia.com/gpu")
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _QUANTITY.fullmatch(text):
        raise ValueError("expected a quantity such as 500m, 2 or 16Gi")
    return name, text


def read_label(name: str, value: object) -> tuple[str, str]:
    """Read one label of nodes, as decoding.NamedValue says. Raises ValueError."""
    fault = label_key_fault(name) or (None if name else "a label has a key")
    if fault is None and isinstance(value, str):
        fault = label_value_fault(value)
    if fault is not None:
        raise ValueError(fault)
    if not isinstance(value, str):
        raise ValueError("expected text")  # noqa: TRY004 - as decoding.NamedValue says
    return name, value
