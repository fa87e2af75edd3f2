"""The API described for programs (OpenAPI 3.1), made from what the service itself reads and answers with.

One truth: the schemas of entries are those of the configuration (settings.py), with its ranges and its words;
the other ones are the structs that are answered. What each path does stands in `operations`, and a test
compares it with the routes that there are.
"""

import ast
import functools
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from port104.dispatch.run_log import MOST_BYTES
from port104.jobs.ledger.looking import groups, pages
from port104.jobs.ledger.looking.instances import Instance
from port104.jobs.ledger.looking.jobs import STATES as JOB_STATES
from port104.jobs.ledger.looking.jobs import Job, JobDetail
from port104.jobs.ledger.looking.ways import InstanceWay
from port104.registry.catalogue import SCOPES, Token
from port104.service.api import entries, health, jobs, received, records, tokens
from port104.service.api.problems import MEDIA_TYPE, Problem
from port104.service.api.queries import MOST
from port104.service.associations import STATES, Association
from port104.service.registration import KINDS, ORIGIN, WARNINGS

Schema = dict[str, Any]

_JSON = "application/json"
_REFS = "#/components/schemas/{name}"
_ANSWERED = (Association, Instance, InstanceWay, groups.Group, Job, JobDetail, health.Status, Problem, Token)
_PROBLEMS = {
    304: "what the client has is what there is",
    400: "the request is wrong: `errors` names each field or parameter",
    401: "a token is needed, or is not known",
    403: "the token's scope does not do, or a web page of another site asks",
    404: "there is none",
    409: "a name, AE title or ID is taken or read-only, the ID another, or no run is in such a state",
    412: "somebody else changed the entry meanwhile",
    413: "the body is too large",
    415: "the body is no JSON",
    503: "the database cannot be used now",
}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What one method does at one path. `answers`: the status, what it means, and the schema."""

    path: str
    method: str
    summary: str
    answers: tuple[int, str, Schema | None]
    scope: str = "read"
    body: Schema | None = None
    parameters: tuple[Schema, ...] = ()
    headers: tuple[str, ...] = ()
    problems: tuple[int, ...] = ()
    media_type: str = _JSON

    @property
    def tag(self) -> str:
        """What it is about: the last fixed part of its path."""
        fixed = self.path.partition("/{")[0]
        return "health" if fixed.startswith(health.PATH) else fixed.rpartition("/")[2]


def operations() -> Iterator[Operation]:
    """Everything that can be asked, but for this description itself."""
    for kind in KINDS:
        yield from _of_entries(entries.path_of(kind), kind.title, _ref(_name_of(kind.settings)))
    yield from _of_tokens()
    yield from _of_associations()
    yield from _of_received()
    yield from _of_jobs()
    yield from _of_health()


def _of_entries(path: str, title: str, schema: Schema) -> Iterator[Operation]:
    name, one = _in_path("The entry's name."), f"{path}/{{name}}"
    kept = "the entry, with its ETag"
    changing = (400, 404, 409, 412, 413, 415, 503)
    if_match = _header("If-Match", "Change it only if its ETag is one of these.")
    yield Operation(
        path=path,
        method="get",
        summary=f"Every {title}, sorted by name",
        answers=(200, "one page", {"type": "array", "items": schema}),
        parameters=_PAGE,
        headers=("X-Total-Count",),
        problems=(400,),
    )
    yield Operation(
        path=path,
        method="post",
        summary=f"Create one {title}",
        scope="admin",
        body=schema,
        answers=(201, kept, schema),
        headers=("ETag", "Location"),
        problems=(400, 409, 413, 415, 503),
    )
    known = _header("If-None-Match", "Answer 304 where its ETag is one of these.")
    yield Operation(
        path=one,
        method="get",
        summary=f"Show one {title}",
        parameters=(name, known),
        answers=(200, kept, schema),
        headers=("ETag",),
        problems=(304, 400, 404),
    )
    yield Operation(
        path=one,
        method="put",
        summary=f"Replace one {title}, as a whole; without `name` it keeps its name",
        scope="admin",
        parameters=(name, if_match),
        body=schema,
        answers=(200, kept, schema),
        headers=("ETag", "Content-Location"),
        problems=changing,
    )
    yield Operation(
        path=one,
        method="delete",
        summary=f"Delete one {title}",
        scope="admin",
        parameters=(name, if_match),
        answers=(200, "what was deleted", schema),
        problems=(400, 404, 409, 412, 503),
    )


def _of_tokens() -> Iterator[Operation]:
    named = {"name": {"type": "string", "minLength": 1, "maxLength": 64}, "scope": {"enum": [*SCOPES]}}
    wanted = {
        "type": "object",
        "properties": named,
        "required": ["name", "scope"],
        "additionalProperties": False,
    }
    made = {"type": "object", "properties": named | {"secret": {"type": "string"}}, "required": ["secret"]}
    yield Operation(
        path=tokens.PATH,
        method="get",
        summary="Every token, without its secret",
        scope="admin",
        parameters=_PAGE,
        answers=(200, "one page", {"type": "array", "items": _ref("Token")}),
        headers=("X-Total-Count",),
        problems=(400,),
    )
    yield Operation(
        path=tokens.PATH,
        method="post",
        summary="Create a token; its secret is shown this once",
        scope="admin",
        body=wanted,
        answers=(201, "the token with its secret", made),
        headers=("Location",),
        problems=(400, 409, 413, 415, 503),
    )
    yield Operation(
        path=f"{tokens.PATH}/{{name}}",
        method="delete",
        summary="Delete a token: it is worth nothing from now on",
        scope="admin",
        parameters=(_in_path("The token's name."),),
        answers=(204, "it is deleted", None),
        problems=(400, 404, 503),
    )


def _of_associations() -> Iterator[Operation]:
    yield Operation(
        path=records.PATH,
        method="get",
        summary="Associations: those that run, then those that ended; the latest first",
        parameters=(*_PAGE, *_filters(records.FILTERS, state={"enum": [*STATES]})),
        answers=(200, "one page", {"type": "array", "items": _ref("Association")}),
        headers=("X-Total-Count",),
        problems=(400,),
    )
    yield Operation(
        path=f"{records.PATH}/{{id}}",
        method="get",
        summary="One association",
        parameters=(_in_path("Its `id`.", "id"),),
        answers=(200, "the association", _ref("Association")),
        problems=(400, 404),
    )


def _of_received() -> Iterator[Operation]:
    yield _list_of(
        received.INSTANCES,
        "Instances that were received, the latest first",
        "Instance",
        _filters(received.INSTANCE_FILTERS, since={"type": "string", "format": "date-time"}),
    )
    yield Operation(
        path=f"{received.INSTANCES}/{{name}}",
        method="get",
        summary="The whole way of an instance; of each, where several came under its UID, the latest first",
        parameters=(_in_path("Its SOP Instance UID."),),
        answers=(200, "their ways", {"type": "array", "items": _ref("InstanceWay")}),
        problems=(400, 404, 503),
    )
    yield _list_of(
        received.GROUPS,
        "Groups of instances, the latest first",
        "Group",
        _filters(received.GROUP_FILTERS, state={"enum": [*groups.STATES]}),
    )


def _of_jobs() -> Iterator[Operation]:
    one, named = f"{jobs.PATH}/{{name}}", _in_path("Its `id`.")
    run = _in_query("run", "Only this run, by its `id`.", {"type": "string"})
    detail = _ref("JobDetail")
    yield _list_of(
        jobs.PATH,
        "Jobs with their runs, the latest first",
        "Job",
        _filters(jobs.FILTERS, state={"enum": [*JOB_STATES]}),
    )
    yield Operation(
        path=one,
        method="get",
        summary="One job with its runs, its group and its results",
        parameters=(named,),
        answers=(200, "the job", detail),
        problems=(400, 404, 503),
    )
    yield Operation(
        path=f"{one}/runs/{{run}}/log",
        method="get",
        summary="What the pipeline of a run wrote; at most 1 MiB at once",
        parameters=(
            named,
            _in_path("The `id` of the run.", "run"),
            _in_query("attempt", "Which attempt; default: the latest.", _whole(1, jobs.MOST_ATTEMPTS)),
            _in_query("offset", "The first byte.", _whole(0, jobs.FARTHEST, 0)),
            _in_query("limit", "How many bytes at most.", _whole(1, MOST_BYTES, MOST_BYTES)),
        ),
        answers=(200, "a part of the log; X-Total-Count: bytes of all of it", {"type": "string"}),
        headers=("X-Total-Count",),
        problems=(400, 404, 503),
        media_type="text/plain",
    )
    for path, summary in (
        (f"{one}/cancel", "Cancel the runs of a job that have not ended"),
        (f"{one}/rerun", "Let the runs of a job that have ended run again"),
    ):
        yield Operation(
            path=path,
            method="post",
            summary=summary,
            scope="admin",
            parameters=(named, run),
            answers=(200, "the job as it is then", detail),
            problems=(400, 404, 409, 503),
        )


def _list_of(path: str, summary: str, name: str, filters: Sequence[Schema]) -> Operation:
    """A list whose pages begin where the one before ended."""
    return Operation(
        path=path,
        method="get",
        summary=summary,
        parameters=(
            _in_query("limit", "How many entries at most.", _whole(1, pages.MOST, pages.Page().limit)),
            _in_query("after", "Where the page before ended: its `Link` says so.", {"type": "string"}),
            *filters,
        ),
        answers=(200, "one page", {"type": "array", "items": _ref(name)}),
        headers=("Link",),
        problems=(400, 503),
    )


def _filters(words: Mapping[str, str], **schemas: Schema) -> list[Schema]:
    return [_in_query(name, of, schemas.get(name, {"type": "string"})) for name, of in words.items()]


def _of_health() -> Iterator[Operation]:
    for what, summary, problems in (
        ("live", "Whether the process answers", ()),
        ("ready", "Whether associations may be sent here", (503,)),
    ):
        yield Operation(
            path=f"{health.PATH}/{what}",
            method="get",
            summary=summary,
            scope="",
            answers=(200, health.HEALTHY, {"type": "string"}),
            problems=problems,
            media_type="text/plain",
        )
    yield Operation(
        path=f"{health.PATH}/status",
        method="get",
        summary="How port104 is",
        answers=(200, "everything at once", _ref("Status")),
        problems=(400,),
    )


# ---- OpenAPI ----


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
            " associations; what was received, and what became of it; jobs; health.",
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
        written["requestBody"] = {"required": True, "content": {_JSON: {"schema": operation.body}}}
    return written


def _problem(status: int, operation: Operation) -> Schema:
    if status == 304:
        return {"description": _PROBLEMS[status]}
    if operation.tag == "health" and operation.media_type != _JSON:
        return {
            "description": health.UNHEALTHY,
            "content": {operation.media_type: {"schema": {"type": "string"}}},
        }
    return {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}


def _schemas() -> dict[str, Schema]:
    settings = [kind.settings for kind in KINDS]
    _, made = msgspec.json.schema_components((*settings, *_ANSWERED), ref_template=_REFS)
    for section in settings:
        schema = made.pop(section.__name__)
        for name, words in _words_of(section).items():
            schema["properties"][name]["description"] = words
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
        schema["title"] = _name_of(section)
        made[_name_of(section)] = schema
    return made


def _words_of(section: type[msgspec.Struct]) -> dict[str, str]:
    """What settings.py says about each field, by the field's name in documents."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    body: Sequence[ast.stmt] = definition.body if isinstance(definition, ast.ClassDef) else ()
    names = {field.name: field.encode_name for field in msgspec.structs.fields(section)}
    words = {}
    for field, after in itertools.pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                words[names[name]] = " ".join(text.split())
    return words


def _name_of(section: type[msgspec.Struct]) -> str:
    return section.__name__.removesuffix("Settings")


def _ref(name: str) -> Schema:
    return {"$ref": _REFS.format(name=name)}


def _in_query(name: str, words: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": words, "schema": schema}


def _whole(least: int, most: int, default: int | None = None) -> Schema:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return schema if default is None else {**schema, "default": default}


def _in_path(words: str, name: str = "name") -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": words,
        "schema": {"type": "string"},
    }


def _header(name: str, words: str) -> Schema:
    return {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}


_PAGE = (
    _in_query("limit", "How many entries at most.", _whole(1, MOST, MOST)),
    _in_query(
        "offset", "How many to leave out before them.", {"type": "integer", "minimum": 0, "default": 0}
    ),
)
