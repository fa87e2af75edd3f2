"""`port104 instances` and `port104 groups`: what was received, and what became of it."""

from datetime import UTC, datetime
from typing import Any

import click

from port104.service.commands.jobs import COLUMNS as JOB_COLUMNS
from port104.service.commands.jobs import limit_option, row_of
from port104.service.commands.output import (
    output_option,
    print_document,
    print_list,
    print_rows,
    words,
)
from port104.service.commands.places import place_of, place_options
from port104.service.commands.results import print_results

_INSTANCE_EXAMPLES = """\b
Examples:
  port104 instances --study 1.2.840.113619.2.55.3
  port104 instances --since 2026-11-29T08:00 -n 1000 -o json
  port104 instances --sop 1.2.840.113619.2.55.3.604688 -o yaml
"""
_INSTANCE_COLUMNS = {
    "SOP Instance UID": "sopInstanceUid",
    "state": "state",
    "received": "received",
    "called": "calledAeTitle",
    "calling": "callingAeTitle",
    "address": "address",
    "study": "studyInstanceUid",
    "group": "group",
    "host": "host",
    "file": "file",
}
_GROUP_EXAMPLES = """\b
Examples:
  port104 groups
  port104 groups --holding -o json
"""
_GROUP_COLUMNS = {
    "group": "id",
    "state": "state",
    "AE title": "calledAeTitle",
    "tag": "tag",
    "value": "value",
    "instances": "instances",
    "announced": "announced",
    "opened": "opened",
    "last": "last",
    "due": "due",
    "closed": "closed",
    "reason": "reason",
}


@click.command(epilog=_INSTANCE_EXAMPLES)
@click.option("--study", metavar="UID", help="Only instances of this study.")
@click.option("--sop", metavar="UID", help="The whole way of the instance of this SOP Instance UID.")
@click.option("--group", metavar="ID", help="Only instances of this group.")
@click.option("--job", metavar="ID", help="Only instances that this job works on.")
@click.option("-a", "--ae-title", metavar="AETITLE", help="Only what this AE title took.")
@click.option(
    "--since",
    metavar="TIME",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Only what came at this local time or later: 2026-11-29T08:00.",
)
@limit_option
@output_option
@place_options
def instances(limit: int, output: str, **options: Any) -> None:
    """List instances that were received, the latest first; or the whole way of one."""
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    filters = _filters(options)
    with reach_ledger(place_of(options)) as ledger:
        if set(filters) == {"sopInstanceUid"}:
            ways = ledger.ways(filters["sopInstanceUid"])
            _print_ways(ways) if output == "table" else print_document(ways, output)
            return
        found = ledger.listed("instances", filters, limit)
    _print(found, _INSTANCE_COLUMNS, output)


def _filters(options: dict[str, Any]) -> dict[str, str]:
    since: datetime | None = options.pop("since")
    found = {
        "studyInstanceUid": options.pop("study"),
        "sopInstanceUid": options.pop("sop"),
        "group": options.pop("group"),
        "job": options.pop("job"),
        "calledAeTitle": options.pop("ae_title"),
        "since": None if since is None else since.astimezone(UTC).isoformat(),
    }
    return {name: value for name, value in found.items() if value is not None}


def _print_ways(ways: list[dict[str, Any]]) -> None:
    """Print each instance, then its group, the jobs that worked on it and what they left."""
    for way in ways:
        of_group = {"group state": "state", "group value": "value", "group closed": "closed"}
        group = way["group"] or {}
        rows = [(title, words(way["instance"][key])) for title, key in _INSTANCE_COLUMNS.items()]
        print_rows(
            ("key", "value"), rows + [(title, words(group.get(key))) for title, key in of_group.items()]
        )
        if way["jobs"]:
            print_rows(JOB_COLUMNS, [row_of(each["job"]) for each in way["jobs"]])
        if results := [left for each in way["jobs"] for left in each["results"]]:
            print_results(results)


@click.command(epilog=_GROUP_EXAMPLES)
@click.option("--state", type=click.Choice(["open", "holding", "closed"]), help="Only groups in this state.")
@click.option("--holding", is_flag=True, help="Only what is held, for it lacks the tag: --state holding.")
@click.option("-a", "--ae-title", metavar="AETITLE", help="Only what this AE title took.")
@limit_option
@output_option
@place_options
def groups(
    state: str | None, ae_title: str | None, limit: int, output: str, *, holding: bool, **options: Any
) -> None:
    """List groups of instances, the latest first."""
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    if holding and state not in (None, "holding"):
        raise click.UsageError("--holding and --state name different states: give one of them")
    filters = {"state": "holding" if holding else state, "calledAeTitle": ae_title}
    with reach_ledger(place_of(options)) as ledger:
        found = ledger.listed("groups", {key: value for key, value in filters.items() if value}, limit)
    _print(found, _GROUP_COLUMNS, output)


def _print(found: list[dict[str, Any]], columns: dict[str, str], output: str) -> None:
    print_list(found, output, [*columns], lambda each: [words(each[key]) for key in columns.values()])
