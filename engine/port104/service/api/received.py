"""Instances and groups by the API: what was received, and the whole way of each instance."""

from functools import partial

from litestar.handlers import HTTPRouteHandler

from port104.dispatch.lookout import Lookout
from port104.jobs.ledger.looking.groups import STATES, WantedGroups, groups
from port104.jobs.ledger.looking.instances import WantedInstances, instances
from port104.jobs.ledger.looking.ways import ways
from port104.service.api.problems import refuse
from port104.service.api.queries import choice_of, paged_on, place_of, read_query, time_of
from port104.service.api.resources import Answer, Asks, in_json, name_in, resource

INSTANCES = "/api/instances"
GROUPS = "/api/groups"

INSTANCE_FILTERS = {
    "sopInstanceUid": "its SOP Instance UID",
    "studyInstanceUid": "the study that it is of",
    "calledAeTitle": "the AE title that took it",
    "group": "the `id` of its group",
    "job": "the `id` of a job that works on it",
    "since": "received at this time or later (ISO 8601)",
}
"""The parameters that select instances."""
GROUP_FILTERS = {
    "state": "`open`, `holding` or `closed`",
    "calledAeTitle": "the AE title that took its instances",
}
"""The parameters that select groups."""


def received_resources(lookout: Lookout) -> list[HTTPRouteHandler]:
    """Serve what the ledger tells of them."""

    async def list_instances(request: Asks) -> Answer:
        query = read_query(request, "limit", "after", *INSTANCE_FILTERS)
        wanted = WantedInstances(
            sop_instance_uid=query.get("sopInstanceUid"),
            study_instance_uid=query.get("studyInstanceUid"),
            called_ae_title=query.get("calledAeTitle"),
            group=query.get("group"),
            job=query.get("job"),
            since=time_of(query, "since"),
        )
        page = place_of(query)
        found = await lookout.ask(lambda session: instances(session, wanted, page))
        return paged_on(request, query, found)

    async def show_instance(request: Asks) -> Answer:
        read_query(request)
        found = await lookout.ask(partial(ways, sop_instance_uid=name_in(request)))
        if not found:
            detail = "no instance of this SOP Instance UID was received, or the ledger does not know it yet"
            raise refuse(404, "unknown-instance", detail)
        return in_json(found)

    async def list_groups(request: Asks) -> Answer:
        query = read_query(request, "limit", "after", *GROUP_FILTERS)
        wanted = WantedGroups(
            state=choice_of(query, "state", STATES), called_ae_title=query.get("calledAeTitle")
        )
        page = place_of(query)
        found = await lookout.ask(lambda session: groups(session, wanted, page))
        return paged_on(request, query, found)

    return [
        resource(INSTANCES, {"GET": list_instances}),
        resource(f"{INSTANCES}/{{name:str}}", {"GET": show_instance}),
        resource(GROUPS, {"GET": list_groups}),
    ]
