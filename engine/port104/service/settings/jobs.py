"""`jobs`: how long what is done with is kept."""

from typing import Annotated

from msgspec import Meta

from port104.service.settings.section import Section

Hours = Annotated[float, Meta(ge=0, le=876_000)]


class JobsSettings(Section, frozen=True):
    """How long is kept what is done with; when space runs low, only what failed is kept longer."""

    keep_succeeded_runs_hours: Hours = 24.0
    """The folder of a run that succeeded: its payload, log and output. It stays while results wait."""
    keep_failed_runs_hours: Hours = 168.0
    """The folder of a run that failed for good or was cancelled."""
    keep_instances_hours: Hours | None = None
    """Instances, after their group was closed, where every run that works on them succeeded or was cancelled.
    Null (the default): for ever."""
