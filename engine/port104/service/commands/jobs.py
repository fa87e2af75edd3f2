"""`port104 jobs`: what is made of what was received; and `watching.py`, for `jobs watch`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from port104.service.commands import completion
from port104.service.commands.output import (
    is_terminal,
    output_option,
    print_document,
    print_list,
    print_rows,
    words,
)
from port104.service.commands.places import place_of, place_options
from port104.service.commands.results import print_results
from port104.service.escaping import escape

if TYPE_CHECKING:
    from port104.service.commands.keeping import Document
    from port104.service.commands.looking import Act

_STATES = ("running", "waiting", "failed", "cancelled", "succeeded")
COLUMNS = ("job", "state", "AE title", "instances", "priority", "created", "runs")
"""Of a list of jobs."""


@click.group()
def jobs() -> None:
    """Look at jobs and their runs; cancel and repeat them."""


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select jobs."""
    command = click.option("--group", metavar="ID", help="Only the jobs of this group.")(command)
    command = click.option("-a", "--ae-title", metavar="AETITLE", help="Only what this AE title took.")(
        command
    )
    return click.option("--state", type=click.Choice(_STATES), help="Only jobs in this state.")(command)


def filters_of(options: dict[str, Any]) -> dict[str, str]:
    """Take the options that select jobs out of all that were given."""
    found = {
        "state": options.pop("state"),
        "calledAeTitle": options.pop("ae_title"),
        "group": options.pop("group"),
    }
    return {name: value for name, value in found.items() if value is not None}


def limit_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option that says how many are listed."""
    return click.option(
        "-n",
        "--limit",
        metavar="N",
        type=click.IntRange(min=1),
        default=100,
        help="How many at the most, the latest first; default: 100.",
    )(command)


def row_of(job: Mapping[str, Any]) -> list[str]:
    """A job in a list."""
    runs = ", ".join(f"{run['pipeline']}: {_state_of(run)}" for run in job["runs"])
    cells = ("id", "state", "calledAeTitle", "instances", "priority", "created")
    return [*(words(job[key]) for key in cells), runs]


def _state_of(run: Mapping[str, Any]) -> str:
    if run["cancelling"]:
        return "cancelling"
    attempt = f" (attempt {run['attempt']})" if run["attempt"] > 1 else ""
    return f"{run['state']}{attempt}"


_LIST_EXAMPLES = """\b
Examples:
  port104 jobs list --state failed
  port104 jobs list -a COVIDAET -o json
"""


@jobs.command(name="list", epilog=_LIST_EXAMPLES)
@_filters
@limit_option
@output_option
@place_options
def list_(limit: int, output: str, **options: Any) -> None:
    """List jobs with the states of their runs, the latest first."""
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    filters = filters_of(options)
    with reach_ledger(place_of(options)) as ledger:
        found = ledger.listed("jobs", filters, limit)
    print_list(found, output, COLUMNS, row_of)


_job = click.argument("job", shell_complete=completion.job_ids)
_run = click.option("--run", metavar="ID", help="Only this run; default: all of the job.")


@jobs.command(epilog="\b\nExample:\n  port104 jobs show 6a1f0c27b3d94e58\n")
@_job
@output_option
@place_options
def show(job: str, output: str, **options: Any) -> None:
    """Show JOB with its group, its runs, its results and what was delivered of them."""
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    with reach_ledger(place_of(options)) as ledger:
        detail = ledger.job(job)
    if output != "table":
        print_document(detail, output)
        return
    told = {key: value for key, value in detail["job"].items() if key != "runs"}
    told |= {"value": (detail["group"] or {}).get("value"), "results": detail["resultCounts"]}
    print_rows(("key", "value"), [(key, words(value)) for key, value in told.items()])
    titles = ("run", "pipeline", "state", "attempt", "started", "ended", "due", "why", "node")
    cells = ("id", "pipeline", "attempt", "started", "ended", "due", "why", "node")
    rows = [[words(run[key]) for key in cells] for run in detail["job"]["runs"]]
    for row, run in zip(rows, detail["job"]["runs"], strict=True):
        row.insert(2, "cancelling" if run["cancelling"] else run["state"])
    print_rows(titles, rows)
    if detail["exports"]:
        keys = ("id", "run", "destination", "state", "total", "delivered", "failed", "ended")
        print_rows(("export", *keys[1:]), [[words(each[key]) for key in keys] for each in detail["exports"]])
    if detail["results"]:
        print_results(detail["results"])


_LOGS_EXAMPLES = """\b
Examples:
  port104 jobs logs 6a1f0c27b3d94e58
  port104 jobs logs 6a1f0c27b3d94e58 --run 0b5c9f3a7e21d684 --attempt 1
  port104 jobs logs 6a1f0c27b3d94e58 --follow && echo succeeded
