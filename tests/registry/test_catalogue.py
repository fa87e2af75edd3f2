"""What may be created, replaced and deleted, and what the refusals say; on every kind of store."""

import hashlib

import pytest

from port104.database.faults import DatabaseError
from port104.registry.catalogue import Catalogue, Token
from port104.registry.entries import Destination, LocalAE, Pipeline, Source
from port104.registry.faults import (
    ChangedEntryError,
    DuplicateEntryError,
    FixedFieldError,
    ReadOnlyEntryError,
    UnknownEntryError,
)
from port104.registry.registry import Admission
from port104.registry.view import Kept

COVID = LocalAE(
    ae_title="COVIDAET",
    name="covid",
    overwrite_same_instance=True,
    ignored_sop_classes=frozenset({"1.2", "1.3"}),
    allowed_sop_classes=frozenset({"1.4"}),
    accepted_transfer_syntaxes=frozenset({"1.2.840.10008.1.2"}),
    maximum_object_size=1000,
    processor="P",
    processor_settings={"timeout": 5, "groupBy": "0020,000D", "pipeline-a": "x"},
)
CT1 = Source(ae_title="CT1", hosts=("10.0.0.5", "ct1.local"), certificate_names=frozenset({"ct1"}))
PACS = Destination(name="PACS", ae_title="PACSAET", host="10.0.0.9", port=1104, tls=True, window=8)
SCRIPT = Pipeline(
    name="script",
    id="17",
    command=("python3", "x.py"),
    environment={"A": "1"},
    time_limit=0.5,
    destinations=("PACS",),
)
ALL = (COVID, CT1, PACS, SCRIPT)
GIVEN = Kept(LocalAE(ae_title="GIVEN"), origin="site.json: dicom.scp.aeTitles[0]")


@pytest.fixture
def catalogue(open_store):
    return Catalogue(open_store(), [GIVEN], clock=lambda: 1_800_000_000.5)


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.word)
def test_what_is_created_is_found_and_survives(open_store, entry):
    store = open_store()
    made = Catalogue(store).create(entry)
    assert (made.entry, made.revision, made.origin) == (entry, 1, "")
    store.close()
    again = Catalogue(open_store())
    assert again.find(type(entry), entry.name) == made
    assert again.kept(type(entry)) == (made,)


def test_names_are_the_ae_titles_where_none_are_given():
    assert LocalAE(ae_title="A").name == "A"
    assert Source(ae_title="A", hosts=("::1",)).name == "A"


def test_entries_are_sorted_by_name_and_those_of_the_configuration_among_them(catalogue):
    for name in ("b", "a", "z"):
        catalogue.create(LocalAE(ae_title=f"T-{name}", name=name))
    kept = catalogue.kept(LocalAE)
    assert [each.entry.name for each in kept] == ["GIVEN", "a", "b", "z"]
    assert [each.origin != "" for each in kept] == [True, False, False, False]


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.word)
def test_a_duplicate_is_refused(catalogue, entry):
    made = catalogue.create(entry)
    with pytest.raises(DuplicateEntryError) as caught:
        catalogue.create(entry)
    assert caught.value.field == "name"
    assert str(caught.value).endswith(
        f'{entry.title} "{entry.name}" already: choose another name, or change that one'
    )
    assert catalogue.find(type(entry), entry.name) == made


def test_two_local_aes_may_not_have_one_ae_title_but_sources_may(catalogue):
    catalogue.create(COVID)
    with pytest.raises(DuplicateEntryError) as caught:
        catalogue.create(LocalAE(ae_title="COVIDAET", name="other"))
    assert caught.value.field == "aeTitle"
    assert str(caught.value) == (
        'there is an AE title "COVIDAET" already, called "covid": choose another aeTitle, or change that one'
    )
    catalogue.create(CT1)
    catalogue.create(Source(ae_title="CT1", name="other", hosts=("10.0.0.6",)))


def test_a_pipeline_gets_an_id_and_keeps_it(catalogue):
    made = catalogue.create(Pipeline(name="a", folder="/x")).entry
    other = catalogue.create(Pipeline(name="b", folder="/x")).entry
    assert len({made.id, other.id, ""}) == 3
    catalogue.replace("a", Pipeline(name="c", folder="/y"), None)
    assert catalogue.find(Pipeline, "c").entry == Pipeline(name="c", id=made.id, folder="/y")
    with pytest.raises(
        FixedFieldError, match=f'the ID of the pipeline "c" is {made.id}, and never'
    ) as caught:
        catalogue.replace("c", Pipeline(name="c", id="other", folder="/y"), None)
    assert caught.value.field == "id"
    with pytest.raises(DuplicateEntryError) as taken:
        catalogue.create(Pipeline(name="d", id=made.id, folder="/y"))
    assert taken.value.field == "id"


