"""Which runs a closed group is worth, what they are called, and when a failed one is tried again. Decides.

Rules that this room keeps:
- one run for each pipeline of the AE title, over the same instances;
- what succeeded is never run again; what failed is, after a while that doubles, until its attempts end.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

PRIORITIES = {"lower": 0, "normal": 1, "higher": 2, "immediate": 3}
"""Clara's words; the larger number comes first."""

_NAME_LENGTH = 63  # as Clara's, which became the name of something in Kubernetes (RFC 1123)
_STRANGE = re.compile(r"[^a-z0-9]+")
_LONGEST_DELAY = 3600.0
_DEFAULT_DELAY_MILLISECONDS = 5000

Outcome = Literal["succeeded", "failed", "cancelled"]


class PlannedRun(msgspec.Struct, frozen=True):
    """A run that is to be made. `pipeline`: what the AE title calls it; `pipeline_id`: which one it is."""

    pipeline: str
    pipeline_id: str
    name: str


class Plan(msgspec.Struct, frozen=True):
    """What a closed group is worth. `retry_delay`: seconds before a failed run's second attempt."""

    priority: int
    retry_delay: float
    runs: tuple[PlannedRun, ...]


def plan(
    called_ae_title: str, pipelines: Mapping[str, str], settings: Mapping[str, str | int], now: float
) -> Plan:
    """Decide what is made of a group that is closed at Unix time `now`.

    `pipelines`: what its AE title calls each -> its ID; `settings`: of the AE title.
    """
    delay = settings.get("jobRetryDelay", _DEFAULT_DELAY_MILLISECONDS)
    return Plan(
        priority=PRIORITIES[str(settings.get("priority", "normal"))],
        retry_delay=float(delay) / 1000,
        runs=tuple(
            PlannedRun(name, pipeline_id, name_of(called_ae_title, name, now))
            for name, pipeline_id in sorted(pipelines.items())
        ),
    )


def name_of(called_ae_title: str, pipeline: str, now: float) -> str:
    """Name a run as Clara does: `{AE title}-{pipeline}-{yyyyMMddHHmmss}` of a-z, 0-9 and -, at most 63."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d%H%M%S")
    words = _STRANGE.sub("-", f"{called_ae_title}-{pipeline}".lower()).strip("-")
    return f"{words[: _NAME_LENGTH - len(stamp) - 1]}-{stamp}".replace("--", "-").lstrip("-")


def next_attempt(attempt: int, attempts: int, retry_delay: float, now: float) -> float | None:
    """When a run whose attempt number `attempt` (from 1) failed is tried again; None: never."""
    if attempt >= attempts:
        return None
    return now + min(math.ldexp(retry_delay, min(attempt - 1, 60)), _LONGEST_DELAY)
