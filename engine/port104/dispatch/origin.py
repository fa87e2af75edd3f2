"""What the ledger is told of a stored instance: by who received it, or by its file alone.

Reads files: call it from a worker thread.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from port104.jobs.grouping import GroupingRule, announced_by, value_of
from port104.jobs.ledger.arrivals import Arrival
from port104.storage.reading import read_elements, read_meta
from port104.storage.store import ROUTING_TAGS, StoredInstance

_SOP_CLASS_UID, _SOP_INSTANCE_UID = 0x00080016, 0x00080018
_STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
# File Meta Information (PS3.10 table 7.1-1)
_MEDIA_SOP_CLASS_UID, _MEDIA_SOP_INSTANCE_UID = 0x00020002, 0x00020003
_SOURCE_AE_TITLE, _RECEIVING_AE_TITLE = 0x00020016, 0x00020018

RuleOf = Callable[[str], GroupingRule]
"""Called AE title -> how it groups."""


class Told(NamedTuple):
    """A stored instance, as it was received. `received`: Unix time."""

    instance: StoredInstance
    received: float
    calling_ae_title: str
    address: str


def arrival_of(told: Told, rule_of: RuleOf) -> Arrival | None:
    """Describe what was received; None where its file is gone again."""
    instance = told.instance
    rule = rule_of(instance.called_ae_title)
    elements: Mapping[int, bytes] = instance.elements
    try:
        written = instance.path.stat().st_mtime_ns
        if not (instance.elements_complete and rule.tags.issubset(ROUTING_TAGS)):
            elements = read_elements(instance.path, rule.tags.union(ROUTING_TAGS))
    except FileNotFoundError:
        return None
    return Arrival(
        file=_below(instance.path),
        written=written,
        received=told.received,
        called_ae_title=instance.called_ae_title,
        calling_ae_title=told.calling_ae_title,
        address=told.address,
        sop_class_uid=_uid(elements, _SOP_CLASS_UID),
        sop_instance_uid=instance.sop_instance_uid,
        study_instance_uid=_uid(elements, _STUDY_INSTANCE_UID),
        series_instance_uid=_uid(elements, _SERIES_INSTANCE_UID),
        rule=rule,
        value=value_of(rule, elements),
        announced=announced_by(rule, elements),
    )


def arrival_in(path: Path, written: int, rule_of: RuleOf) -> Arrival | None:
    """Describe what the file says of itself; None where it is gone. Raises OSError."""
    try:
        meta = read_meta(path)
        rule = rule_of(_text(meta, _RECEIVING_AE_TITLE))
        elements = read_elements(path, rule.tags.union(ROUTING_TAGS))
    except FileNotFoundError:
        return None
    return Arrival(
        file=_below(path),
        written=written,
        received=written / 1e9,
        called_ae_title=_text(meta, _RECEIVING_AE_TITLE),
        calling_ae_title=_text(meta, _SOURCE_AE_TITLE),
        address="",
        sop_class_uid=_uid(meta, _MEDIA_SOP_CLASS_UID),
        sop_instance_uid=_uid(meta, _MEDIA_SOP_INSTANCE_UID),
        study_instance_uid=_uid(elements, _STUDY_INSTANCE_UID),
        series_instance_uid=_uid(elements, _SERIES_INSTANCE_UID),
        rule=rule,
        value=value_of(rule, elements),
        announced=announced_by(rule, elements),
    )


def _below(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _text(elements: Mapping[int, bytes], tag: int) -> str:
    return elements.get(tag, b"").decode("latin-1").replace("\0", "").strip()  # no database keeps a NUL


def _uid(elements: Mapping[int, bytes], tag: int) -> str:
    """At most as long as a UID may be (PS3.5 9): what is longer is none, and nobody looks for it."""
    return _text(elements, tag)[:64]
