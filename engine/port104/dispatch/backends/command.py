"""Runs a pipeline that is a program of this machine. It goes on while the engine is away."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import structlog
import trio

from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.supervision import Order, Work, attend
from port104.dispatch.backends.variables import variables_of
from port104.jobs.ledger.runs import Run
from port104.registry.entries import Limits, Pipeline

log = structlog.get_logger("port104.dispatch")

# What a command is given of the engine's own environment, which may hold secrets.
_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR")
# A supervisor tells who it is some 20 ms after it was started.
_AGAIN_SECONDS = 0.05
_TROUBLE_SECONDS = 1.0
_NOT_BEGUN = Ending("cancelled", "was cancelled before it began")
_NO_SUPERVISOR = Ending(
    "failed", "its supervisor ended before the command began; what is known of it is in the attempt's log"
)


class CommandBackend:
    """Runs `pipeline.command`, under a supervisor that outlives the engine. A Backend."""

    async def run(self, run: Run, pipeline: Pipeline, folder: Path, cancel: trio.Event) -> Ending:
        """Begin the attempt, or find it again where it was begun, and wait for its end."""
        order = _order(run, pipeline, folder)
        instead: Ending | None = None
        while True:
            if cancel.is_set():
                instead = _NOT_BEGUN
            found = await _attended(order, instead)
            if isinstance(found, Ending):
                return found
            if found is None:
                await trio.sleep(_AGAIN_SECONDS)
                continue
            try:
                await _until_ended(found, cancel)
            finally:
                found.close()
            if found.begun:
                instead = _NO_SUPERVISOR


async def _attended(order: Order, instead: Ending | None) -> Ending | Work | None:
    """Ask who works, as often as the folder cannot be reached: an end that cannot be seen is none."""
    work = partial(attend, order, instead)
    told = False
    while True:
        try:
            return await trio.to_thread.run_sync(work)
        except FileNotFoundError:
            return Ending("failed", f"its folder is gone: {order.folder}")
        except OSError as failure:
            if not told:
                log.warning(
                    "an attempt's folder cannot be looked into; tried again",
                    run=order.run_id,
                    folder=str(order.folder),
                    reason=failure.strerror,
                )
            told = True
            await trio.sleep(_TROUBLE_SECONDS)


async def _until_ended(work: Work, cancel: trio.Event) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pass_on, cancel, work)
        await trio.lowlevel.wait_readable(work.descriptor)
        nursery.cancel_scope.cancel()


async def _pass_on(cancel: trio.Event, work: Work) -> None:
    await cancel.wait()
    work.cancel()


def _order(run: Run, pipeline: Pipeline, folder: Path) -> Order:
    folder = folder.absolute()
    return Order(
        run_id=run.id,
        command=pipeline.command,
        environment=_environment(run, pipeline, folder, os.environ),
        folder=folder,
        time_limit=pipeline.time_limit,
        limits=_limits(pipeline.limits),
    )


def _environment(run: Run, pipeline: Pipeline, folder: Path, ours: Mapping[str, str]) -> dict[str, str]:
    """What the command is given. Its own variables cannot take the place of those that describe the run."""
    passed = {name: ours[name] for name in _PASSED if name in ours}
    return {**passed, **pipeline.environment, **variables_of(run, folder)}


def _limits(limits: Limits) -> dict[str, int]:
    wanted = {
        "RLIMIT_AS": limits.memory,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CPU": limits.cpu_seconds,
    }
    return {name: value for name, value in wanted.items() if value}
