"""Which custom resources hold, and what is said of each. Sans-IO.

Rules that this room keeps:
- a resource holds as a whole or not at all: where its newest spec cannot hold, the one that held before does,
  as with the configuration when it is read again;
- what the configuration has nobody takes from it; of two resources that want the same, the one that has it
  keeps it, and where none has it the older one gets it: all engines come to the same;
- names and AE titles that change places at once may do so.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from port104.registry.entries import Entry, Pipeline, alias_of
from port104.registry.pipeline_ids import id_of_name
from port104.registry.view import Kept
from port104.service.custom_resources.kinds import BY_PLURAL
from port104.service.registration import FaultyEntryError, read_entry
from port104.service.schema import fold

Key = tuple[str, str]
"""The plural of its kind, and its UID: one that is created again under the same name is another one."""
Reason = Literal["Accepted", "Invalid", "Conflict"]


class Declaration(msgspec.Struct, frozen=True):
    """A custom resource as it was heard of last. `held`: its spec that held last; None: none did."""

    plural: str
    name: str
    uid: str
    generation: int
    created: str
    spec: Any
    held: Any = None

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.plural, self.uid


class Verdict(msgspec.Struct, frozen=True):
    """What is said of a resource. `holds`: what of it does, of this spec or of one before; None: nothing."""

    reason: Reason
    message: str
    holds: Kept | None = None

    @property
    def accepted(self) -> bool:
        """Whether its newest spec holds."""
        return self.reason == "Accepted"


class Judge:
    """Judges the same declarations beside whatever the configuration has. Never changed, but by `judge`."""

    def __init__(
        self, declarations: Iterable[Declaration], namespace: str, like: "Judge | None" = None
    ) -> None:
        """`like`: another one, which lends what it read."""
        self.declarations = tuple(sorted(declarations, key=lambda each: (each.created, *each.key)))
        self.verdicts: Mapping[Key, Verdict] = {}
        """Of the last time."""
        known = {} if like is None else like._read  # noqa: SLF001 - one of us
        self._read: dict[bytes, Entry | str] = {}
        for each in self.declarations:
            for spec in (each.spec, each.held):
                called = _called(each, spec)
                self._read[called] = known.get(called) or _entry_of(each, spec)
        self._namespace = namespace

    def judge(self, given: Sequence[Kept]) -> Sequence[Kept]:
        """Return the entries that hold beside the configuration's. A registrar.Declare."""
        taken = _Taken(given)
        verdicts: dict[Key, Verdict] = {}
        moving = {each.key: self._moves(each) for each in self.declarations}
        for each in sorted(self.declarations, key=lambda each: moving[each.key]):
            verdicts[each.key] = self._verdict(each, taken)
        self.verdicts = verdicts
        holding = [verdict.holds for verdict in verdicts.values() if verdict.holds is not None]
        return sorted(holding, key=lambda kept: kept.entry.name)

    def held(self) -> tuple[Declaration, ...]:
        """The declarations, each with the spec that held last."""
        return tuple(
            msgspec.structs.replace(each, held=each.spec) if self.verdicts[each.key].accepted else each
            for each in self.declarations
        )

    def _moves(self, each: Declaration) -> bool:
        """Whether it wants what it does not have yet: such ones wait for those that only keep theirs."""
        before, now = self._entry(each, each.held), self._entry(each, each.spec)
        if isinstance(before, str):
            return True
        return not isinstance(now, str) and {*_wanted(now)} != {*_wanted(before)}

    def _entry(self, each: Declaration, spec: Any) -> Entry | str:
        """What it says, or what is wrong with it in words."""
        return self._read[_called(each, spec)]

    def _verdict(self, each: Declaration, taken: "_Taken") -> Verdict:
        origin = origin_of(each, self._namespace)
        entry = self._entry(each, each.spec)
        reason: Reason = "Invalid"
        fault: str | None = entry if isinstance(entry, str) else None
        if not isinstance(entry, str):
            reason, fault = "Conflict", taken.fault(entry)
            if fault is None:
                return Verdict("Accepted", "it holds", taken.take(entry, origin))
        before = self._entry(each, each.held)
        if isinstance(before, str) or taken.fault(before) is not None:
            return Verdict(reason, f"{fault}; it does not hold")
        return Verdict(reason, f"{fault}; what it said before still holds", taken.take(before, origin))


def origin_of(each: Declaration, namespace: str) -> str:
    """Where it stands, in words."""
    return f"Kubernetes: {BY_PLURAL[each.plural].name} {namespace}/{each.name}"


class _Taken:
    """The names and aliases that somebody has."""

    def __init__(self, given: Collection[Kept]) -> None:
        self._by: dict[tuple[type[Entry], str, str], str] = {}
        for kept in given:
            self.take(kept.entry, kept.origin)

    def fault(self, entry: Entry) -> str | None:
        """What of it is another's, in words."""
        for field, value in _wanted(entry):
            origin = self._by.get((type(entry), field, value))
            if origin is not None:
                return f"spec.{field}: {json.dumps(value)} is that of another {entry.title} ({origin})"
        return None

    def take(self, entry: Entry, origin: str) -> Kept:
        for field, value in _wanted(entry):
            self._by[type(entry), field, value] = origin
        return Kept(entry, origin=origin)


def _wanted(entry: Entry) -> Iterator[tuple[str, str]]:
    """What must be unique: key and value."""
    yield "name", entry.name
    alias = alias_of(entry)
    if alias is not None:
        yield entry.alias, alias


def _called(each: Declaration, spec: Any) -> bytes:
    return msgspec.json.encode((each.plural, each.name, spec))


def _entry_of(each: Declaration, spec: Any) -> Entry | str:
    """Read a spec as the configuration would: what is wrong with it is said in the same words."""
    if not isinstance(spec, dict):
        return "spec: an object with keys is needed"
    if not any(fold(key) == "name" for key in spec):
        spec = {**spec, "name": each.name}
    try:
        entry = read_entry(BY_PLURAL[each.plural].kind, spec)
    except FaultyEntryError as faulty:
        return "; ".join(f"spec.{fault}" for fault in faulty.faults)
    if isinstance(entry, Pipeline) and not entry.id:
        return msgspec.structs.replace(entry, id=id_of_name(entry.name))
    return entry
