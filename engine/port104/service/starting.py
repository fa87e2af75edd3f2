"""`port104 start`: settings, logs, then the service."""

import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from port104.service import logs
from port104.service.app import run
from port104.service.configuration import Configuration, by_reason, load

log = structlog.get_logger("port104.service")


def start(file: Path | None, flags: Mapping[str, tuple[str, str]]) -> int:
    """Serve until told to stop; returns the exit code. Raises what `load` and `run` raise."""
    configuration = load(file, os.environ, flags)
    with logs.configured(configuration.settings.log):
        _report(configuration)
        return run(configuration.settings)


def _report(configuration: Configuration) -> None:
    for warning in configuration.warnings:
        log.warning(warning)
    if configuration.unused:
        log.warning("settings without effect", settings=by_reason(configuration.unused))
