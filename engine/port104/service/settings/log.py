"""`log`: what is logged, how and where to."""

from typing import Annotated, Literal

from msgspec import Meta

from port104.service.settings.section import Section
from port104.service.settings.value_types import Text

LEVELS = {
    "verbose": "debug",
    "trace": "debug",
    "information": "info",
    "warn": "warning",
    "critical": "fatal",
    "none": "fatal",
}
"""Names of log levels in Serilog, in .NET's Logging and elsewhere -> ours."""


class LogSettings(Section, frozen=True):
    """What port104 says about itself; Clara's `Serilog` and `Logging` map to these keys."""

    level: Annotated[
        Literal["debug", "info", "warning", "error", "fatal"], Meta(extra={"synonyms": LEVELS})
    ] = "info"
    """The least severe level that is logged; Serilog's and .NET's names work too."""
    format: Literal["auto", "console", "json"] = "auto"
    """`console` for people, `json` for machines (one object a line); `auto`: `console` when
    standard error is a terminal, `json` otherwise and in the file."""
    file: Text | None = None
    """File to log to besides standard error; a new one is begun each day (UTC)."""
    maximum_file_size: Annotated[int, Meta(ge=65_536, le=1_000_000_000_000)] = 104_857_600
    """Bytes after which a new file is begun."""
    retained_files: Annotated[int, Meta(ge=0, le=100_000)] = 31
    """Finished files that are kept; older ones are deleted."""
