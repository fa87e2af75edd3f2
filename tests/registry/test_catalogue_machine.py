"""Catalogues over one store against a dictionary: whatever is done in whatever order, they agree."""

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, precondition, rule

from memory_store import MemoryStore, Shelf
from port104.registry.catalogue import Catalogue
from port104.registry.entries import Destination, LocalAE, Pipeline, Source
from port104.registry.faults import (
    ChangedEntryError,
    DuplicateEntryError,
    FixedFieldError,
    ReadOnlyEntryError,
    UnknownEntryError,
)
from port104.registry.view import Kept

NAMES = st.sampled_from(["A", "B", "C", "a"])
ENTRIES = st.one_of(
    st.builds(LocalAE, ae_title=NAMES, name=NAMES, overwrite_same_instance=st.booleans()),
    st.builds(Source, ae_title=NAMES, name=NAMES, hosts=st.sampled_from([("10.0.0.1",), ("a", "::1")])),
    st.builds(Destination, ae_title=NAMES, name=NAMES, host=st.just("h"), port=st.integers(1, 3)),
    st.builds(Pipeline, id=NAMES, name=NAMES, folder=st.sampled_from(["/a", "/b"])),
)
DEFAULTS = st.lists(
    ENTRIES,
    max_size=3,
    unique_by=(lambda e: (type(e), e.name), lambda e: (type(e), alias(e) or e.name)),
)
TYPES = st.sampled_from([LocalAE, Source, Destination, Pipeline])


def alias(entry):
    if isinstance(entry, LocalAE):
        return entry.ae_title
    return entry.id if isinstance(entry, Pipeline) else None


class CatalogueMachine(RuleBasedStateMachine):
    """One of two catalogues does each thing; the other hears of it when it asks, or when it must."""

    revisions = Bundle("revisions")

    def __init__(self):
        super().__init__()
        shelf = Shelf()
        self.catalogues = [Catalogue(MemoryStore(shelf)), Catalogue(MemoryStore(shelf))]
        self.stored = {}  # (type, name) -> Kept
        self.defaults = {}
        self.tokens = {}
        self.names = map(str, itertools.count())

    # ---- the model ----

    def found(self, key):
        return self.defaults.get(key) or self.stored.get(key)

    def taken(self, entry, instead_of=None):
        """Whether the entry would get in another one's way."""
        everybody = [*self.defaults.values(), *self.stored.values()]
        for kept in everybody:
            same_type = type(kept.entry) is type(entry)
            if kept is instead_of or not same_type:
                continue
            if kept.entry.name == entry.name or (alias(entry) and alias(kept.entry) == alias(entry)):
                return True
        return False

    def refusal(self, key, revision):
        """Why the entry may not be changed."""
        kept = self.found(key)
        if kept is None:
            return UnknownEntryError
        if kept.origin:
            return ReadOnlyEntryError
        return ChangedEntryError if revision not in (None, kept.revision) else None

    # ---- what is done ----

    @rule(target=revisions, who=st.integers(0, 1), entry=ENTRIES)
    def create(self, who, entry):
        if self.taken(entry):
            with pytest.raises(DuplicateEntryError):
                self.catalogues[who].create(entry)
            return multiple()
        kept = self.catalogues[who].create(entry)
        self.stored[type(entry), entry.name] = kept
        return kept.revision

    @rule(
        target=revisions,
        who=st.integers(0, 1),
        name=NAMES,
        entry=ENTRIES,
        revision=st.one_of(st.none(), revisions),
    )
    def replace(self, who, name, entry, revision):
        key = (type(entry), name)
        refusal = self.refusal(key, revision)
        if refusal is None and isinstance(entry, Pipeline) and entry.id != self.stored[key].entry.id:
            refusal = FixedFieldError
        if refusal is None and self.taken(entry, instead_of=self.stored[key]):
            refusal = DuplicateEntryError
        if refusal is not None:
            with pytest.raises(refusal):
                self.catalogues[who].replace(name, entry, revision)
            return multiple()
        kept = self.catalogues[who].replace(name, entry, revision)
        del self.stored[key]
        self.stored[type(entry), entry.name] = kept
        return kept.revision

    @rule(who=st.integers(0, 1), entry_type=TYPES, name=NAMES, revision=st.one_of(st.none(), revisions))
    def delete(self, who, entry_type, name, revision):
        refusal = self.refusal((entry_type, name), revision)
        if refusal is not None:
            with pytest.raises(refusal):
                self.catalogues[who].delete(entry_type, name, revision)
        else:
            assert self.catalogues[who].delete(entry_type, name, revision) == self.stored.pop(
                (entry_type, name)
            )

    @rule(entries=DEFAULTS)
    def set_defaults(self, entries):
        kept = [Kept(entry, origin="site.json") for entry in entries]
        self.defaults = {(type(each.entry), each.entry.name): each for each in kept}
        for catalogue in self.catalogues:
            catalogue.set_defaults(kept)

    @rule(who=st.integers(0, 1))
    def create_token(self, who):
        name = next(self.names)
        self.tokens[name] = self.catalogues[who].create_token(name, "admin")

    @precondition(lambda self: self.tokens)
    @rule(who=st.integers(0, 1), data=st.data())
    def delete_token(self, who, data):
        name = data.draw(st.sampled_from(sorted(self.tokens)))
        self.catalogues[who].delete_token(name)
        secret = self.tokens.pop(name)
        assert self.catalogues[who].token_of(secret) is None

    # ---- what holds once both have looked ----

    @rule()
    def they_agree(self):
        shown = {(type(kept.entry), alias(kept.entry)) for kept in self.defaults.values()}
        for catalogue in self.catalogues:
            catalogue.refresh()
            for entry_type in (LocalAE, Source, Destination, Pipeline):
                stored = [
                    kept
                    for key, kept in self.stored.items()
                    if key not in self.defaults
                    and (alias(kept.entry) is None or (type(kept.entry), alias(kept.entry)) not in shown)
                ]
                everything = [*self.defaults.values(), *stored]
                entries = [kept for kept in everything if type(kept.entry) is entry_type]
                assert [*catalogue.kept(entry_type)] == sorted(entries, key=lambda kept: kept.entry.name)
            assert {token.name for token in catalogue.tokens()} == set(self.tokens)
            assert all(catalogue.token_of(secret).scope == "admin" for secret in self.tokens.values())
            hidden = [key for key in self.stored if catalogue.find(*key) is not None]
            assert len(hidden) == len(self.stored)

    def teardown(self):
        self.they_agree()


TestCatalogue = CatalogueMachine.TestCase
TestCatalogue.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
