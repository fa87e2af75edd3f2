"""The application: every resource, and what becomes of what goes wrong behind one."""

from collections.abc import Sequence
from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from port104.database.faults import DatabaseError
from port104.jobs.ledger.looking.pages import FaultyPageError
from port104.registry.faults import RegistryError
from port104.service.api.bodies import MOST_BYTES
from port104.service.api.gatekeeper import loggable
from port104.service.api.problems import Problem, ProblemError, answer, problem_of
from port104.service.api.queries import wrong

log = structlog.get_logger("port104.api")

# Of what the framework finds wrong by itself: what kind it is, and what to do.
_FOUND_WRONG = {
    404: ("not-found", "there is nothing here: see /api/docs for what there is"),
    405: ("method", "this cannot be done here: Allow says what can"),
    413: ("too-large", f"the body has more than {MOST_BYTES} bytes"),
}


def application(resources: Sequence[HTTPRouteHandler]) -> Litestar:
    """Put the resources together."""
    return Litestar(
        route_handlers=[*resources],
        exception_handlers={
            ProblemError: _told,
            RegistryError: _of_registry,
            DatabaseError: _of_registry,
            FaultyPageError: _of_page,
            HTTPException: _of_framework,
            Exception: _fault,
        },
        openapi_config=None,  # ours is made from the settings: description.py
        logging_config=None,
        request_max_body_size=MOST_BYTES,
    )


def _told(_: Request[Any, Any, Any], error: ProblemError) -> Response[Any]:
    return answer(error.problem, error.headers)


def _of_registry(request: Request[Any, Any, Any], fault: RegistryError | DatabaseError) -> Response[Any]:
    return _told(request, problem_of(fault))


def _of_page(request: Request[Any, Any, Any], fault: FaultyPageError) -> Response[Any]:
    return _told(request, wrong("after", str(fault)))


def _of_framework(_: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    kind, detail = _FOUND_WRONG.get(error.status_code, ("request", error.detail))
    allowed = {"Allow": allow} if (allow := (error.headers or {}).get("allow")) else None
    return answer(Problem.of(error.status_code, kind, detail), allowed)


def _fault(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error(
        "a request was ended by a fault in port104", path=loggable(request.scope["path"]), exc_info=error
    )
    return answer(Problem.of(500, "fault", "port104 has a fault: its log says more"))