def test_pipelines_are_found_by_id_and_by_name(catalogue):
    for name, number in (("a", "1"), ("1", "2")):
        catalogue.create(Pipeline(name=name, id=number, folder="/x"))
    registry = catalogue.registry(reject_unknown_sources=True)
    assert {key: each.name for key, each in registry.pipelines.items()} == {"1": "a", "2": "1"}
    found = {called: registry.pipeline(called) for called in ("a", "1", "2", "3")}
    assert {called: each and each.id for called, each in found.items()} == {
        "a": "1",
        "1": "1",  # an ID goes before a name
        "2": "2",
        "3": None,
    }


def test_what_is_named_and_there_is_not(catalogue):
    def lacking():
        return [(end.name, end.called) for end in catalogue.loose_ends()]

    covid, script = catalogue.create(COVID).entry, catalogue.create(SCRIPT).entry
    assert lacking() == [("covid", "x"), ("script", "PACS")]
    assert [words.partition(":")[0] for words in catalogue.warnings(covid)] == [
        'the AE title "covid" names the pipeline "x", which there is not'
    ]
    assert [words.partition(":")[0] for words in catalogue.warnings(script)] == [
        'the pipeline "script" names the destination "PACS", which there is not'
    ]
    pacs = catalogue.create(PACS).entry
    x = catalogue.create(Pipeline(name="x", folder="/x")).entry
    assert (lacking(), catalogue.warnings(pacs), catalogue.warnings(x)) == ([], (), ())
    renamed = catalogue.replace("x", Pipeline(name="y", folder="/x"), None).entry
    assert catalogue.warnings(renamed) == ()
    assert len(catalogue.warnings(renamed, "x")) == 1
    gone = catalogue.delete(Destination, "PACS", None).entry
    assert len(catalogue.warnings(gone)) == 1


def test_who_is_asked_for_a_number_must_be_there(catalogue):
    asking = catalogue.create(LocalAE(ae_title="ASKS", processor_settings={"expectedFrom": "PACS"})).entry
    (warning,) = catalogue.warnings(asking)
    assert warning.startswith('the AE title "ASKS" names the destination "PACS", which there is not')
    assert catalogue.warnings(catalogue.create(PACS).entry) == ()
    assert catalogue.warnings(asking) == ()


@pytest.mark.parametrize("entry", [LocalAE(ae_title="X", name="GIVEN"), LocalAE(ae_title="GIVEN", name="x")])
def test_what_the_configuration_has_cannot_be_created(catalogue, entry):
    with pytest.raises(
        DuplicateEntryError, match=r"in the configuration \(site\.json: dicom\.scp\.aeTitles\[0\]\)"
    ):
        catalogue.create(entry)


def test_one_name_may_be_of_several_kinds(catalogue):
    for entry in (LocalAE(ae_title="X"), Source(ae_title="X", hosts=("::1",)), Destination(**PEER, name="X")):
        catalogue.create(entry)
        assert catalogue.find(type(entry), "X").entry == entry


PEER = {"ae_title": "X", "host": "::1", "port": 104}


def test_replacing(catalogue):
    first = catalogue.create(CT1)
    changed = Source(ae_title="CT1", hosts=("10.0.0.6",))
    second = catalogue.replace("CT1", changed, first.revision)
    assert second.revision > first.revision
    assert catalogue.find(Source, "CT1") == second == Kept(changed, second.revision)
    third = catalogue.replace("CT1", CT1, None)
    assert third.revision > second.revision


def test_replacing_may_rename(catalogue):
    catalogue.create(COVID)
    renamed = LocalAE(ae_title="COVIDAET", name="new")
    catalogue.replace("covid", renamed, None)
    assert [kept.entry for kept in catalogue.kept(LocalAE)] == [GIVEN.entry, renamed]
    with pytest.raises(UnknownEntryError):
        catalogue.find(LocalAE, "covid")


def test_replacing_takes_no_others_name_or_ae_title(catalogue):
    catalogue.create(COVID)
    catalogue.create(LocalAE(ae_title="OTHER"))
    for entry in (LocalAE(ae_title="COVIDAET", name="OTHER"), LocalAE(ae_title="X", name="covid")):
        with pytest.raises(DuplicateEntryError):
            catalogue.replace("OTHER", entry, None)
    assert catalogue.find(LocalAE, "OTHER").entry == LocalAE(ae_title="OTHER")


