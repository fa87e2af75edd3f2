"""Whether a destination answers, asked by C-ECHO at once; and what is wrong where it does not."""

from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from litestar.handlers import HTTPRouteHandler

from port104.export.dimse import Verification
from port104.registry.entries import Destination
from port104.service.api.entries import path_of
from port104.service.api.queries import read_query
from port104.service.api.resources import Answer, Asks, caller_of, in_json, name_in, resource
from port104.service.registrar import Registrar
from port104.service.registration import KINDS

log = structlog.get_logger("port104.api")

PATH = path_of(next(kind for kind in KINDS if kind.entry is Destination)) + "/{name}/echo"

Verify = Callable[[Destination], Awaitable[Verification]]
"""Ask a destination; export.DimseCaller.verify is one."""


def echo_resources(registrar: Registrar, verify: Verify) -> list[HTTPRouteHandler]:
    """Serve it. What does not answer is no fault of the request: it is answered with what is wrong."""

    async def ask(request: Asks) -> Answer:
        read_query(request)
        destination = cast("Destination", registrar.find(Destination, name_in(request)).entry)
        outcome = await verify(destination)
        facts = {"answered": outcome.answered, "wrong": outcome.wrong, "by": caller_of(request).name}
        log.info("destination asked by C-ECHO", destination=destination.name, **facts)
        return in_json(outcome)

    return [resource(PATH.replace("{name}", "{name:str}"), {"POST": ask})]
