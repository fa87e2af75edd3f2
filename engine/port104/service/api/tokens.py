"""Tokens by the API: for administrators. A secret is shown once, when its token is made."""

from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from port104.registry.catalogue import SCOPES, Scope
from port104.service import values
from port104.service.api.bodies import read_body
from port104.service.api.problems import FieldFault, refuse
from port104.service.api.queries import page_of, paged, read_query
from port104.service.api.resources import Answer, Asks, caller_of, in_json, name_in, resource
from port104.service.registrar import Registrar

log = structlog.get_logger("port104.api")

PATH = "/api/tokens"


class Wanted(msgspec.Struct, frozen=True):
    """A token that is to be made."""

    name: str
    scope: Scope


def token_resources(registrar: Registrar) -> list[HTTPRouteHandler]:
    """Serve tokens."""

    async def list_tokens(request: Asks) -> Answer:
        query = read_query(request, "limit", "offset")
        page = page_of(query)
        tokens = registrar.tokens()
        return paged(request, query, page, len(tokens), tokens[page.offset : page.offset + page.limit])

    async def create_token(request: Asks) -> Answer:
        read_query(request)
        wanted = await read_body(request, _read)
        secret = await registrar.create_token(wanted.name, wanted.scope)
        _log("token created", wanted.name, request, scope=wanted.scope)
        made = {"name": wanted.name, "scope": wanted.scope, "secret": secret}
        return in_json(made, 201, {"Location": f"{PATH}/{quote(wanted.name, safe='')}"})

    async def delete_token(request: Asks) -> Answer:
        read_query(request)
        name = name_in(request)
        await registrar.delete_token(name)
        _log("token deleted", name, request)
        return Response(content=None, status_code=204)

    return [
        resource(PATH, {"GET": list_tokens, "POST": create_token}),
        resource(f"{PATH}/{{name:str}}", {"DELETE": delete_token}),
    ]


def _read(document: Any) -> Wanted:
    """Check a body. Raises ProblemError with everything that is wrong."""
    errors = [FieldFault(str(key), "it is given more than once") for key in document.duplicates]
    errors += [FieldFault(str(key), "unknown key") for key in document if key not in ("name", "scope")]
    name, scope = document.get("name"), document.get("scope")
    fault = values.name_fault(name) if isinstance(name, str) else "it is required, and text"
    if fault:
        errors.append(FieldFault("name", fault))
    if scope not in SCOPES:
        errors.append(FieldFault("scope", f"expected one of {', '.join(SCOPES)}"))
    if errors:
        detail = "; ".join(f"{each.field}: {each.reason}" for each in errors)
        raise refuse(400, "faulty-entry", f"faulty token: {detail}", *errors)
    return Wanted(str(name), scope)


def _log(event: str, name: str, request: Asks, **facts: str) -> None:
    log.info(event, name=name, **facts, by=caller_of(request).name)
