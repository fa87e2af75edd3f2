"""Taking an engine away for good: it is told to take nothing new, and tells what has not come to its end."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import structlog
from litestar.handlers import HTTPRouteHandler

from port104.dispatch.draining import Drain
from port104.jobs.ledger.draining import Remains
from port104.service.api.queries import read_query
from port104.service.api.resources import Answer, Asks, caller_of, in_json, resource

log = structlog.get_logger("port104.service")

PATH = "/api/drain"


class Draining(Remains, frozen=True, rename="camel"):
    """How far an engine is drained; `since` when, null: it is not. `empty`: it may be taken away.

    What has not come to its end: `associations` that are established, instances that are `unwritten` in the
    ledger (`counting`: their files are still looked through), open `groups`, `runs`, `results` that are not
    delivered (or asked for, and not begun), `reports` of storage commitment that peers are owed, `messages`
    that the broker does not have, `uploads` that the object store does not. What has, and is lost with the
    storage folder: `failedRuns` and `deadLetters`, which people may still repeat, and the `instances` that
    are kept there alone.
    """

    since: str | None
    empty: bool
    associations: int
    counting: bool
    unwritten: int


def drain_resources(drain: Drain, associations: Callable[[], int]) -> list[HTTPRouteHandler]:
    """Serve it. `associations`: how many are established now."""

    async def show(request: Asks) -> Answer:
        read_query(request)
        return in_json(await _draining(drain, associations))

    async def begin(request: Asks) -> Answer:
        read_query(request)
        await drain.begin()
        log.info("drained: no instance is taken any more", by=caller_of(request).name)
        return in_json(await _draining(drain, associations))

    async def undo(request: Asks) -> Answer:
        read_query(request)
        await drain.undo()
        log.info("no longer drained: instances are taken again", by=caller_of(request).name)
        return in_json(await _draining(drain, associations))

    return [resource(PATH, {"GET": show, "POST": begin, "DELETE": undo})]


async def _draining(drain: Drain, associations: Callable[[], int]) -> Draining:
    established = associations()  # first: what they bring is counted later
    left = await drain.left()
    since = None if drain.since is None else datetime.fromtimestamp(drain.since, UTC)
    return Draining(
        since=None if since is None else since.isoformat(timespec="seconds").replace("+00:00", "Z"),
        empty=since is not None and established == 0 and left.is_nothing,
        associations=established,
        counting=left.counting,
        unwritten=left.unwritten,
        **msgspec.structs.asdict(left.remains),
    )
