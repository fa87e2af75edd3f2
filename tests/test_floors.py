"""Imports go down only, and siblings do not know each other, so each room can be read alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "engine" / "port104"
FILES = sorted(PACKAGE.rglob("*.py"))

# What each room may import of port104, besides itself.
GROUND = {"errors", "uids", "native", "completions"}
MAY_IMPORT = {
    "__init__": {
        "errors",
        "wire",
        "net",
        "sending",
        "receiving",
    },  # the library's names, each when it is asked for
    "errors": set(),
    "uids": set(),
    "native": {"errors", "uids", "_native"},
    "completions": {"native"},
    "wire": GROUND,
    "database": GROUND,
    "net": GROUND | {"wire"},
    "storage": GROUND | {"wire"},
    "registry": GROUND | {"wire", "database"},
    "cluster": GROUND | {"net"},
    "objects": GROUND,
    "jobs": GROUND | {"wire", "database", "objects"},
    "dispatch": GROUND | {"wire", "net", "storage", "database", "registry", "objects", "jobs", "cluster"},
    "sending": GROUND | {"wire", "net", "storage"},
    "receiving": GROUND | {"wire", "net", "storage"},
    "export": GROUND | {"wire", "net", "storage", "database", "registry", "jobs", "sending"},
    "events": GROUND | {"database", "jobs", "dispatch"},
    "service": GROUND
    | {"wire", "net", "storage", "database", "registry", "objects", "jobs", "cluster", "dispatch", "export"}
    | {"sending", "events"},
    "__main__": {"service"},
}

# Foreign packages that only some may import: file or room -> the packages kept for it.
KEPT_FOR = {
    "trio": {
        *("net", "storage", "dispatch", "sending", "receiving", "service"),
        *("cluster/api_server.py", "cluster/watching.py"),
        *(f"events/{shell}.py" for shell in ("consuming", "fulfilling", "line", "links", "publishing")),
        *(
            f"export/{shell}.py"
            for shell in (
                "calling",
                "committing",
                "converting",
                "courier",
                "dimse",
                "exporting",
                "holding",
                "multipart",
                "recording",
                "stow",
            )
        ),
    },
    "pydicom": {"storage/reading.py", "storage/transcoding.py"},
    "pynetdicom": {"sending/data_sets.py"},
    "asyncio": set(),
    "structlog": {"net", "storage", "dispatch", "export", "events", "service"},
    "click": {"service"},
    "jwt": {"registry/tokens.py"},
    "sqlite3": {"database/sqlite.py"},
    "psycopg": {"database/postgres.py"},
    "pika": {"events/amqp.py"},
    "obstore": {"objects/store.py"},
    "yaml": {"service"},
    "rich": {"service"},
    "litestar": {"service"},
    "prometheus_client": {"service"},
    "hypercorn": {"service"},
    "h11": {"service"},
    "httpcore": {
        *("dispatch/backends/webhook.py", "export/calling.py", "export/stow.py"),
        *("net/http_failures.py", "cluster/api_server.py"),
    },
}


def imported(file: Path, text: str) -> Iterator[str]:
    """Every module that a file imports, wherever in it, relative imports resolved."""
    package = ["port104", *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def violations(file: Path, text: str) -> list[str]:
    here = room(file)
    found = []
    for name in imported(file, text):
        top, *below = name.split(".")
        if top == "port104" and below and below[0] not in {here, *MAY_IMPORT[here]}:
            found.append(name)
        path = file.relative_to(PACKAGE).as_posix()
        if top in KEPT_FOR and not {here, path} & KEPT_FOR[top]:
            found.append(name)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_imports_go_down_only(file: Path):
    assert violations(file, file.read_text()) == []


def test_every_room_has_its_rules():
    assert {room(file) for file in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("wire/pdu.py", "import trio"),
        ("wire/pdu.py", "def f():\n    from port104.net import acceptor"),
        ("wire/pdu.py", "from ..service.app import run"),
        ("net/acceptor.py", "from port104 import storage"),
        ("storage/store.py", "import port104.registry.registry"),
        ("registry/registry.py", "from port104.service.settings.tree import Settings"),
        ("net/acceptor.py", "from port104 import _native"),
        ("service/app.py", "import pynetdicom"),
        ("storage/store.py", "from pydicom.dataset import Dataset"),
        ("errors.py", "from port104 import uids"),
        ("registry/catalogue.py", "import sqlite3"),
        ("database/sqlite.py", "import psycopg"),
    ],
)
def test_the_rules_catch(path: str, text: str):
    assert len(violations(PACKAGE / path, text)) == 1
