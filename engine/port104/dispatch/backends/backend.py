"""What a backend does. Kinds of them stand beside; the dispatcher knows only this."""

from pathlib import Path
from typing import Protocol

import msgspec
import trio

from port104.jobs.ledger.runs import Run
from port104.jobs.planning import Outcome
from port104.registry.entries import Pipeline


class Ending(msgspec.Struct, frozen=True):
    """How an attempt ended, and why; for people, without patient data."""

    outcome: Outcome
    why: str = ""


class Backend(Protocol):
    """Runs pipelines of one kind."""

    async def run(self, run: Run, pipeline: Pipeline, folder: Path, cancel: trio.Event) -> Ending:
        """Make one attempt in `folder`, which holds dcm/, manifest.json and output/, to its end.

        Called again for the same attempt after a restart: what was begun goes on or is known to have ended,
        and what had succeeded is not done again. `cancel`: ends the attempt as cancelled. When the call
        itself is cancelled the engine stops: what can go on without it does.
        """
        ...
