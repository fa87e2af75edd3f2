"""What can be asked of the API: each path with its methods, parameters, answers and problems.

A test compares it with the routes that there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from port104.dispatch.filing import MOST_FILES
from port104.dispatch.run_log import MOST_BYTES
from port104.jobs.exporting import EXPORT_STATES
from port104.jobs.ledger.looking import groups, pages
from port104.jobs.ledger.looking.jobs import STATES as JOB_STATES
from port104.registry.catalogue import SCOPES
from port104.service.api import (
    drain,
    echo,
    entries,
    exports,
    health,
    jobs,
    metrics,
    received,
    records,
    results,
    tokens,
)
from port104.service.api.queries import MOST
from port104.service.associations import STATES
from port104.service.registration import KINDS

Schema = dict[str, Any]

JSON = "application/json"
REFS = "#/components/schemas/{name}"
"""Where the schema of a name stands."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What one method does at one path. `answers`: the status, what it means, and the schema.

    `upload`: the media type of a file that is taken in place of the body.
    """

    path: str
    method: str
    summary: str
    answers: tuple[int, str, Schema | None]
    scope: str = "read"
    body: Schema | None = None
    upload: str = ""
    parameters: tuple[Schema, ...] = ()
    headers: tuple[str, ...] = ()
    problems: tuple[int, ...] = ()
    media_type: str = JSON

    @property
    def tag(self) -> str:
        """What it is about: the last fixed part of its path."""
        fixed = self.path.partition("/{")[0]
        return "health" if fixed.startswith(health.PATH) else fixed.rpartition("/")[2]


def operations() -> Iterator[Operation]:
    """Everything that can be asked, but for this description itself."""
    for kind in KINDS:
        yield from _of_entries(entries.path_of(kind), kind.title, ref(name_of(kind.settings)))
    yield _of_echo()
    yield from _of_tokens()
    yield from _of_associations()
    yield from _of_received()
    yield from _of_jobs()
    yield from _of_exports()
    yield from _of_results()
    yield from _of_drain()
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


def _of_echo() -> Operation:
    return Operation(
        path=echo.PATH,
        method="post",
        summary="Ask a destination by C-ECHO or OPTIONS, and say what is wrong where it does not answer",
        scope="admin",
        parameters=(_in_path("The destination's name."),),
        answers=(200, "what came of it", ref("Verification")),
        problems=(400, 404),
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
        answers=(200, "one page", {"type": "array", "items": ref("Token")}),
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
        answers=(200, "one page", {"type": "array", "items": ref("Association")}),
        headers=("X-Total-Count",),
        problems=(400,),
    )
    yield Operation(
        path=f"{records.PATH}/{{id}}",
        method="get",
        summary="One association",
        parameters=(_in_path("Its `id`.", "id"),),
        answers=(200, "the association", ref("Association")),
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
        answers=(200, "their ways", {"type": "array", "items": ref("InstanceWay")}),
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
    detail = ref("JobDetail")
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


def _of_results() -> Iterator[Operation]:
    one_file = {"type": "string", "minLength": 1}
    files = {"type": "array", "items": one_file, "minItems": 1, "maxItems": MOST_FILES}
    yield Operation(
        path=f"{jobs.PATH}/{{name}}/results",
        method="post",
        summary="Register DICOM files as results of a run: by paths on port104's machine, or an upload",
        scope="admin",
        parameters=(
            _in_path("Its `id`."),
            _in_query("run", "Which run, by its `id`; needed where the job has several.", {"type": "string"}),
            _in_query(
                "destinations",
                "Where they go, with commas; default: as of what the run itself leaves.",
                {"type": "string"},
            ),
        ),
        body={
            "type": "object",
            "properties": {"files": files},
            "required": ["files"],
            "additionalProperties": False,
        },
        upload=results.UPLOAD,
        answers=(200, "what is registered", {"type": "array", "items": ref("Result")}),
        problems=(400, 404, 409, 413, 415, 503, 507),
    )


def _of_exports() -> Iterator[Operation]:
    one, named, detail = f"{exports.PATH}/{{name}}", _in_path("Its `id`."), ref("ExportDetail")
    yield _list_of(
        exports.PATH,
        "Exports: what runs left for which destination, and whether it is there; the latest first",
        "Export",
        _filters(exports.FILTERS, state={"enum": [*EXPORT_STATES]}),
    )
    yield Operation(
        path=one,
        method="get",
        summary="One export with its results",
        parameters=(named,),
        answers=(200, "the export", detail),
        problems=(400, 404, 503),
    )
    for path, summary in (
        (f"{one}/retry", "Send what of an export failed or was cancelled, with attempts of its own"),
        (f"{one}/cancel", "Send nothing more of an export"),
    ):
        yield Operation(
            path=path,
            method="post",
            summary=summary,
            scope="admin",
            parameters=(named,),
            answers=(200, "the export as it is then", detail),
            problems=(400, 404, 409, 503),
        )


def _of_drain() -> Iterator[Operation]:
    for method, summary, scope in (
        ("get", "How far port104 is drained, and what has not come to its end", "read"),
        (
            "post",
            "Drain it: it takes no instance any more, over restarts, and may be taken away",
            "admin",
        ),
        ("delete", "Let instances in again", "admin"),
    ):
        yield Operation(
            path=drain.PATH,
            method=method,
            summary=summary,
            scope=scope,
            answers=(200, "what remains", ref("Draining")),
            problems=(400, 503),
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
        answers=(200, "one page", {"type": "array", "items": ref(name)}),
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
        answers=(200, "everything at once", ref("Status")),
        problems=(400,),
    )
    yield Operation(
        path=metrics.PATH,
        method="get",
        summary="Figures for Prometheus: how port104 is, what came, what is to be done, delivery",
        answers=(200, "in its text format", {"type": "string"}),
        problems=(400,),
        media_type="text/plain",
    )


def name_of(section: type[msgspec.Struct]) -> str:
    """What the schema of a section of the configuration is called."""
    return section.__name__.removesuffix("Settings")


def ref(name: str) -> Schema:
    """The schema of a name."""
    return {"$ref": REFS.format(name=name)}


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
