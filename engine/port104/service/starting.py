"""`port104 start`: settings, logs, then the service."""

import os
from collections.abc import Mapping
from pathlib import Path

from port104.service import logs
from port104.service.app import run
from port104.service.reloading import Sources, report

_MASK = 0o027  # files 0640, folders 0750


def start(file: Path | None, flags: Mapping[str, tuple[str, str]]) -> int:
    """Serve until told to stop; returns the exit code. Raises what `load` and `run` raise."""
    _keep_others_out()
    sources = Sources(file, os.environ, flags)
    configuration = sources.load()
    with logs.configured(configuration.settings.log):
        report(configuration)
        return run(configuration, sources)


def _keep_others_out() -> None:
    """Whatever is written from here on (instances, logs, the audit trail) may be patients' business.

    The group may read: pipelines and log shippers work by it. A stricter umask of who starts us stays.
    """
    given = os.umask(_MASK)
    os.umask(given | _MASK)
