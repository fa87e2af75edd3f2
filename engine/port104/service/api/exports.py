"""Exports by the API: what was delivered where, and to send again or not what was not."""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from litestar.handlers import HTTPRouteHandler

from port104.dispatch.lookout import Exports, Lookout
from port104.jobs.exporting import EXPORT_STATES
from port104.jobs.ledger.looking.exports import ExportDetail, WantedExports, export, exports
from port104.service.api.problems import ProblemError, refuse
from port104.service.api.queries import choice_of, paged_on, place_of, read_query
from port104.service.api.resources import Answer, Asks, caller_of, in_json, name_in, resource

log = structlog.get_logger("port104.api")

PATH = "/api/exports"

FILTERS = {
    "state": "`waiting`, `failed`, `partial`, `cancelled` or `delivered`",
    "destination": "where it goes",
    "job": "the `id` of the job whose results they are",
}
"""The parameters that select exports."""


def export_resources(lookout: Lookout, steered: Exports) -> list[HTTPRouteHandler]:
    """Serve them."""
    served = _Exports(lookout, steered)
    return [
        resource(PATH, {"GET": served.list}),
        resource(f"{PATH}/{{name:str}}", {"GET": served.show}),
        resource(f"{PATH}/{{name:str}}/retry", {"POST": served.retry}),
        resource(f"{PATH}/{{name:str}}/cancel", {"POST": served.cancel}),
    ]


class _Exports:
    def __init__(self, lookout: Lookout, steered: Exports) -> None:
        self._lookout = lookout
        self._steered = steered

    async def list(self, request: Asks) -> Answer:
        query = read_query(request, "limit", "after", *FILTERS)
        wanted = WantedExports(
            state=choice_of(query, "state", EXPORT_STATES),
            destination=query.get("destination"),
            job=query.get("job"),
        )
        page = place_of(query)
        return paged_on(
            request, query, await self._lookout.ask(lambda session: exports(session, wanted, page))
        )

    async def show(self, request: Asks) -> Answer:
        read_query(request)
        return in_json(await self._find(name_in(request)))

    async def retry(self, request: Asks) -> Answer:
        why = "nothing of it failed or was cancelled: what waits is sent by itself"
        return await self._act(request, "retried", self._steered.retry, why)

    async def cancel(self, request: Asks) -> Answer:
        why = "nothing of it waits, and nothing failed: there is nothing to cancel"
        return await self._act(request, "cancelled", self._steered.cancel, why)

    async def _act(
        self, request: Asks, done: str, act: Callable[[str], Awaitable[int | None]], otherwise: str
    ) -> Answer:
        """Act on an export; answers with it as it is then."""
        read_query(request)
        moved = await act(name_in(request))
        if moved is None:
            raise _unknown()
        found = await self._find(name_in(request))
        is_being_sent = any(each.state == "sending" for each in found.results)
        if not moved and not (done == "cancelled" and is_being_sent):
            raise refuse(409, "state", otherwise)
        log.info(
            "export acted on", export=found.export.id, act=done, results=moved, by=caller_of(request).name
        )
        return in_json(found)

    async def _find(self, export_id: str) -> ExportDetail:
        found = await self._lookout.ask(partial(export, export_id=export_id))
        if found is None:
            raise _unknown()
        return found


def _unknown() -> ProblemError:
    return refuse(404, "unknown-export", "there is no such export: see /api/exports for those that there are")
