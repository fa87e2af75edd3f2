"""Which instances transferred make one audit message: those of one association, study, patient and action.

A message is due when its association ends, or a while after its first instance: a peer may keep an
association for days, and what is not written yet is lost if port104 is killed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from port104.service.audit.messages import Action, Transfer
from port104.wire.identifiers import valid_uid

SECONDS_HELD = 300.0
"""Long enough for nearly every study to come in one message."""
MOST_HELD = 256
"""Studies, patients and SOP classes of one association that are told apart before some must go: memory stays
bounded whatever UIDs a peer makes up, and a message stays far below what a datagram can carry."""

_SOP_CLASS_UID, _PATIENT_ID, _STUDY_INSTANCE_UID = 0x00080016, 0x00100020, 0x0020000D

WANTED_TAGS = frozenset({_SOP_CLASS_UID, _PATIENT_ID, _STUDY_INSTANCE_UID})

Elements = Mapping[int, bytes]
"""Raw values by tag (group << 16 | element)."""


class _Key(msgspec.Struct, frozen=True):
    action: Action
    study_instance_uid: bytes
    patient_id: bytes


class _Group(msgspec.Struct):
    since: float
    sop_classes: dict[bytes, int]


class _Brought(msgspec.Struct):
    """What one association brought, and how much of it is told apart."""

    groups: dict[_Key, _Group]
    distinct: int = 0


class Transfers:
    """Groups what was stored, by the numbers of the associations that brought it. Times in seconds."""

    def __init__(self) -> None:
        self._brought: defaultdict[int, _Brought] = defaultdict(lambda: _Brought({}))

    def add(self, association: int, action: Action, elements: Elements, now: float) -> bool:
        """Count one stored instance; `elements` need not hold all that is looked for.

        Returns whether the association holds so much by now that it must be taken.
        """
        brought = self._brought[association]
        key = _Key(action, elements.get(_STUDY_INSTANCE_UID, b""), elements.get(_PATIENT_ID, b""))
        group = brought.groups.get(key)
        if group is None:
            group = brought.groups[key] = _Group(now, {})
        sop_class = elements.get(_SOP_CLASS_UID, b"")
        number = group.sop_classes.get(sop_class, 0)
        group.sop_classes[sop_class] = number + 1
        brought.distinct += not number
        return brought.distinct >= MOST_HELD

    def take(self, association: int) -> Iterator[Transfer]:
        """Give out and forget all that the association brought."""
        if brought := self._brought.pop(association, None):
            for key, group in brought.groups.items():
                yield _transfer(key, group)

    def due(self, now: float) -> Iterator[tuple[int, Transfer]]:
        """Give out and forget what has been held for long enough, with its association."""
        for association, brought in self._brought.items():
            for key, group in tuple(brought.groups.items()):
                if now - group.since >= SECONDS_HELD:
                    del brought.groups[key]
                    brought.distinct -= len(group.sop_classes)
                    yield association, _transfer(key, group)


def _transfer(key: _Key, group: _Group) -> Transfer:
    sop_classes: defaultdict[str, int] = defaultdict(int)
    for value, number in group.sop_classes.items():
        sop_classes[_uid(value)] += number
    return Transfer(key.action, _uid(key.study_instance_uid), _text(key.patient_id), dict(sop_classes))


def _uid(value: bytes) -> str:
    """A UID without padding, or nothing: other text in its place may be anything, a name too."""
    uid = value.decode("latin-1").rstrip("\0 ")
    return uid if valid_uid(uid) else ""


def _text(value: bytes) -> str:
    """Decode a patient ID. Its character set is not known here; nearly all are ASCII."""
    try:
        return value.decode().strip("\0 ")
    except UnicodeDecodeError:
        return value.decode("latin-1").strip("\0 ")
