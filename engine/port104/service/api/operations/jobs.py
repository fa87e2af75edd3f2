"""Jobs with their runs, and the results that people register for these."""

from collections.abc import Iterator

from port104.dispatch.filing import MOST_FILES
from port104.dispatch.run_log import MOST_BYTES
from port104.jobs.ledger.looking.jobs import STATES
from port104.service.api import jobs, results
from port104.service.api.operations.forms import (
    action,
    filters_of,
    followed_list,
    in_path,
    in_query,
    one_of_the_ledger,
    whole,
)
from port104.service.api.operations.operation import Operation, ref

_ONE = f"{jobs.PATH}/{{name}}"
_NAMED = in_path("Its `id`.")


def of_jobs() -> Iterator[Operation]:
    """What can be done with jobs."""
    detail = ref("JobDetail")
    yield followed_list(
        jobs.PATH,
        "Jobs with their runs, the latest first",
        "Job",
        filters_of(jobs.FILTERS, state={"enum": [*STATES]}),
    )
    yield one_of_the_ledger(
        _ONE, "One job with its runs, its group and its results", _NAMED, "the job", detail
    )
    yield _log_of_a_run()
    run = in_query("run", "Only this run, by its `id`.", {"type": "string"})
    for word, summary in (
        ("cancel", "Cancel the runs of a job that have not ended"),
        ("rerun", "Let the runs of a job that have ended run again"),
    ):
        yield action(f"{_ONE}/{word}", summary, (_NAMED, run), "the job as it is then", detail)


def _log_of_a_run() -> Operation:
    return Operation(
        path=f"{_ONE}/runs/{{run}}/log",
        method="get",
        summary="What the pipeline of a run wrote; at most 1 MiB at once",
        parameters=(
            _NAMED,
            in_path("The `id` of the run.", "run"),
            in_query("attempt", "Which attempt; default: the latest.", whole(1, jobs.MOST_ATTEMPTS)),
            in_query("offset", "The first byte.", whole(0, jobs.FARTHEST, 0)),
            in_query("limit", "How many bytes at most.", whole(1, MOST_BYTES, MOST_BYTES)),
        ),
        answers=(200, "a part of the log; X-Total-Count: bytes of all of it", {"type": "string"}),
        headers=("X-Total-Count",),
        problems=(400, 404, 503),
        media_type="text/plain",
    )


def of_results() -> Operation:
    """Registering results by hand."""
    one_file = {"type": "string", "minLength": 1}
    files = {"type": "array", "items": one_file, "minItems": 1, "maxItems": MOST_FILES}
    return Operation(
        path=f"{_ONE}/results",
        method="post",
        summary="Register DICOM files as results of a run: by paths on port104's machine, or an upload",
        scope="admin",
        parameters=(
            _NAMED,
            in_query("run", "Which run, by its `id`; needed where the job has several.", {"type": "string"}),
            in_query(
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
