"""The definitions in the chart are what the settings of entries make of them, in the form of Kubernetes."""

from pathlib import Path

import pytest
import yaml

from port104.registry.entries import Destination, Limits, LocalAE, Pipeline, Source
from port104.registry.job_templates import JobTemplate, JobVolume, Toleration
from port104.service import schema
from port104.service.custom_resources.judging import Declaration, Judge
from port104.service.custom_resources.kinds import RESOURCE_KINDS
from port104.service.registration import document_of

CHARTS = Path(__file__).parents[3] / "charts"
ENTRIES = (
    LocalAE(
        ae_title="COVIDAET",
        ignored_sop_classes=frozenset({"1.2.3"}),
        processor_settings={"timeout": 5, "pipeline-x": "lung"},
    ),
    Source(ae_title="CT1", hosts=("10.0.0.5", "ct1.local"), certificate_names=frozenset({"ct1"})),
    Destination(name="MYPACS", ae_title="MYPACSAET", host="10.0.0.5", port=1104),
    Pipeline(name="lung", command=("true", "x"), environment={"A": "b"}, limits=Limits(memory=1 << 40)),
    Pipeline(
        name="lung",
        kubernetes=JobTemplate(
            image="lung:2",
            limits={"nvidia.com/gpu": "1"},
            volumes=(JobVolume(mount_path="/models", claim="models"),),
            tolerations=(Toleration(operator="Exists"),),
        ),
    ),
)
TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


@pytest.fixture(params=RESOURCE_KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def definition(kind):
    return yaml.safe_load((CHARTS / "port104" / "crds" / f"{kind.plural}.yaml").read_text())


def schema_of(definition):
    [version] = definition["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def test_the_files_are_what_settings_make(kind, monkeypatch):
    monkeypatch.syspath_prepend(str(CHARTS))
    import crds  # noqa: PLC0415 - it is beside the chart

    written = (CHARTS / "port104" / "crds" / f"{kind.plural}.yaml").read_text()
    assert crds.made(kind) == written, "run make crds"


def test_a_spec_has_the_keys_of_an_entry(kind, definition):
    spec = schema_of(definition)["properties"]["spec"]
    assert [*spec["properties"]] == [key.name for key in schema.keys(kind.kind.settings)]
    required = [key.name for key in schema.keys(kind.kind.settings) if key.required and key.name != "name"]
    assert spec.get("required", []) == required


def test_schemas_are_structural(definition):
    def walk(node):
        assert not {*node} & {"$ref", "anyOf", "oneOf", "allOf", "not", "default", "title", "readOnly"}
        assert ("type" in node) is not ("x-kubernetes-int-or-string" in node)
        assert isinstance(node.get("type", ""), str)
        for below in (
            *node.get("properties", {}).values(),
            *map(node.get, ("items", "additionalProperties")),
        ):
            if below is not None:
                walk(below)

    walk(schema_of(definition))


def test_what_an_entry_says_fits(kind, definition):
    entries = [each for each in ENTRIES if isinstance(each, kind.kind.entry)]

    def fits(value, node):
        if value is None:
            return node.get("nullable", False)
        if "x-kubernetes-int-or-string" in node:
            return isinstance(value, int | str)
        below = node.get("properties", {})
        rest = node.get("additionalProperties")
        return isinstance(value, TYPES[node["type"]]) and (
            all(fits(each, below.get(key, rest)) for key, each in value.items())
            if isinstance(value, dict)
            else not isinstance(value, list) or all(fits(each, node["items"]) for each in value)
        )

    for entry in entries:
        assert fits(document_of(entry), schema_of(definition)["properties"]["spec"])


def test_kubectl_shows_whether_it_holds(kind, definition):
    names = definition["spec"]["names"]
    assert (names["kind"], names["plural"]) == (kind.name, kind.plural)
    [version] = definition["spec"]["versions"]
    assert "status" in version["subresources"]
    assert {"Accepted", "Age", "Message"} <= {each["name"] for each in version["additionalPrinterColumns"]}


def test_the_example_of_the_page_holds():
    page = (CHARTS.parent / "docs" / "custom-resources.md").read_text()
    manifests = yaml.safe_load_all(page.partition("```yaml\n")[2].partition("```")[0])
    plurals = {kind.name: kind.plural for kind in RESOURCE_KINDS}
    declared = []
    for each in manifests:
        name = each["metadata"]["name"]
        declared.append(Declaration(plurals[each["kind"]], name, name, 1, "", each["spec"]))
    judge = Judge(declared, "imaging")
    assert len(judge.judge(())) == len(RESOURCE_KINDS)
    assert {verdict.message for verdict in judge.verdicts.values()} == {"it holds"}
