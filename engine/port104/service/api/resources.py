"""A path of the API and what each method does there; what is asked and answered has these shapes.

One handler serves all methods of a path: where there are several, Litestar 2.25 knows only the first of them
when it is asked for OPTIONS.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal
from urllib.parse import unquote

import msgspec
from litestar import Request, Response, route
from litestar.handlers import HTTPRouteHandler

from port104.service.api.access import Caller

Asks = Request[Any, Any, Any]
Answer = Response[Any]
Method = Literal["GET", "POST", "PUT", "DELETE"]


def resource(
    path: str, methods: Mapping[Method, Callable[[Asks], Awaitable[Answer]]], *, bounded: bool = True
) -> HTTPRouteHandler:
    """Serve a path; a part of it is written `{name:str}`. `bounded`: a body is no longer than most are."""
    bound: dict[str, Any] = {} if bounded else {"request_max_body_size": None}

    @route(path, http_method=[*methods], status_code=200, **bound)  # answers have their own status
    async def serve(request: Request[Any, Any, Any]) -> Response[Any]:
        return await methods[request.method](request)  # type: ignore[index] # no other comes here

    return serve


def name_in(request: Asks) -> str:
    """The `name` in the path, which came undecoded: it may hold slashes."""
    return unquote(request.path_params["name"])


def caller_of(request: Asks) -> Caller:
    """Who asks."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


def in_json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a document, which may be in JSON already (msgspec.Raw)."""
    return Response(
        content=msgspec.json.encode(document),
        status_code=status,
        media_type="application/json",
        headers=dict(headers or {}),
    )
