"""From a file, the environment and flags to settings.

Precedence: flag > environment > file > default.

Each source is checked as a whole before they are merged, so every fault is found and carries the
place that it came from, also where another source overrides it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from port104.cluster.place import in_cluster
from port104.errors import ConfigurationError
from port104.service import clara, documents, environment, schema
from port104.service.clara import Layer, Unused
from port104.service.contradictions import contradictions
from port104.service.decoding import Fault, Raw, Tree, build, canonical
from port104.service.escaping import escape
from port104.service.settings.tree import Settings

DEFAULT = "default"


class FaultyConfigurationError(ConfigurationError):
    """Everything that is wrong with a configuration, one line each."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = (f"\n  {escape(str(fault))}" for fault in faults)
        super().__init__(f"{count} in the configuration:{''.join(lines)}")


class Configuration(msgspec.Struct, frozen=True):
    """Settings, and where they come from."""

    settings: Settings
    origins: Mapping[str, str]
    """Path -> place, of every key that is not at its default."""
    unused: tuple[Unused, ...]
    """Keys that were given and have no effect."""
    warnings: tuple[str, ...]
    """What will surprise, in words."""


def load(
    file: Path | None, environ: Mapping[str, str], flags: Mapping[str, tuple[str, str]]
) -> Configuration:
    """Read all sources. `flags` maps a flag as typed (`--port`) to its path and value.

    Raises ConfigurationError: FaultyConfigurationError with every fault, unless the file cannot be
    read or parsed at all.
    """
    faults: list[Fault] = []
    found: list[Layer | Unused] = []
    if file is not None:
        found += _of_file(file, faults)
    found += environment.layers(environ, faults)
    for flag, (path, value) in flags.items():
        found.append(Layer(environment.nested(tuple(path.split(".")), Raw(value)), f"flag {flag}"))

    unused: list[Unused] = []
    merged: Tree = {}
    origins: dict[str, str] = {}
    for each in found:
        if isinstance(each, Unused):
            unused.append(each)
            continue
        tree = _checked(each, faults)
        unused += (Unused(path, each.origin, why) for path, why in _unused(tree, Settings))
        _merge(merged, tree, each.origin, origins)
    if faults:
        raise FaultyConfigurationError(faults)
    settings = build(Settings, merged, faults)
    if contradictory := tuple(contradictions(settings)):
        raise FaultyConfigurationError(contradictory)
    return Configuration(settings, origins, tuple(unused), tuple(_warnings(settings, environ)))


def _of_file(file: Path, faults: list[Fault]) -> list[Layer | Unused]:
    at_file: list[Fault] = []
    found = clara.interpret(documents.read(file), str(file), at_file)
    faults += _located(at_file, str(file))
    return found


def _checked(layer: Layer, faults: list[Fault]) -> Tree:
    here: list[Fault] = []
    tree = canonical(layer.tree, Settings, here)
    build(Settings, tree, here)
    faults += _located(here, layer.origin)
    return tree


def _located(faults: Sequence[Fault], origin: str) -> Iterator[Fault]:
    return (msgspec.structs.replace(fault, origin=origin) for fault in faults)


def _merge(into: Tree, tree: Tree, origin: str, origins: dict[str, str], prefix: str = "") -> None:
    """Lay one tree over another; a list replaces a list."""
    for name, value in tree.items():
        path = prefix + name
        if isinstance(value, dict):
            below = into.setdefault(name, {})
            if isinstance(below, dict):
                _merge(below, value, origin, origins, f"{path}.")
        else:
            into[name] = value
            origins[path] = origin


def _unused(tree: Any, section: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Find the keys that are given and marked as unused, with the reason."""
    if not isinstance(tree, dict):
        return
    for key in schema.keys(section):
        if key.name not in tree:
            continue
        path, value = prefix + key.name, tree[key.name]
        if "unused" in key.extra:
            yield path, key.extra["unused"]
        elif key.section is not None:
            yield from _unused(value, key.section, f"{path}.")
        elif key.entry is not None and isinstance(value, list):
            for index, entry in enumerate(value):
                yield from _unused(entry, key.entry, f"{path}[{index}].")


def _warnings(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    scp = settings.dicom.scp
    if settings.read_ae_titles_from_crd and not in_cluster(environ):
        yield (
            "readAeTitlesFromCrd: this is no pod of Kubernetes (KUBERNETES_SERVICE_HOST is not set), so there"
            " are no custom resources to read"
        )
    if not scp.ae_titles:
        yield (
            "dicom.scp.aeTitles is empty: every association will be rejected, but for AE titles that were"
            " created (port104 create aetitle)"
        )
    if scp.reject_unknown_sources and not scp.sources:
        yield (
            "dicom.scp.sources is empty and dicom.scp.rejectUnknownSources is true: every association will be"
            " rejected, but for those of sources that were created (port104 create src)"
        )


def by_reason(unused: Sequence[Unused]) -> dict[str, list[str]]:
    """Group the paths of unused keys by why they are unused."""
    grouped: dict[str, list[str]] = {}
    for each in unused:
        grouped.setdefault(each.why, []).append(each.path)
    return grouped