def test_deleting(catalogue):
    made = catalogue.create(PACS)
    assert catalogue.delete(Destination, "PACS", made.revision) == made
    assert catalogue.kept(Destination) == ()
    with pytest.raises(UnknownEntryError):
        catalogue.delete(Destination, "PACS", None)


@pytest.mark.parametrize("change", ["replace", "delete"])
def test_what_somebody_else_changed_is_not_overwritten(catalogue, change):
    first = catalogue.create(CT1)
    second = catalogue.replace("CT1", CT1, None)
    with pytest.raises(ChangedEntryError, match=r"somebody changed the source \"CT1\" meanwhile") as caught:
        _do(catalogue, change, CT1, first.revision)
    assert caught.value.revision == second.revision
    assert catalogue.find(Source, "CT1") == second


def test_a_revision_never_comes_again(catalogue):
    first = catalogue.create(CT1)
    catalogue.delete(Source, "CT1", None)
    second = catalogue.create(CT1)
    assert second.revision > first.revision


@pytest.mark.parametrize("change", ["replace", "delete"])
def test_what_the_configuration_has_cannot_be_changed(catalogue, change):
    with pytest.raises(ReadOnlyEntryError) as caught:
        _do(catalogue, change, GIVEN.entry, None)
    assert caught.value.origin == GIVEN.origin
    assert str(caught.value) == (
        'the AE title "GIVEN" stands in the configuration: change it there (site.json: dicom.scp.aeTitles[0])'
    )


@pytest.mark.parametrize("change", ["replace", "delete"])
def test_what_is_not_there_cannot_be_changed(catalogue, change):
    catalogue.create(CT1)
    with pytest.raises(UnknownEntryError, match='there is no source "CT2"; did you mean "CT1"\\?'):
        _do(catalogue, change, Source(ae_title="CT2", hosts=("::1",)), None)
    with pytest.raises(UnknownEntryError, match='there is no destination "CT1": see port104 list dest'):
        catalogue.find(Destination, "CT1")


def _do(catalogue, change, entry, revision):
    if change == "replace":
        return catalogue.replace(entry.name, entry, revision)
    return catalogue.delete(type(entry), entry.name, revision)


def test_the_configuration_hides_what_is_stored(open_store):
    catalogue = Catalogue(open_store())
    by_name = LocalAE(ae_title="STORED", name="GIVEN")
    by_title = LocalAE(ae_title="GIVEN", name="other")
    free = LocalAE(ae_title="FREE")
    for entry in (by_name, by_title, free):
        catalogue.create(entry)
    assert catalogue.hidden() == ()
    catalogue.set_defaults([GIVEN])
    assert [kept.entry for kept in catalogue.kept(LocalAE)] == [free, GIVEN.entry]
    assert [*catalogue.registry(reject_unknown_sources=True).local_aes.values()] == [GIVEN.entry, free]
    assert catalogue.hidden() == (
        f'the stored AE title "GIVEN" does not hold: {GIVEN.origin} has the same',
        f'the stored AE title "other" does not hold: {GIVEN.origin} has the same',
    )
    catalogue.delete(LocalAE, "other", None)
    with pytest.raises(ReadOnlyEntryError):
        catalogue.delete(LocalAE, "GIVEN", None)
    catalogue.set_defaults([])
    assert {kept.entry.name for kept in catalogue.kept(LocalAE)} == {"GIVEN", "FREE"}
    assert catalogue.hidden() == ()


def test_the_registry_has_what_holds_and_the_configurations_sources_first(open_store):
    ours = Source(ae_title="CT1", name="z", hosts=("10.0.0.0/8",))
    catalogue = Catalogue(open_store(), [Kept(ours, origin="x"), GIVEN])
    theirs = Source(ae_title="CT1", name="a", hosts=("10.0.0.5",))
    for entry in (theirs, COVID, PACS):
        catalogue.create(entry)
    registry = catalogue.registry(reject_unknown_sources=False)
    assert registry.sources == (ours, theirs)
    assert registry.admit("COVIDAET", "CT1", "10.0.0.5") == Admission(COVID, ours)
    assert registry.destinations == {"PACS": PACS}
    assert registry.reject_unknown_sources is False


# ---- others ----


# An SQLite file has one owner.
SHARED = ["memory", pytest.param("postgresql", marks=pytest.mark.peer)]


