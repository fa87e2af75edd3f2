"""`port104 config check` and `port104 config show`."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from port104.database.address import redacted
from port104.registry.store.contents import Contents
from port104.registry.view import View
from port104.service import schema
from port104.service.commands.output import print_document, print_rows
from port104.service.configuration import DEFAULT, Configuration, by_reason, load
from port104.service.escaping import escape
from port104.service.identities import identities_from
from port104.service.registration import defaults_from
from port104.service.settings.tree import Settings


def check(file: Path) -> Iterator[str]:
    """Yield what a start with this file would do, line by line. Raises ConfigurationError."""
    configuration = load(file, os.environ, {})
    identities_from(configuration.settings.dicom.scp.user_identity)
    yield escape(f"{file}: no faults")
    yield from map(escape, _summary(configuration.settings))
    for warning in configuration.warnings:
        yield escape(f"warning: {warning}")
    for end in View.of(Contents(0), defaults_from(configuration.settings, {})).loose_ends():
        yield escape(f"warning: {end}, unless it was created")
    for why, paths in by_reason(configuration.unused).items():
        yield escape(f"without effect, because {why}: {', '.join(paths)}")


def _summary(settings: Settings) -> Iterator[str]:
    scp, storage = settings.dicom.scp, settings.storage
    titles = ", ".join(entry.ae_title for entry in scp.ae_titles) or "none"
    unknown = "rejected" if scp.reject_unknown_sources else "admitted"
    if scp.port is not None:
        yield f"listens on: port {scp.port} of {scp.host or 'all addresses'}"
    if scp.tls.enabled:
        yield f"listens for TLS on: port {scp.tls.port} of {scp.host or 'all addresses'}"
    if settings.api.port is not None:
        yield f"REST API: port {settings.api.port} of {settings.api.host or 'all addresses'}"
    yield f"AE titles: {titles}"
    if settings.pipelines:
        yield f"pipelines: {', '.join(entry.name for entry in settings.pipelines)}"
    yield f"sources: {len(scp.sources)}; others are {unknown}"
    if scp.user_identity.mode != "off":
        yield f"user identities: {scp.user_identity.mode}"
    yield f"storage: {storage.temporary}, durability {storage.durability}"


def show(file: Path | None, flags: Mapping[str, tuple[str, str]], output: str) -> None:
    """Print all settings as a table, JSON or YAML. Raises ConfigurationError."""
    configuration = load(file, os.environ, flags)
    if output == "table":
        print_rows(("setting", "value", "from"), [*_rows(configuration)])
    else:
        print_document(_document(configuration.settings), output)


def _document(settings: Settings) -> dict[str, Any]:
    """The settings as a document, but for a password."""
    document: dict[str, Any] = msgspec.to_builtins(settings)
    if settings.registry.url is not None:
        document["registry"]["url"] = redacted(settings.registry.url)
    return document


def _rows(configuration: Configuration) -> Iterator[tuple[str, str, str]]:
    document = _document(configuration.settings)
    for path, _ in schema.leaves(Settings):
        if "[" in path:  # shown within its list
            continue
        value: Any = document
        for name in path.split("."):
            value = value[name]
        text = msgspec.json.encode(value).decode()
        yield path, text, configuration.origins.get(path, DEFAULT)
