"""Entries: the paths and bodies that Clara's users have, and PUT; pipelines in the same form.

What is answered can be changed and given back to PUT: what is no part of the entry (`origin`, `warnings`) is
passed over there.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import structlog
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from port104.registry.entries import Entry
from port104.registry.view import Kept
from port104.service.api.bodies import read_body
from port104.service.api.queries import page_of, paged, read_query
from port104.service.api.resources import Answer, Asks, caller_of, in_json, name_in, resource
from port104.service.api.revisions import etag_of, is_known, revision_wanted
from port104.service.documents import Pairs
from port104.service.registrar import Registrar
from port104.service.registration import ORIGIN, WARNINGS, Kind, read_entry, representation_of
from port104.service.schema import fold

log = structlog.get_logger("port104.api")

PREFIX = "/api/config"


def path_of(kind: Kind) -> str:
    """Where entries of a kind are."""
    return f"{PREFIX}/{kind.clara}"


def entry_resources(kind: Kind, registrar: Registrar) -> list[HTTPRouteHandler]:
    """Serve the entries of one kind."""
    entries = _Entries(kind, registrar)
    return [
        resource(path_of(kind), {"GET": entries.list, "POST": entries.create}),
        resource(
            f"{path_of(kind)}/{{name:str}}",
            {"GET": entries.show, "PUT": entries.replace, "DELETE": entries.delete},
        ),
    ]


class _Entries:
    def __init__(self, kind: Kind, registrar: Registrar) -> None:
        self._kind = kind
        self._registrar = registrar

    async def list(self, request: Asks) -> Answer:
        query = read_query(request, "limit", "offset")
        page = page_of(query)
        kept = self._registrar.kept(self._kind.entry)
        shown = [representation_of(each) for each in kept[page.offset : page.offset + page.limit]]
        return paged(request, query, page, len(kept), shown)

    async def show(self, request: Asks) -> Answer:
        read_query(request)
        kept = self._registrar.find(self._kind.entry, name_in(request))
        if is_known(request.headers.getall("if-none-match", []), kept):
            return Response(content=None, status_code=304, headers={"ETag": etag_of(kept)})
        return in_json(representation_of(kept), headers={"ETag": etag_of(kept)})

    async def create(self, request: Asks) -> Answer:
        read_query(request)
        entry = await read_body(request, self._read)
        kept = await self._registrar.create(entry)
        self._log("entry created", kept.entry.name, request)
        return self._changed(kept, 201, {"Location": self._location(kept)})

    async def replace(self, request: Asks) -> Answer:
        read_query(request)
        name = name_in(request)
        entry = await read_body(request, partial(self._read, name=name))
        kept = await self._registrar.replace(name, entry, self._revision(request, name))
        self._log("entry changed", name, request)
        return self._changed(kept, 200, {"Content-Location": self._location(kept)}, former_name=name)

    async def delete(self, request: Asks) -> Answer:
        read_query(request)
        name = name_in(request)
        kept = await self._registrar.delete(self._kind.entry, name, self._revision(request, name))
        self._log("entry deleted", name, request)
        return in_json(self._with_warnings(kept, ""))

    def _revision(self, request: Asks, name: str) -> int | None:
        given = request.headers.getall("if-match", [])
        return revision_wanted(given, self._registrar.find(self._kind.entry, name)) if given else None

    def _read(self, document: Pairs, name: str | None = None) -> Entry:
        """Make an entry of a body; `name`: which it has where it names none. Raises FaultyEntryError."""
        kept = Pairs(
            (key, value) for key, value in document.items() if fold(str(key)) not in (ORIGIN, WARNINGS)
        )
        kept.duplicates = document.duplicates
        if name is not None and not any(fold(str(key)) == "name" for key in kept):
            kept["name"] = name  # who leaves it out does not mean to change it
        return read_entry(self._kind, kept)

    def _changed(
        self, kept: Kept, status: int, headers: Mapping[str, str], *, former_name: str = ""
    ) -> Answer:
        return in_json(self._with_warnings(kept, former_name), status, {"ETag": etag_of(kept), **headers})

    def _with_warnings(self, kept: Kept, former_name: str) -> dict[str, Any]:
        warnings = self._registrar.warnings(kept.entry, former_name)
        return representation_of(kept) | ({WARNINGS: warnings} if warnings else {})

    def _location(self, kept: Kept) -> str:
        return f"{path_of(self._kind)}/{quote(kept.entry.name, safe='')}"

    def _log(self, event: str, name: str, request: Asks) -> None:
        log.info(event, kind=self._kind.title, name=name, by=caller_of(request).name)