"""


@jobs.command(epilog=_LOGS_EXAMPLES)
@_job
@_run
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="Which; default: the latest.")
@click.option("--follow", is_flag=True, help="Print what is written from now on too, until the run ends.")
@place_options
def logs(job: str, run: str | None, attempt: int | None, *, follow: bool, **options: Any) -> None:
    """Print what the pipelines of JOB wrote.

    Of several runs, each log stands behind a line that names its pipeline. One can be followed: exits with 0
    when it succeeded, else 1.
    """
    if follow:
        from port104.service.commands.following import follow as follow_log  # noqa: PLC0415 - as below

        raise SystemExit(follow_log(place_of(options), job, attempt, lambda detail: _only(detail, run)))
    from port104.service.commands.printing_logs import print_log  # noqa: PLC0415 - help does not need it
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415

    with reach_ledger(place_of(options)) as ledger:
        chosen = _chosen(ledger.job(job), run)
        for each in chosen:
            if len(chosen) > 1:
                click.echo(escape(f"==> {each['pipeline']}: {each['id']} <=="))
            print_log(ledger.log(job, each["id"], attempt), safely=is_terminal(), alone=len(chosen) == 1)


def _chosen(detail: "Document", run: str | None) -> "list[Document]":
    from port104.service.commands.faults import RefusedError  # noqa: PLC0415 - help does not need it

    chosen = [each for each in detail["job"]["runs"] if run in (None, each["id"])]
    if not chosen:
        raise RefusedError("there is no such run of this job: port104 jobs show shows those that it has")
    return chosen


def _only(detail: "Document", run: str | None) -> "Document":
    from port104.service.commands.faults import WrongValuesError  # noqa: PLC0415 - help does not need it

    first, *others = _chosen(detail, run)
    if others:
        runs = ", ".join(f"{each['pipeline']}: {each['id']}" for each in (first, *others))
        raise WrongValuesError(f"one log is followed at a time: name the run by --run ({runs})")
    return first


def _act(act: "Act", done: str, job: str, run: str | None, output: str, options: dict[str, Any]) -> None:
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    with reach_ledger(place_of(options)) as ledger:
        detail = ledger.act(job, act, run)
    if output == "table":
        runs = ", ".join(f"{each['pipeline']}: {_state_of(each)}" for each in detail["job"]["runs"])
        click.echo(escape(f"{done} job {detail['job']['id']}: {runs}"))
    else:
        print_document(detail, output)


@jobs.command(epilog="\b\nExample:\n  port104 jobs cancel 6a1f0c27b3d94e58\n")
@_job
@_run
@output_option
@place_options
def cancel(job: str, run: str | None, output: str, **options: Any) -> None:
    """Cancel the runs of JOB that have not ended; one that is running is ended soon."""
    _act("cancel", "cancelled", job, run, output, options)


@jobs.command(epilog="\b\nExample:\n  port104 jobs rerun 6a1f0c27b3d94e58 --run 0b5c9f3a7e21d684\n")
@_job
@_run
@output_option
@place_options
def rerun(job: str, run: str | None, output: str, **options: Any) -> None:
    """Let the runs of JOB that have ended run again, also those that succeeded."""
    _act("rerun", "rerun", job, run, output, options)


_WATCH_EXAMPLES = """\b
Examples:
  port104 jobs watch
  port104 jobs watch 6a1f0c27b3d94e58 && echo succeeded
"""


@jobs.command(epilog=_WATCH_EXAMPLES)
@click.argument("job", required=False, shell_complete=completion.job_ids)
@_filters
@limit_option
@place_options
def watch(job: str | None, limit: int, **options: Any) -> None:
    """Show jobs as they go on, once a second; in a pipe, a line for each change.

    Of one JOB until it has ended: exits with 0 when it succeeded, else 1.
    """
    from port104.service.commands.watching import Watched  # noqa: PLC0415 - help does not need it
    from port104.service.commands.watching import watch as watch_all  # noqa: PLC0415

    watched = Watched(
        "jobs",
        COLUMNS,
        row_of,
        lambda ledger, one: ledger.job(one)["job"],
        ("running", "waiting"),
        "succeeded",
    )
    filters = filters_of(options)
    raise SystemExit(watch_all(place_of(options), watched, job, filters, limit))
