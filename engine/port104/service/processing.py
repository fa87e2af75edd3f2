"""Clara's `processorSettings`: which there are, and what each may be.

One may write `5` or `"5"`, `group-by` or `groupBy`, a tag or its keyword; one form is kept.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from port104.jobs.grouping import GroupingRule
from port104.registry.entries import EXPECTED_FROM, PIPELINE, Pipeline
from port104.registry.likeness import by_folded, nearest
from port104.service.schema import fold

if TYPE_CHECKING:
    from port104.registry.registry import Registry

_TAG = re.compile(r"([0-9A-Fa-f]{4}),? ?([0-9A-Fa-f]{4})")
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_DAY_SECONDS = 86_400
_LATE = ("new", "all")
_PRIORITIES = ("lower", "normal", "higher", "immediate")


def read_setting(name: str, value: object) -> tuple[str, str | int]:
    """Give a setting's key and value their one form. Raises ValueError, which says what is wrong."""
    if name.lower().startswith(PIPELINE):
        return _pipeline(name, value)
    known = {fold(key): key for key in _READERS}
    key = known.get(fold(name))
    if key is None:
        alike = nearest(name, by_folded(_READERS))
        others = ", ".join((*_READERS, f"{PIPELINE}<name>"))
        raise ValueError("unknown key; " + (f"did you mean {alike}?" if alike else f"known here: {others}"))
    return key, _READERS[key](value)


def _pipeline(name: str, value: object) -> tuple[str, str | int]:
    pipeline = name[len(PIPELINE) :]
    if not pipeline.strip():
        raise ValueError(f"a name must follow {PIPELINE}")
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected the ID or the name of a pipeline, as text")
    return PIPELINE + pipeline, value


def _whole(value: object, least: int, most: int, unit: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"expected whole {unit} from {least} to {most}")
    return value


def _maximum_age(value: object) -> int:
    return _whole(value, 1, _DAY_SECONDS, "seconds")


def _late_instances(value: object) -> str:
    if isinstance(value, str) and value.lower() in _LATE:
        return value.lower()
    raise ValueError(f"expected one of {', '.join(_LATE)}")


def _destinations(value: object) -> str:
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else []
    if not names or not all(names):
        raise ValueError("expected names of destinations, with commas between them")
    return ",".join(names)


def _expected_from(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError("expected the name of a destination that answers queries")


def _timeout(value: object) -> int:
    return _whole(value, 1, _DAY_SECONDS, "seconds")


def _job_retry_delay(value: object) -> int:
    return _whole(value, 0, _DAY_SECONDS * 1000, "milliseconds")


def _priority(value: object) -> str:
    if isinstance(value, str) and value.lower() in _PRIORITIES:
        return value.lower()
    raise ValueError(f"expected one of {', '.join(_PRIORITIES)}")


def _group_by(value: object) -> str:
    """A tag, which becomes `0020,000D`, or a keyword of PS3.6."""
    text = value.strip() if isinstance(value, str) else ""
    bare = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    if found := _TAG.fullmatch(bare):
        return f"{found[1]},{found[2]}".upper()
    if _KEYWORD.fullmatch(text):
        from port104.storage.reading import tag_of  # noqa: PLC0415 - pydicom, which only this needs

        tag = tag_of(text)
        if tag is not None:
            return f"{tag >> 16:04X},{tag & 0xFFFF:04X}"
    raise ValueError("expected a tag (0020,000D) or the keyword of one (StudyInstanceUID; PS3.6)")


def rule_of(settings: Mapping[str, str | int]) -> GroupingRule:
    """How an AE title with these settings groups what it takes."""
    given: dict[str, Any] = {
        field: settings[key] for key, field in _OF_THE_RULE.items() if settings.get(key) is not None
    }
    if "tag" in given:
        given["tag"] = int(given["tag"].replace(",", ""), 16)
    return GroupingRule(**given)


def destinations_in(settings: Mapping[str, str | int]) -> tuple[str, ...]:
    """The destinations that an AE title with these settings names for results."""
    named = str(settings.get("destinations", ""))
    return tuple(named.split(",")) if named else ()


def destinations_of(registry: "Registry", called_ae_title: str, pipeline: Pipeline | None) -> tuple[str, ...]:
    """Where results of a pipeline go: to the destinations that it names, or else to those of the AE title."""
    if pipeline is not None and pipeline.destinations:
        return pipeline.destinations
    local_ae = registry.local_aes.get(called_ae_title)
    return () if local_ae is None else destinations_in(local_ae.processor_settings)


_OF_THE_RULE = {"timeout": "timeout", "groupBy": "tag", "maximumAge": "maximum_age", "lateInstances": "late"}

_READERS: dict[str, Callable[[object], str | int]] = {
    "timeout": _timeout,
    "groupBy": _group_by,
    "maximumAge": _maximum_age,
    "lateInstances": _late_instances,
    EXPECTED_FROM: _expected_from,
    "destinations": _destinations,
    "jobRetryDelay": _job_retry_delay,
    "priority": _priority,
}
