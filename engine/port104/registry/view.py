"""What is known of the registry at one moment. Never changed: a change makes another view."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, cast

import msgspec

from port104.database.faults import DatabaseError
from port104.registry.entries import ENTRY_TYPES, Destination, Entry, LocalAE, Pipeline, alias_of
from port104.registry.references import LooseEnd, loose_ends
from port104.registry.store.contents import Contents, EntryRow, Row, TokenRow

EntryT = TypeVar("EntryT", bound=Entry)
_TYPES: dict[str, type[Entry]] = {each.word: each for each in ENTRY_TYPES}


class Kept(msgspec.Struct, frozen=True):
    """An entry. `revision`: the change that wrote it; `origin`: its place in the configuration, or empty."""

    entry: Entry
    revision: int = 0
    origin: str = ""


class View:
    """Entries and tokens. `generation`: of the store; `defaults`: the configuration's entries, in order."""

    def __init__(
        self,
        generation: int,
        defaults: Iterable[Kept],
        stored: "Mapping[type[Entry], _OfType]",
        tokens: Mapping[str, TokenRow],
    ) -> None:
        self.generation = generation
        self.defaults = tuple(defaults)
        self.tokens = tokens
        self._stored = stored
        self._given = {each: _OfType() for each in ENTRY_TYPES}
        for kept in self.defaults:
            self._given[type(kept.entry)].add(kept)
        self._digests = {row.digest: row for row in tokens.values()}
        self._sorted: dict[type[Entry], tuple[Kept, ...]] = {}
        self._loose_ends: tuple[LooseEnd, ...] | None = None

    @classmethod
    def of(cls, contents: Contents, defaults: Iterable[Kept], *, like: "View | None" = None) -> "View":
        """Make sense of what a store holds; `like` lends what is the same. Raises DatabaseError."""
        stored: dict[type[Entry], _OfType] = {each: _OfType() for each in ENTRY_TYPES}
        for row in contents.entries:
            entry_type = _type_of(row)
            known = None if like is None else like._stored[entry_type].by_name.get(row.name)  # noqa: SLF001
            if known is None or known.revision != row.revision:
                known = Kept(_entry_of(row, entry_type), row.revision)
            stored[entry_type].add(known)
        return cls(contents.generation, defaults, stored, {row.name: row for row in contents.tokens})

    def with_defaults(self, defaults: Iterable[Kept]) -> "View":
        """Return the view with other entries from the configuration."""
        return View(self.generation, defaults, self._stored, self.tokens)

    def changed(self, drop: Row | None, put: Row | None) -> "View":
        """Return the view after a change, which made the next generation."""
        generation = self.generation + 1
        touched = {_type_of(row) for row in (drop, put) if isinstance(row, EntryRow)}
        stored = {
            each: entries.copy() if each in touched else entries for each, entries in self._stored.items()
        }
        tokens = self.tokens
        if isinstance(drop, EntryRow):
            stored[_type_of(drop)].remove(drop.name)
        elif drop is not None:
            tokens = {name: row for name, row in tokens.items() if name != drop.name}
        if isinstance(put, EntryRow):
            entry_type = _type_of(put)
            stored[entry_type].add(Kept(_entry_of(put, entry_type), generation))
        elif put is not None:
            tokens = {**tokens, put.name: put}
        return View(generation, self.defaults, stored, tokens)

    def find(self, entry_type: type[Entry], name: str) -> Kept | None:
        """The entry of this name: the configuration's, else the stored one, be it hidden."""
        return self._given[entry_type].by_name.get(name) or self._stored[entry_type].by_name.get(name)

    def with_alias(self, entry_type: type[Entry], alias: str | None) -> Kept | None:
        """The entry of this alias, in the same order."""
        if alias is None:
            return None
        return self._given[entry_type].by_alias.get(alias) or self._stored[entry_type].by_alias.get(alias)

    def token_with(self, digest: str) -> TokenRow | None:
        """The token whose secret has this digest."""
        return self._digests.get(digest)

    def names(self, entry_type: type[Entry]) -> list[str]:
        """All names of a type, of hidden ones too."""
        return [*{**self._given[entry_type].by_name, **self._stored[entry_type].by_name}]

    def kept(self, entry_type: type[Entry]) -> tuple[Kept, ...]:
        """The entries of a type that hold, sorted by name."""
        found = self._sorted.get(entry_type)
        if found is None:
            hidden = {kept.entry.name for kept, _ in self._hidden(entry_type)}
            stored = self._stored[entry_type].by_name
            holding = [*self._given[entry_type].by_name.values()]
            holding += [kept for name, kept in stored.items() if name not in hidden]
            found = self._sorted[entry_type] = tuple(sorted(holding, key=lambda kept: kept.entry.name))
        return found

    def in_order(self, entry_type: type[EntryT]) -> list[EntryT]:
        """The entries of a type that hold: the configuration's in their order, then the stored by name."""
        stored = [kept for kept in self.kept(cast("type[Entry]", entry_type)) if not kept.origin]
        return [kept.entry for kept in (*self.defaults, *stored) if isinstance(kept.entry, entry_type)]

    def hidden(self) -> Iterator[tuple[Kept, Kept]]:
        """Stored entries that do not hold, and the entry of the configuration that holds instead."""
        for entry_type in ENTRY_TYPES:
            yield from self._hidden(entry_type)

    def loose_ends(self) -> tuple[LooseEnd, ...]:
        """What entries name that there is not."""
        if self._loose_ends is None:
            ends = loose_ends(self.in_order(LocalAE), self.in_order(Pipeline), self.in_order(Destination))
            self._loose_ends = tuple(ends)
        return self._loose_ends

    def _hidden(self, entry_type: type[Entry]) -> Iterator[tuple[Kept, Kept]]:
        seen: set[str] = set()
        stored = self._stored[entry_type]
        for given in self._given[entry_type].by_name.values():
            alias = alias_of(given.entry)
            for kept in (stored.by_name.get(given.entry.name), stored.by_alias.get(alias or "")):
                if kept is not None and kept.entry.name not in seen:
                    seen.add(kept.entry.name)
                    yield kept, given


