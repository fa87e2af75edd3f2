"""Associations, running and ended, by the API."""

from litestar.handlers import HTTPRouteHandler

from port104.service.api.problems import refuse
from port104.service.api.queries import choice_of, page_of, paged, read_query
from port104.service.api.resources import Answer, Asks, in_json, resource
from port104.service.associations import STATES, AssociationLog, Wanted

PATH = "/api/associations"

FILTERS = {
    "state": "`running` or `ended`",
    "callingAeTitle": "who called",
    "calledAeTitle": "who was called",
    "outcome": "how it ended, as in the log: `released`, `rejected`, `aborted by peer`, ...",
}
"""The parameters that select associations."""


def association_resources(log: AssociationLog) -> list[HTTPRouteHandler]:
    """Serve what the log remembers."""

    async def list_associations(request: Asks) -> Answer:
        query = read_query(request, "limit", "offset", *FILTERS)
        page = page_of(query)
        wanted = Wanted(
            state=choice_of(query, "state", STATES),
            calling_ae_title=query.get("callingAeTitle"),
            called_ae_title=query.get("calledAeTitle"),
            outcome=query.get("outcome"),
        )
        total, found = log.select(wanted, limit=page.limit, offset=page.offset)
        return paged(request, query, page, total, found)

    async def show_association(request: Asks) -> Answer:
        read_query(request)
        number: str = request.path_params["id"]
        found = log.find(int(number)) if number.isascii() and number.isdigit() and len(number) < 19 else None
        if found is None:
            detail = "there is no such association, or it was so long ago that it is forgotten"
            raise refuse(404, "unknown-association", detail)
        return in_json(found)

    return [
        resource(PATH, {"GET": list_associations}),
        resource(f"{PATH}/{{id:str}}", {"GET": show_association}),
    ]
