"""Write the definitions of custom resources: their schemas are those of entries in the API and configuration.

Run by `make crds`; tests/service holds the result against the files. What is not made of settings is the
frame: names, printer columns, status.

A structural schema (Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions") gives each
value one type and no reference. Defaults stay out of it: they are those of the port104 that reads it.
"""

from pathlib import Path
from typing import Any

import yaml

from port104.cluster.resources import API_VERSION, GROUP, VERSION
from port104.service.api.description import description
from port104.service.api.operations.operation import REFS, name_of
from port104.service.custom_resources.kinds import RESOURCE_KINDS, ResourceKind
from port104.service.registration import ORIGIN, WARNINGS

FOLDER = Path(__file__).parent / "port104" / "crds"
Schema = dict[str, Any]

_SHORT_NAMES = {"LocalAE": ["aet"], "Source": ["src"], "Destination": ["dest"], "Pipeline": []}
_COLUMNS = {
    "LocalAE": [("AE title", "string", ".spec.aeTitle")],
    "Source": [("AE title", "string", ".spec.aeTitle"), ("Host", "string", ".spec.hostIp")],
    "Destination": [
        ("AE title", "string", ".spec.aeTitle"),
        ("Host", "string", ".spec.hostIp"),
        ("Port", "integer", ".spec.port"),
        ("URL", "string", ".spec.url"),
    ],
    "Pipeline": [
        ("Command", "string", ".spec.command"),
        ("Image", "string", ".spec.kubernetes.image"),
        ("Webhook", "string", ".spec.webhook"),
    ],
}
_ACCEPTED = '.status.conditions[?(@.type=="Accepted")]'
_STATUS_COLUMNS = [
    ("Accepted", "string", f"{_ACCEPTED}.status"),
    ("Age", "date", ".metadata.creationTimestamp"),
    ("Message", "string", f"{_ACCEPTED}.message"),
]
_WIDE = {"Message", "URL", "Webhook"}
_NAME = "What people call it, unique. Left out: the name of the resource itself."
_STATUS: Schema = {
    "type": "object",
    "description": "Written by port104.",
    "properties": {
        "conditions": {
            "type": "array",
            "description": "Accepted: whether the newest spec holds; if not, the message says why.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type", "status", "reason", "message", "lastTransitionTime"],
                "properties": {
                    "type": {"type": "string", "maxLength": 316},
                    "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                    "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
                    "message": {"type": "string", "maxLength": 32768},
                    "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                    "lastTransitionTime": {"type": "string", "format": "date-time"},
                },
            },
        }
    },
}


def definition(kind: ResourceKind) -> Schema:
    """Make the definition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": _SHORT_NAMES[kind.name],
                "categories": ["port104"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        _column(*each) for each in (*_COLUMNS[kind.name], *_STATUS_COLUMNS)
                    ],
                    "schema": {"openAPIV3Schema": _schema(kind)},
                }
            ],
        },
    }


def _column(name: str, kind: str, path: str) -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": 1} if name in _WIDE else {})


def _schema(kind: ResourceKind) -> Schema:
    schemas = description()["components"]["schemas"]
    spec = _structural(schemas[name_of(kind.kind.settings)], schemas)
    properties = spec["properties"]
    del properties[ORIGIN], properties[WARNINGS]
    properties["name"]["description"] = _NAME
    required = [key for key in spec.pop("required") if key != "name"]
    if required:
        spec["required"] = required
    return {
        "type": "object",
        "description": f"{spec['description']} ({API_VERSION})",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _STATUS,
        },
    }


_KEPT = (
    *("description", "type", "pattern", "enum", "required"),
    *("minLength", "maxLength", "minimum", "maximum", "minItems"),
)


def _structural(schema: Schema, schemas: Schema) -> Schema:
    """Write a schema of the API's description as a structural one."""
    if "$ref" in schema:
        below = _structural(schemas[schema["$ref"].removeprefix(REFS.format(name=""))], schemas)
        return below | {key: schema[key] for key in ("description",) if key in schema}
    if "anyOf" in schema:
        return _one_of(schema, schemas)
    made = {key: schema[key] for key in _KEPT if schema.get(key) or schema.get(key) == 0}
    if "enum" in made:
        made["type"] = "string"  # msgspec leaves it out: JSON Schema needs none beside an enum
    if "items" in schema:
        made["items"] = _structural(schema["items"], schemas)
    if "properties" in schema:
        made["properties"] = {key: _structural(each, schemas) for key, each in schema["properties"].items()}
    elif isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = _structural(schema["additionalProperties"], schemas)
    return made


def _one_of(schema: Schema, schemas: Schema) -> Schema:
    """Find the one type: null is `nullable`, text or number has a mark; of text and a list it is the list."""
    choices = {each.get("type", "object"): each for each in schema["anyOf"]}
    nullable = choices.pop("null", None) is not None
    if {*choices} == {"string", "integer"}:
        made: Schema = {"x-kubernetes-int-or-string": True}
    else:
        made = _structural(choices.get("array") or next(iter(choices.values())), schemas)
    if "description" in schema:
        made = {"description": schema["description"], **made}
    return made | ({"nullable": True} if nullable else {})


def made(kind: ResourceKind) -> str:
    """Write the file of a kind."""
    head = "# Made by charts/crds.py from the settings of entries; make crds\n"
    return head + yaml.safe_dump(definition(kind), sort_keys=False, width=110, allow_unicode=True)


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    for kind in RESOURCE_KINDS:
        (FOLDER / f"{kind.plural}.yaml").write_text(made(kind))


if __name__ == "__main__":
    main()