class _OfType:
    """Entries of one type, found by name and by alias."""

    def __init__(self) -> None:
        self.by_name: dict[str, Kept] = {}
        self.by_alias: dict[str, Kept] = {}

    def copy(self) -> "_OfType":
        made = _OfType()
        made.by_name, made.by_alias = {**self.by_name}, {**self.by_alias}
        return made

    def add(self, kept: Kept) -> None:
        self.by_name[kept.entry.name] = kept
        alias = alias_of(kept.entry)
        if alias is not None:
            self.by_alias[alias] = kept

    def remove(self, name: str) -> None:
        alias = alias_of(self.by_name.pop(name).entry)
        if alias is not None:
            del self.by_alias[alias]


def row_of(entry: Entry) -> EntryRow:
    """Write an entry as a store keeps it."""
    return EntryRow(
        entry.word, entry.name, alias_of(entry), msgspec.json.encode(entry, order="sorted").decode()
    )


def _type_of(row: EntryRow) -> type[Entry]:
    found = _TYPES.get(row.kind)
    if found is None:
        raise DatabaseError(
            f"the registry has an entry of the unknown kind {row.kind!r}, {row.name!r}: was it written by a"
            " later version of port104? Start that one, or delete the row from table port104_entry"
        )
    return found


def _entry_of(row: EntryRow, entry_type: type[Entry]) -> Entry:
    try:
        entry = msgspec.json.decode(row.document, type=entry_type)
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise _unreadable(row, str(fault)) from fault
    if (entry.name, alias_of(entry)) != (row.name, row.alias):
        raise _unreadable(row, "its document has another name or AE title")
    return entry


def _unreadable(row: EntryRow, reason: str) -> DatabaseError:
    return DatabaseError(
        f"the registry's entry {row.kind} {row.name!r} cannot be read ({reason}): restore the database from a"
        " backup, or delete the row from table port104_entry and create the entry anew"
    )
