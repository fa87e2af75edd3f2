"""`port104 results`: what runs left, and what somebody adds to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from port104.service.commands import completion
from port104.service.commands.output import output_option, print_list, print_rows, words
from port104.service.commands.places import place_of, place_options

_COLUMNS = ("run", "file", "state", "destination", "ended", "why")


@click.group()
def results() -> None:
    """Look at the results of jobs, and register further ones."""


_job = click.argument("job", shell_complete=completion.job_ids)


@results.command(name="list", epilog="\b\nExample:\n  port104 results list 6a1f0c27b3d94e58\n")
@_job
@output_option
@place_options
def list_(job: str, output: str, **options: Any) -> None:
    """List the results of JOB, and what becomes of each."""
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    with reach_ledger(place_of(options)) as ledger:
        _print(ledger.job(job)["results"], output)


_REGISTER_EXAMPLES = """\b
Examples:
  port104 results register 6a1f0c27b3d94e58 report.dcm overlay.dcm
  port104 results register 6a1f0c27b3d94e58 report.dcm --destination PACS,RIS
"""


@results.command(epilog=_REGISTER_EXAMPLES)
@_job
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--run", metavar="ID", help="Whose results they are; needed where JOB has several runs.")
@click.option(
    "--destination",
    "destinations",
    metavar="NAME",
    multiple=True,
    help="Where they go; default: where what the pipeline leaves does.",
)
@click.option(
    "--upload",
    is_flag=True,
    help="Send the files: port104 does not see them, or may not read them. With --url it is always so.",
)
@output_option
@place_options
def register(
    job: str,
    files: tuple[Path, ...],
    run: str | None,
    destinations: tuple[str, ...],
    output: str,
    *,
    upload: bool,
    **options: Any,
) -> None:
    """Register DICOM files as results of JOB. port104 keeps copies of them."""
    from port104.service.commands.looking import Registering  # noqa: PLC0415 - help does not need it
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415

    names = tuple(name for given in destinations for name in given.split(","))
    place = place_of(options)
    with reach_ledger(place) as ledger:
        registered = ledger.register(job, files, Registering(run, names, upload or place.url is not None))
    _print(registered, output)


def print_results(found: list[dict[str, Any]]) -> None:
    """Print results as a table."""
    print_rows(_COLUMNS, [_row_of(result) for result in found])


def _row_of(result: Mapping[str, Any]) -> list[str]:
    return [words(result[key]) for key in _COLUMNS]


def _print(found: list[dict[str, Any]], output: str) -> None:
    print_list(found, output, _COLUMNS, _row_of)
