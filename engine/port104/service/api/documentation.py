"""The API described for people: one page, made of the description, without scripts or internet."""

import base64
import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from port104.service.api.description import description
from port104.service.api.queries import read_query
from port104.service.api.resources import Answer, Asks, in_json, resource

PAGE = "/api/docs"
DESCRIPTION = "/api/openapi.json"

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
h2 { margin-top: 3rem; border-bottom: 1px solid; }
h3 code { font-size: 1.1em; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
tr { border-bottom: 1px solid #8884; }
.method { display: inline-block; min-width: 4.5rem; text-transform: uppercase; }
"""
_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
_SCOPES = {"": "no token", "read": "scope read", "admin": "scope admin"}


def documentation_resources() -> list[HTTPRouteHandler]:
    """Serve the page and the description."""

    async def page(request: Asks) -> Answer:
        read_query(request)
        headers = {"Content-Security-Policy": _POLICY}
        return Response(content=_page(), media_type="text/html", headers=headers, status_code=200)

    async def openapi(request: Asks) -> Answer:
        read_query(request)
        return in_json(_description())

    return [resource(PAGE, {"GET": page}), resource(DESCRIPTION, {"GET": openapi})]


@functools.cache
def _description() -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(description()))


@functools.cache
def _page() -> str:
    """Write the page."""
    described = description()
    title = escape(f"{described['info']['title']} {described['info']['version']}: API")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    parts = [
        f'<!DOCTYPE html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body><h1>{title}</h1>',
        f"<p>{escape(described['info']['description'])}</p>",
        f'<p>For programs: <a href="{DESCRIPTION}">OpenAPI {described["openapi"]}</a>. A token is sent as ',
        "<code>Authorization: Bearer ...</code>; without one, programs of the same machine may ask.</p>",
        *_operations(described["paths"]),
        "<h2>What entries and answers are made of</h2>",
        *_schemas(described["components"]["schemas"]),
        "</body></html>",
    ]
    return "\n".join(parts)


def _operations(paths: dict[str, Any]) -> Iterator[str]:
    tag = ""
    for path, methods in paths.items():
        for method, operation in methods.items():
            if operation["tags"][0] != tag:
                tag = operation["tags"][0]
                yield f"<h2>{escape(tag)}</h2>"
            yield f'<h3><code><span class="method">{method}</span> {escape(path)}</code></h3>'
            yield f"<p>{escape(operation['summary'])} ({_SCOPES[operation['x-scope']]}).</p>"
            if "requestBody" in operation:
                yield f"<p>Body: {_shape(_content(operation['requestBody']))}</p>"
            yield _table(
                ("parameter", "in", "values", "meaning"),
                [
                    (each["name"], each["in"], _shape(each["schema"]), escape(each["description"]))
                    for each in operation.get("parameters", ())
                ],
            )
            yield _table(
                ("status", "answer", "meaning"),
                [
                    (status, _shape(_content(answer)), escape(answer["description"]))
                    for status, answer in operation["responses"].items()
                ],
            )


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f'<h3 id="{name}"><code>{name}</code></h3><p>{escape(schema.get("description", ""))}</p>'
        if "properties" not in schema:
            yield f"<p>{_shape(schema)}</p>"
            continue
        required = schema.get("required", ())
        rows = []
        for field, of in schema["properties"].items():
            default = escape(json.dumps(of["default"])) if "default" in of else ""
            need = "required" if field in required else f"<code>{default}</code>" if default else ""
            rows.append((f"<code>{field}</code>", _shape(of), need, escape(of.get("description", ""))))
        yield _table(("field", "values", "default", "meaning"), rows)


def _content(holder: dict[str, Any]) -> dict[str, Any]:
    """The schema of a body or an answer; empty where there is none."""
    return next((each["schema"] for each in holder.get("content", {}).values()), {})


def _shape(schema: dict[str, Any]) -> str:
    """Which values a schema takes, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_shape, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {_shape(schema['items'])}"
    if isinstance(kind, list):
        return " or ".join(kind)
    ranges = [f"{word} {schema[key]}" for key, word in _RANGES.items() if key in schema]
    return escape(", ".join(filter(None, [kind, *ranges])))


_RANGES = {"minimum": "at least", "maximum": "at most", "maxLength": "length at most"}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return (
        "<table><tr>" + "".join(f"<th>{each}</th>" for each in head) + "</tr>" + "".join(lines) + "</table>"
    )
