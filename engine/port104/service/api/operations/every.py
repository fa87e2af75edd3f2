"""Everything that can be asked of the API. A test compares it with the routes that there are."""

from collections.abc import Iterator

from port104.service.api.operations.engine import of_drain, of_health
from port104.service.api.operations.entries import of_echo, of_entries
from port104.service.api.operations.exports import of_exports
from port104.service.api.operations.jobs import of_jobs, of_results
from port104.service.api.operations.operation import Operation
from port104.service.api.operations.received import of_associations, of_received
from port104.service.api.operations.tokens import of_tokens
from port104.service.registration import KINDS


def operations() -> Iterator[Operation]:
    """Everything but the description itself."""
    for kind in KINDS:
        yield from of_entries(kind)
    yield of_echo()
    yield from of_tokens()
    yield from of_associations()
    yield from of_received()
    yield from of_jobs()
    yield from of_exports()
    yield of_results()
    yield from of_drain()
    yield from of_health()
