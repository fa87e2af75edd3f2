"""Which custom resources hold: whole or not at all, beside the configuration, the same on every engine."""

from hypothesis import given
from hypothesis import strategies as st

from port104.registry.entries import LocalAE, Pipeline, Source
from port104.registry.pipeline_ids import id_of_name
from port104.registry.view import Kept
from port104.service.custom_resources.judging import Declaration, Judge

CONFIGURED = Kept(LocalAE(ae_title="GIVEN"), origin="site.json: dicom.scp.aeTitles[0]")


def declared(name, spec, *, plural="localaes", held=None, created="2026-01-01T00:00:00Z"):
    return Declaration(plural, name, f"uid-{name}", 1, created, spec, held)


def judged(*declarations, configured=(CONFIGURED,)):
    judge = Judge(declarations, "imaging")
    return judge.judge(configured), {key[1][4:]: verdict for key, verdict in judge.verdicts.items()}, judge


def test_a_resource_is_an_entry_that_says_where_it_stands():
    holding, verdicts, judge = judged(declared("covid", {"aeTitle": "COVIDAET"}))
    expected = LocalAE(ae_title="COVIDAET", name="covid")
    assert holding == [Kept(expected, origin="Kubernetes: LocalAE imaging/covid")]
    assert verdicts["covid"].accepted
    assert [each.held for each in judge.held()] == [{"aeTitle": "COVIDAET"}]


def test_a_name_may_be_given():
    [kept], _, _ = judged(
        declared("my-pacs", {"aeTitle": "A", "hostIp": "10.0.0.5", "name": "MYPACS"}, plural="sources")
    )
    assert kept.entry == Source(ae_title="A", hosts=("10.0.0.5",), name="MYPACS")


def test_a_pipeline_has_the_id_of_its_name():
    [kept], _, _ = judged(declared("lung", {"folder": "/x"}, plural="pipelines"))
    assert isinstance(kept.entry, Pipeline)
    assert kept.entry.id == id_of_name("lung")


def test_everything_that_is_wrong_is_said():
    spec = {"aeTitle": "MUCH_TOO_LONG_FOR_AN_AE_TITLE", "ignoredSopClass": ["1.2"]}
    holding, verdicts, _ = judged(declared("covid", spec), declared("other", "text"))
    assert holding == []
    verdict = verdicts["covid"]
    assert (verdict.accepted, verdict.reason, verdict.holds) == (False, "Invalid", None)
    assert "spec.aeTitle: " in verdict.message
    assert "at most 16 characters" in verdict.message
    assert "did you mean ignoredSopClasses?" in verdict.message
    assert verdict.message.endswith("; it does not hold")
    assert verdicts["other"].message.startswith("spec: an object with keys is needed")


def test_where_the_new_spec_is_wrong_the_one_before_holds():
    before = {"aeTitle": "COVIDAET"}
    [kept], verdicts, judge = judged(declared("covid", {"aeTitle": ""}, held=before))
    assert kept.entry.ae_title == "COVIDAET"
    assert not verdicts["covid"].accepted
    assert verdicts["covid"].message.endswith("; what it said before still holds")
    assert [each.held for each in judge.held()] == [before]


def test_what_the_configuration_has_nobody_takes():
    holding, verdicts, _ = judged(declared("covid", {"aeTitle": "GIVEN"}))
    assert holding == []
    assert verdicts["covid"].reason == "Conflict"
    expected = 'spec.aeTitle: "GIVEN" is that of another AE title (site.json: dicom.scp.aeTitles[0])'
    assert verdicts["covid"].message.startswith(expected)


def test_the_older_of_two_gets_what_both_want():
    older = declared("b", {"aeTitle": "X"}, created="2026-01-01T00:00:00Z")
    younger = declared("a", {"aeTitle": "X"}, created="2026-01-02T00:00:00Z")
    [kept], verdicts, _ = judged(younger, older)
    assert kept.entry.name == "b"
    assert "Kubernetes: LocalAE imaging/b" in verdicts["a"].message


def test_who_has_it_keeps_it():
    older = declared("b", {"aeTitle": "X"}, held={"aeTitle": "Y"}, created="2026-01-01T00:00:00Z")
    younger = declared("a", {"aeTitle": "X"}, held={"aeTitle": "X"}, created="2026-01-02T00:00:00Z")
    holding, verdicts, _ = judged(younger, older)
    assert {kept.entry.name: kept.entry.ae_title for kept in holding} == {"a": "X", "b": "Y"}
    assert not verdicts["b"].accepted


def test_two_may_change_places():
    one = declared("a", {"aeTitle": "X"}, held={"aeTitle": "Y"})
    two = declared("b", {"aeTitle": "Y"}, held={"aeTitle": "X"})
    holding, verdicts, _ = judged(one, two)
    assert {kept.entry.name: kept.entry.ae_title for kept in holding} == {"a": "X", "b": "Y"}
    assert all(verdict.accepted for verdict in verdicts.values())


def test_sources_may_share_an_ae_title():
    specs = [{"aeTitle": "CT", "hostIp": f"10.0.0.{number}"} for number in (1, 2)]
    holding, _, _ = judged(*(declared(f"ct{at}", spec, plural="sources") for at, spec in enumerate(specs)))
    assert len(holding) == 2


TITLES = st.sampled_from(["X", "Y", "Z", "GIVEN", ""])


@given(st.lists(st.tuples(TITLES, st.none() | TITLES), max_size=5), st.randoms())
def test_no_two_entries_have_the_same_and_the_order_heard_makes_no_difference(specs, random):
    made = [
        declared(f"n{at}", {"aeTitle": title}, held=None if held is None else {"aeTitle": held})
        for at, (title, held) in enumerate(specs)
    ]
    holding, verdicts, judge = judged(*made)
    titles = [kept.entry.ae_title for kept in holding]
    assert len({*titles}) == len(titles)
    assert not {*titles} & {"GIVEN", ""}
    random.shuffle(made)
    again, same, _ = judged(*made)
    assert (again, same) == (holding, verdicts)
    settled, still, _ = judged(*judge.held())
    assert {kept.entry.name for kept in settled} >= {name for name, each in verdicts.items() if each.accepted}
    assert all(still[name].accepted for name, each in verdicts.items() if each.accepted)
