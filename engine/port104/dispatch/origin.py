"""What the ledger is told of a stored instance: by who received it, or by its file alone.

Reads files: call it from a worker thread.
"""

import os
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


class Describer:
    """Describes what was received, a batch at a time: rules are those of its beginning."""

    def __init__(self, rule_of: RuleOf) -> None:
        self._rule_of = rule_of
        self._rules: dict[str, tuple[GroupingRule, bool]] = {}

    def arrival_of(self, told: Told) -> Arrival | None:
        """Describe an instance; None where its file is gone again."""
        instance = told.instance
        called = instance.called_ae_title
        rule, picked = self._rules.get(called) or self._look_up(called)
        elements: Mapping[int, bytes] = instance.elements
        try:
            written = os.stat(f"{instance.instances}/{instance.file}").st_mtime_ns  # noqa: PTH116 - three times as fast
            if not (picked and instance.elements_complete):
                elements = read_elements(instance.path, rule.tags.union(ROUTING_TAGS))
        except FileNotFoundError:
            return None
        return Arrival(
            file=instance.file,
            written=written,
            replaced=instance.replaced,
            received=told.received,
            called_ae_title=called,
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

    def _look_up(self, called_ae_title: str) -> tuple[GroupingRule, bool]:
        """How it groups, and whether all that this asks for was picked while it passed."""
        rule = self._rule_of(called_ae_title)
        found = self._rules[called_ae_title] = rule, rule.tags.issubset(ROUTING_TAGS)
        return found


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
        replaced=True,  # nobody remembers
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
    text = elements.get(tag, b"").strip(b"\0 ").decode("latin-1")
    return text.replace("\0", "") if "\0" in text else text  # no database keeps a NUL


def _uid(elements: Mapping[int, bytes], tag: int) -> str:
    """At most as long as a UID may be (PS3.5 9): what is longer is none, and nobody looks for it."""
    return _text(elements, tag)[:64]
