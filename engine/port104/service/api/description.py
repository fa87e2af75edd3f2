"""The API described for programs (OpenAPI 3.1), made from what the service itself reads and answers with.

One truth: the schemas of entries are those of the configuration (settings/), with its ranges and its words;
the other ones are the structs that are answered. What each path does stands in operations/.
"""

import ast
import functools
import inspect
import itertools
import textwrap
from collections.abc import Sequence
from importlib.metadata import version

import msgspec

from port104.export.dimse import Verification
from port104.jobs.ledger.looking.exports import Export, ExportDetail
from port104.jobs.ledger.looking.groups import Group
from port104.jobs.ledger.looking.instances import Instance
from port104.jobs.ledger.looking.jobs import Job, JobDetail
from port104.jobs.ledger.looking.results import Result
from port104.jobs.ledger.looking.ways import InstanceWay
from port104.registry.catalogue import Token
from port104.service.api import health
from port104.service.api.drain import Draining
from port104.service.api.operations.every import operations
from port104.service.api.operations.operation import JSON, REFS, Operation, Schema, name_of, ref
from port104.service.api.problems import MEDIA_TYPE, Problem
from port104.service.associations import Association
from port104.service.registration import KINDS, ORIGIN, WARNINGS
from port104.service.schema import keys

_ANSWERED = (
    *(Association, Instance, InstanceWay, Group, Job, JobDetail, Result, Export, ExportDetail),
    *(health.Status, Draining, Problem, Token, Verification),
)
_PROBLEMS = {
    304: "what the client has is what there is",
    400: "the request is wrong: `errors` names each field or parameter",
    401: "a token is needed, or is not known",
    403: "the token's scope does not do, or a web page of another site asks",
    404: "there is none",
    409: "a name, AE title or ID is taken or read-only, the ID another, or nothing is in such a state",
    412: "somebody else changed the entry meanwhile",
    413: "the body is too large",
    415: "the body is no JSON",
    507: "space runs low on the storage folder's volume, or its disk fails",
    503: "the database cannot be used now",
}


@functools.cache
def description() -> Schema:
    """Return the OpenAPI description."""
    paths: dict[str, Schema] = {}
    for operation in operations():
        paths.setdefault(operation.path, {})[operation.method] = _written(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "port104",
            "version": version("port104"),
            "description": "AE titles, sources, destinations and pipelines, changed while port104 runs;"
            " associations; what was received, and what became of it; jobs; delivery; health.",
        },
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _written(operation: Operation) -> Schema:
    status, words, schema = operation.answers
    answer: Schema = {"description": words}
    if schema is not None:
        answer["content"] = {operation.media_type: {"schema": schema}}
    if operation.headers:
        answer["headers"] = {name: {"schema": {"type": "string"}} for name in operation.headers}
    guarded = (401, 403) if operation.scope else ()
    problems = {str(each): _problem(each, operation) for each in (*operation.problems, *guarded)}
    written: Schema = {
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": {str(status): answer, **problems},
        "x-scope": operation.scope,
    }
    if operation.parameters:
        written["parameters"] = [*operation.parameters]
    if operation.body is not None:
        content: Schema = {JSON: {"schema": operation.body}}
        if operation.upload:
            content[operation.upload] = {"schema": {"type": "string", "format": "binary"}}
        written["requestBody"] = {"required": True, "content": content}
    return written


def _problem(status: int, operation: Operation) -> Schema:
    if status == 304:
        return {"description": _PROBLEMS[status]}
    if operation.tag == "health" and operation.media_type != JSON:
        return {
            "description": health.UNHEALTHY,
            "content": {operation.media_type: {"schema": {"type": "string"}}},
        }
    return {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": ref("Problem")}}}


def _schemas() -> dict[str, Schema]:
    settings = [kind.settings for kind in KINDS]
    _, made = msgspec.json.schema_components((*settings, *_ANSWERED), ref_template=REFS)
    for section in settings:
        _describe(section, made)
        schema = made.pop(section.__name__)
        schema["properties"][ORIGIN] = {
            "type": ["string", "null"],
            "readOnly": True,
            "description": "Where a read-only entry stands in the configuration; null: it was created.",
        }
        schema["properties"][WARNINGS] = {
            "type": "array",
            "items": {"type": "string"},
            "readOnly": True,
            "description": "What it lacks, or others since it changed: only in the answer to a change.",
        }
        schema["title"] = name_of(section)
        made[name_of(section)] = schema
    return made


def _describe(section: type[msgspec.Struct], made: dict[str, Schema]) -> None:
    """Say in the schema of a section, and of those within it, what each field means."""
    for key in keys(section):
        if key.section is not None:
            _describe(key.section, made)
            made[section.__name__]["properties"][key.name]["description"] = inspect.getdoc(key.section)
        if key.entry is not None:
            _describe(key.entry, made)
    for name, words in _words_of(section).items():
        made[section.__name__]["properties"][name]["description"] = words


def _words_of(section: type[msgspec.Struct]) -> dict[str, str]:
    """What settings/ says about each field, by the field's name in documents."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    body: Sequence[ast.stmt] = definition.body if isinstance(definition, ast.ClassDef) else ()
    names = {field.name: field.encode_name for field in msgspec.structs.fields(section)}
    words = {}
    for field, after in itertools.pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                words[names[name]] = " ".join(text.split())
    return words
