"""The entries that hold: the configuration's, which are read-only, and the stored ones.

Rules that this room keeps:
- whether a change may be made is decided here, upon the newest generation of the store; where somebody else
  was quicker, it is decided anew;
- where configuration and store both have a name, or the AE title of a local AE, the configuration's entry
  holds and the stored one is hidden: what an administrator wrote down is what runs, and nothing is lost;
- what is known is replaced as a whole, so that other threads may read while one changes.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from port104.database.faults import DatabaseError
from port104.registry.entries import Destination, Entry, LocalAE, Pipeline, Source, alias_of
from port104.registry.faults import (
    ChangedEntryError,
    DuplicateEntryError,
    ReadOnlyEntryError,
    RegistryError,
    UnknownEntryError,
)
from port104.registry.likeness import by_folded, nearest
from port104.registry.pipeline_ids import with_id_of, with_new_id
from port104.registry.references import LooseEnd
from port104.registry.store.contents import Contents, EntryStore, Row, TokenRow
from port104.registry.view import Kept, View, row_of

if TYPE_CHECKING:
    from port104.registry.registry import Registry

Scope = Literal["read", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "admin")

# How often a change is decided anew because others were quicker; then something is wrong.
_MOST_TRIES = 100
_SECRET_BYTES = 32
_PREFIX = "port104_"  # so that scanners for secrets, and people, know one when they see it


class Token(msgspec.Struct, frozen=True):
    """Who may use the API; `created` in ISO 8601, UTC. The secret is not known any more."""

    name: str
    scope: Scope
    created: str


class Catalogue:
    """What there is, and how it is changed. Changes may wait for the store; the rest does not."""

    def __init__(
        self, store: EntryStore, defaults: Iterable[Kept] = (), *, clock: Callable[[], float] = time.time
    ) -> None:
        """Read everything. `defaults`: the configuration's entries, in order. Raises DatabaseError."""
        self._store = store
        self._clock = clock
        self._view = View.of(_everything(store), defaults)
        self._registry: Registry | None = None

    # ---- what there is ----

    def kept(self, entry_type: type[Entry]) -> tuple[Kept, ...]:
        """The entries of a type that hold, sorted by name."""
        return self._view.kept(entry_type)

    def find(self, entry_type: type[Entry], name: str) -> Kept:
        """One entry, a hidden one too. Raises UnknownEntryError."""
        found = self._view.find(entry_type, name)
        if found is None:
            raise _unknown(entry_type.word, entry_type.title, name, self._view.names(entry_type))
        return found

    def hidden(self) -> tuple[str, ...]:
        """Which stored entries an entry of the configuration hides, in words."""
        return tuple(
            f"the stored {kept.entry.title} {json.dumps(kept.entry.name)} does not hold:"
            f" {by.origin} has the same"
            for kept, by in self._view.hidden()
        )

    def loose_ends(self) -> tuple[LooseEnd, ...]:
        """What entries name that there is not."""
        return self._view.loose_ends()

    def warnings(self, entry: Entry, former_name: str = "") -> tuple[str, ...]:
        """What an entry lacks, or others since it went or lost its `former_name`, in words."""
        concerned = (end for end in self.loose_ends() if end.concerns(entry, former_name))
        return tuple(f"{end}: {end.hint}" for end in concerned)

    def registry(self, *, reject_unknown_sources: bool) -> "Registry":
        """What associations are judged by: the configuration's entries in order, then the stored by name."""
        from port104.registry.registry import Registry  # noqa: PLC0415 - commands judge none

        view = self._view
        self._registry = Registry(
            local_aes=view.in_order(LocalAE),
            sources=view.in_order(Source),
            destinations=view.in_order(Destination),
            pipelines=view.in_order(Pipeline),
            reject_unknown_sources=reject_unknown_sources,
            like=self._registry,
        )
        return self._registry

    def tokens(self) -> tuple[Token, ...]:
        """The tokens, sorted by name."""
        rows = sorted(self._view.tokens.values(), key=lambda row: row.name)
        return tuple(map(_token, rows))

    def token_of(self, secret: str) -> Token | None:
        """The token that has this secret; None: it is none of ours."""
        row = self._view.token_with(_digest(secret))
        return None if row is None else _token(row)

    # ---- changes ----

    def create(self, entry: Entry) -> Kept:
        """Store a new entry; a pipeline without an ID gets one. Raises DuplicateEntryError, DatabaseError."""
        entry = with_new_id(entry)

        def decide(view: View) -> _Change:
            _refuse_duplicate(view, entry, None)
            return _Change(put=row_of(entry))

        return Kept(entry, self._change(decide))

    def replace(self, name: str, entry: Entry, revision: int | None) -> Kept:
        """Store `entry` in place of the one called `name`, which may thereby get another name.

        `revision`: what it was decided upon; None: whatever there is now. A pipeline keeps its ID. Raises
        UnknownEntryError, ReadOnlyEntryError, ChangedEntryError, FixedFieldError, DuplicateEntryError,
        DatabaseError.
        """
        made: list[Entry] = []

        def decide(view: View) -> _Change:
            old = _changeable(view, type(entry), name, revision)
            made[:] = [with_id_of(old.entry, entry)]
            _refuse_duplicate(view, made[0], old)
            return _Change(drop=row_of(old.entry), put=row_of(made[0]))

        written = self._change(decide)
        return Kept(made[0], written)

    def delete(self, entry_type: type[Entry], name: str, revision: int | None) -> Kept:
        """Take an entry out of the store; returns what it was. Raises as `replace` does."""
        deleted: list[Kept] = []

        def decide(view: View) -> _Change:
            deleted[:] = [_changeable(view, entry_type, name, revision)]
            return _Change(drop=row_of(deleted[0].entry))

        self._change(decide)
        return deleted[0]

    def create_token(self, name: str, scope: Scope) -> str:
        """Make a token; returns its secret, which is kept nowhere.

        Raises DuplicateEntryError, DatabaseError.
        """
        secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        created = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")

        def decide(view: View) -> _Change:
            if name in view.tokens:
                raise DuplicateEntryError(
                    f"there is a token {json.dumps(name)} already: choose another name, or delete that one"
                )
            return _Change(put=TokenRow(name, scope, _digest(secret), created))

        self._change(decide)
        return secret

    def delete_token(self, name: str) -> None:
        """Let a token's secret be worth nothing any more. Raises UnknownEntryError, DatabaseError."""

        def decide(view: View) -> _Change:
            row = view.tokens.get(name)
            if row is None:
                raise _unknown("token", "token", name, view.tokens)
            return _Change(drop=row)

        self._change(decide)

    def refresh(self) -> bool:
        """Read what others changed; whether there was something. Raises DatabaseError."""
        contents = self._store.read(self._view.generation)
        if contents is None:
            return False
        self._view = View.of(contents, self._view.defaults, like=self._view)
        return True

    def set_defaults(self, defaults: Iterable[Kept]) -> None:
        """Put other entries in place of the configuration's."""
        self._view = self._view.with_defaults(defaults)

    def _change(self, decide: "Callable[[View], _Change]") -> int:
        """Make the change that `decide` asks for; returns the generation that it made."""
        for _ in range(_MOST_TRIES):
            view = self._view
            try:
                change = decide(view)
            except RegistryError:
                if self.refresh():
                    continue
                raise
            if self._store.write(view.generation, drop=change.drop, put=change.put):
                self._view = view.changed(change.drop, change.put)
                return self._view.generation
            self.refresh()
        raise DatabaseError("the registry is changed by others all the time: try again")


