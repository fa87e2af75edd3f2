"""`port104 config check` and `port104 config show`."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml

from port104.database.address import redacted
from port104.service import schema
from port104.service.configuration import DEFAULT, Configuration, by_reason, load
from port104.service.escaping import escape
from port104.service.identities import identities_from
from port104.service.settings import Settings


def check(file: Path) -> Iterator[str]:
    """Yield what a start with this file would do, line by line. Raises ConfigurationError."""
    configuration = load(file, os.environ, {})
    identities_from(configuration.settings.dicom.scp.user_identity)
    yield escape(f"{file}: no faults")
    yield from map(escape, _summary(configuration.settings))
    for warning in configuration.warnings:
        yield escape(f"warning: {warning}")
    for why, paths in by_reason(configuration.unused).items():
        yield escape(f"without effect, because {why}: {', '.join(paths)}")


def _summary(settings: Settings) -> Iterator[str]:
    scp, storage = settings.dicom.scp, settings.storage
    titles = ", ".join(entry.ae_title for entry in scp.ae_titles) or "none"
    unknown = "rejected" if scp.reject_unknown_sources else "admitted"
    yield f"listens on: port {scp.port} of {scp.host or 'all addresses'}"
    yield f"AE titles: {titles}"
    yield f"sources: {len(scp.sources)}; others are {unknown}"
    if scp.user_identity.mode != "off":
        yield f"user identities: {scp.user_identity.mode}"
    yield f"storage: {storage.temporary}, durability {storage.durability}"


def show(file: Path | None, flags: Mapping[str, tuple[str, str]], output: str) -> None:
    """Print all settings as a table, JSON or YAML. Raises ConfigurationError."""
    configuration = load(file, os.environ, flags)
    document = _document(configuration.settings)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump(document, sort_keys=False), nl=False)
    elif is_terminal():
        _print_table(configuration)
    else:
        for row in _rows(configuration):
            click.echo("\t".join(row))


def _document(settings: Settings) -> dict[str, Any]:
    """The settings as a document, but for a password."""
    document: dict[str, Any] = msgspec.to_builtins(settings)
    if settings.registry.url is not None:
        document["registry"]["url"] = redacted(settings.registry.url)
    return document


def is_terminal() -> bool:
    """Whether people read what is printed."""
    return sys.stdout.isatty()


def _rows(configuration: Configuration) -> Iterator[tuple[str, str, str]]:
    document = _document(configuration.settings)
    for path, _ in schema.leaves(Settings):
        if "[" in path:  # shown within its list
            continue
        value: Any = document
        for name in path.split("."):
            value = value[name]
        text = msgspec.json.encode(value).decode()
        yield path, escape(text), escape(configuration.origins.get(path, DEFAULT))


def _print_table(configuration: Configuration) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table()
    for title in ("setting", "value", "from"):
        table.add_column(title, overflow="fold")
    for row in _rows(configuration):
        table.add_row(*map(Text, row))
    Console().print(table)