@pytest.fixture
def others(open_store):
    """Two catalogues over one database."""
    return Catalogue(open_store()), Catalogue(open_store())


@pytest.mark.parametrize("open_store", SHARED, indirect=True)
def test_what_others_changed_is_read(others):
    ours, theirs = others
    assert theirs.refresh() is False
    made = ours.create(CT1)
    secret = ours.create_token("t", "read")
    with pytest.raises(UnknownEntryError):
        theirs.find(Source, "CT1")
    assert theirs.refresh() is True
    assert theirs.find(Source, "CT1") == made
    assert theirs.token_of(secret).scope == "read"
    assert theirs.refresh() is False
    assert ours.refresh() is False


@pytest.mark.parametrize("open_store", SHARED, indirect=True)
def test_a_change_is_decided_upon_the_newest_state(others):
    ours, theirs = others
    first = ours.create(CT1)
    with pytest.raises(DuplicateEntryError):
        theirs.create(CT1)
    ours.replace("CT1", CT1, first.revision)
    with pytest.raises(ChangedEntryError):
        theirs.delete(Source, "CT1", first.revision)
    ours.delete(Source, "CT1", None)
    with pytest.raises(UnknownEntryError):
        theirs.replace("CT1", CT1, None)
    assert theirs.create(CT1).entry == CT1
    ours.create(PACS)
    assert [kept.entry for kept in ours.kept(Source)] == [CT1]


@pytest.mark.parametrize("open_store", SHARED, indirect=True)
def test_a_refusal_is_decided_upon_the_newest_state_too(others):
    ours, theirs = others
    ours.create(CT1)
    assert theirs.refresh()
    ours.delete(Source, "CT1", None)
    assert theirs.create(CT1).entry == CT1
    secret = theirs.create_token("t", "admin")
    ours.delete_token("t")
    theirs.refresh()
    assert theirs.token_of(secret) is None


# ---- tokens ----


def test_tokens(catalogue):
    secret = catalogue.create_token("grafana", "read")
    admin = catalogue.create_token("admin", "admin")
    assert catalogue.tokens() == (
        Token("admin", "admin", "2027-01-15T08:00:00+00:00"),
        Token("grafana", "read", "2027-01-15T08:00:00+00:00"),
    )
    assert (catalogue.token_of(secret).scope, catalogue.token_of(admin).scope) == ("read", "admin")
    for wrong in ("", "port104_", secret[:-1], secret.upper(), hashlib.sha256(secret.encode()).hexdigest()):
        assert catalogue.token_of(wrong) is None
    assert len(secret) > 40
    with pytest.raises(DuplicateEntryError, match='there is a token "admin" already'):
        catalogue.create_token("admin", "read")
    catalogue.delete_token("grafana")
    assert catalogue.token_of(secret) is None
    with pytest.raises(UnknownEntryError, match='there is no token "grafana": see port104 list token'):
        catalogue.delete_token("grafana")


def test_a_secret_is_kept_nowhere(open_store):
    store = open_store()
    secret = Catalogue(store).create_token("t", "read")
    (row,) = store.read(None).tokens
    assert secret.removeprefix("port104_") not in repr(row)
    assert row.digest == hashlib.sha256(secret.encode()).hexdigest()


# ---- what is stored is not what was expected ----


def change_document(store, **changes):
    contents = store.read(None)
    (row,) = contents.entries
    fields = {"kind": row.kind, "name": row.name, "alias": row.alias, "document": row.document} | changes
    assert store.write(contents.generation, drop=row, put=type(row)(**fields))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"document": "{"}, "cannot be read"),
        ({"document": "{}"}, "cannot be read"),
        ({"document": '{"ae_title": "CT1", "hosts": "10.0.0.5"}'}, "cannot be read"),
        ({"document": '{"ae_title": "CT1", "hosts": [], "name": "X"}'}, "has another name"),
        ({"kind": "satellite"}, "later version of port104"),
    ],
)
def test_an_entry_that_cannot_be_understood_starts_nothing(open_store, changes, words):
    store = open_store()
    Catalogue(store).create(CT1)
    change_document(store, **changes)
    with pytest.raises(DatabaseError, match=words):
        Catalogue(store)


def test_an_entry_that_cannot_be_understood_changes_nothing_while_it_runs(open_store):
    store = open_store()
    catalogue = Catalogue(store)
    made = catalogue.create(CT1)
    change_document(store, document="{")
    for _ in range(2):
        with pytest.raises(DatabaseError, match="restore the database"):
            catalogue.refresh()
    assert catalogue.find(Source, "CT1") == made