class _Change(msgspec.Struct, frozen=True):
    """What the store is to do."""

    drop: Row | None = None
    put: Row | None = None


def _everything(store: EntryStore) -> Contents:
    contents = store.read(None)
    assert contents is not None  # noqa: S101 - nothing was known
    return contents


def _changeable(view: View, entry_type: type[Entry], name: str, revision: int | None) -> Kept:
    """The stored entry that is to be changed, if it may be."""
    kept = view.find(entry_type, name)
    if kept is None:
        raise _unknown(entry_type.word, entry_type.title, name, view.names(entry_type))
    shown = f"{entry_type.title} {json.dumps(name)}"
    if kept.origin:
        raise ReadOnlyEntryError(
            f"the {shown} stands in the configuration: change it there ({kept.origin})", origin=kept.origin
        )
    if revision not in (None, kept.revision):
        raise ChangedEntryError(
            f"somebody changed the {shown} meanwhile (revision {kept.revision} instead of {revision}):"
            " look at it again, and repeat what still is to be changed",
            revision=kept.revision,
        )
    return kept


def _refuse_duplicate(view: View, entry: Entry, instead_of: Kept | None) -> None:
    """Neither name nor alias may be another's, be it hidden or the configuration's."""
    other = view.find(type(entry), entry.name)
    field, value = "name", entry.name
    if other is None or other is instead_of:
        other = view.with_alias(type(entry), alias_of(entry))
        field, value = entry.alias, alias_of(entry) or ""
    if other is None or other is instead_of:
        return
    where = f" in the configuration ({other.origin})" if other.origin else ""
    called = "" if field == "name" else f", called {json.dumps(other.entry.name)}"
    raise DuplicateEntryError(
        f"there is {_article(entry.title)} {entry.title} {json.dumps(value)} already{where}{called}:"
        f" choose another {field}, or change that one",
        field=field,
    )


def _article(word: str) -> str:
    return "an" if word[0] in "aeiouAEIOU" else "a"


def _unknown(word: str, title: str, name: str, names: Iterable[str]) -> UnknownEntryError:
    alike = nearest(name, by_folded([*names]))
    hint = f"; did you mean {json.dumps(alike)}?" if alike is not None else f": see port104 list {word}"
    return UnknownEntryError(f"there is no {title} {json.dumps(name)}{hint}")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: TokenRow) -> Token:
    return Token(row.name, _scope(row), row.created)


def _scope(row: TokenRow) -> Scope:
    """What the store says; anything that is not the wider one is the narrower one."""
    return "admin" if row.scope == "admin" else "read"
