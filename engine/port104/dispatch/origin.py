"""What the ledger is told of a stored instance: by who received it, or by its file alone.

Reads files: call it from a worker thread.
"""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from port104.jobs.grouping import GroupingRule, announced_by, value_of
from port104.jobs.ledger.arrivals import Arrival, Provenance
from port104.storage.reading import read_elements, read_meta
from port104.storage.store import ROUTING_TAGS
from port104.storage.stored import StoredInstance

_SOP_CLASS_UID, _SOP_INSTANCE_UID = 0x00080016, 0x00080018
# The SOP Instance UID is told beside them.
_PICKED = frozenset(ROUTING_TAGS) - {_SOP_INSTANCE_UID}
_STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
# File Meta Information (PS3.10 table 7.1-1)
_MEDIA_SOP_CLASS_UID, _MEDIA_SOP_INSTANCE_UID = 0x00020002, 0x00020003
_SOURCE_AE_TITLE, _RECEIVING_AE_TITLE = 0x00020016, 0x00020018

RuleOf = Callable[[str], GroupingRule]
"""Called AE title -> how it groups."""


class Told(NamedTuple):
    """Stored instances, as they were received. `received`: Unix time."""

    instances: Collection[StoredInstance]
    received: float


class Caller(NamedTuple):
    """Who sent what comes over an association."""

    calling_ae_title: str
    address: str


_NOBODY = Caller("", "")


class Describer:
    """Describes what was received, a batch at a time: rules are those of its beginning."""

    def __init__(self, rule_of: RuleOf, callers: Mapping[int, Caller]) -> None:
        """`callers`: by the numbers of their associations."""
        self._rule_of = rule_of
        self._callers = callers
        self._rules: dict[str, tuple[GroupingRule, bool]] = {}
        self._provenances: dict[tuple[str, int, bytes], Provenance] = {}

    def arrival_of(self, instance: StoredInstance, received: float) -> Arrival | None:
        """Describe an instance that was `received` at a Unix time; None where its file is gone again.

        Raises OSError where it must be read and cannot be.
        """
        try:
            written = os.stat(f"{instance.instances}/{instance.file}").st_mtime_ns  # noqa: PTH116 - three times as fast
            provenance = self._provenance_of(instance)
        except FileNotFoundError:
            return None
        return Arrival(
            instance.file, written, instance.replaced, received, instance.sop_instance_uid, provenance
        )

    def _provenance_of(self, instance: StoredInstance) -> Provenance:
        """What was picked is the same for all instances of a series, but where it is no series' at all."""
        called = instance.called_ae_title
        rule, picked = self._rules.get(called) or self._look_up(called)
        if not (picked and instance.elements_complete):
            elements = read_elements(instance.path, rule.tags.union(ROUTING_TAGS))
            return self._describe(instance, rule, elements)
        key = called, instance.association, instance.picked
        known = self._provenances.get(key)
        if known is None:
            known = self._provenances[key] = self._describe(instance, rule, instance.elements)
        return known

    def _describe(
        self, instance: StoredInstance, rule: GroupingRule, elements: Mapping[int, bytes]
    ) -> Provenance:
        caller = self._callers.get(instance.association, _NOBODY)
        return _provenance(instance.called_ae_title, caller, _uid(elements, _SOP_CLASS_UID), rule, elements)

    def _look_up(self, called_ae_title: str) -> tuple[GroupingRule, bool]:
        """How it groups, and whether all that this asks for was picked while it passed."""
        rule = self._rule_of(called_ae_title)
        found = self._rules[called_ae_title] = rule, rule.tags.issubset(_PICKED)
        return found


def arrival_in(path: Path, written: int, rule_of: RuleOf) -> Arrival | None:
    """Describe what the file says of itself; None where it is gone. Raises OSError."""
    try:
        meta = read_meta(path)
        rule = rule_of(_text(meta, _RECEIVING_AE_TITLE))
        elements = read_elements(path, rule.tags.union(ROUTING_TAGS))
    except FileNotFoundError:
        return None
    caller = Caller(_text(meta, _SOURCE_AE_TITLE), "")
    called, sop_class_uid = _text(meta, _RECEIVING_AE_TITLE), _uid(meta, _MEDIA_SOP_CLASS_UID)
    return Arrival(
        file=_below(path),
        written=written,
        replaced=True,  # nobody remembers
        received=written / 1e9,
        sop_instance_uid=_uid(meta, _MEDIA_SOP_INSTANCE_UID),
        provenance=_provenance(called, caller, sop_class_uid, rule, elements),
    )


def _provenance(
    called_ae_title: str,
    caller: Caller,
    sop_class_uid: str,
    rule: GroupingRule,
    elements: Mapping[int, bytes],
) -> Provenance:
    return Provenance(
        called_ae_title=called_ae_title,
        calling_ae_title=caller.calling_ae_title,
        address=caller.address,
        sop_class_uid=sop_class_uid,
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
