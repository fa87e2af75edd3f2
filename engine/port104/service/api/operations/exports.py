"""Exports: what runs left for destinations."""

from collections.abc import Iterator

from port104.jobs.exporting import EXPORT_STATES
from port104.service.api import exports
from port104.service.api.operations.forms import action, filters_of, followed_list, in_path, one_of_the_ledger
from port104.service.api.operations.operation import Operation, ref


def of_exports() -> Iterator[Operation]:
    """What can be done with them."""
    one, named, detail = f"{exports.PATH}/{{name}}", in_path("Its `id`."), ref("ExportDetail")
    yield followed_list(
        exports.PATH,
        "Exports: what runs left for which destination, and whether it is there; the latest first",
        "Export",
        filters_of(exports.FILTERS, state={"enum": [*EXPORT_STATES]}),
    )
    yield one_of_the_ledger(one, "One export with its results", named, "the export", detail)
    for word, summary in (
        ("retry", "Send what of an export failed or was cancelled, with attempts of its own"),
        ("cancel", "Send nothing more of an export"),
    ):
        yield action(f"{one}/{word}", summary, (named,), "the export as it is then", detail)
