"""What came: associations, instances and their groups."""

from collections.abc import Iterator

from port104.jobs.ledger.looking import groups
from port104.service.api import received, records
from port104.service.api.operations.forms import (
    counted_list,
    filters_of,
    followed_list,
    in_path,
    one_of_the_ledger,
)
from port104.service.api.operations.operation import Operation, ref
from port104.service.associations import STATES


def of_associations() -> Iterator[Operation]:
    """What can be asked of associations."""
    yield counted_list(
        records.PATH,
        "Associations: those that run, then those that ended; the latest first",
        ref("Association"),
        filters_of(records.FILTERS, state={"enum": [*STATES]}),
    )
    yield Operation(
        path=f"{records.PATH}/{{id}}",
        method="get",
        summary="One association",
        parameters=(in_path("Its `id`.", "id"),),
        answers=(200, "the association", ref("Association")),
        problems=(400, 404),
    )


def of_received() -> Iterator[Operation]:
    """What can be asked of instances and groups."""
    yield followed_list(
        received.INSTANCES,
        "Instances that were received, the latest first",
        "Instance",
        filters_of(received.INSTANCE_FILTERS, since={"type": "string", "format": "date-time"}),
    )
    yield one_of_the_ledger(
        f"{received.INSTANCES}/{{name}}",
        "The whole way of an instance; of each, where several came under its UID, the latest first",
        in_path("Its SOP Instance UID."),
        "their ways",
        {"type": "array", "items": ref("InstanceWay")},
    )
    yield followed_list(
        received.GROUPS,
        "Groups of instances, the latest first",
        "Group",
        filters_of(received.GROUP_FILTERS, state={"enum": [*groups.STATES]}),
    )
