"""Results that somebody registers by hand: files by their paths on port104's machine, or one as an upload.

Who may change port104 may name any file that its user can read: a pipeline of theirs could read it as well.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from litestar.handlers import HTTPRouteHandler

from port104.dispatch.filing import (
    MOST_BYTES,
    MOST_FILES,
    FaultyFilesError,
    Filing,
    NoFolderError,
    Source,
)
from port104.dispatch.lookout import Lookout
from port104.errors import StorageError
from port104.jobs.ledger.looking.jobs import JobRun, job
from port104.jobs.ledger.looking.places import run_place
from port104.jobs.ledger.looking.results import results_in
from port104.registry.likeness import by_folded, nearest
from port104.registry.registry import Registry
from port104.service.api.bodies import media_type_of, parts_of, read_body
from port104.service.api.jobs import PATH as JOBS
from port104.service.api.jobs import unknown_job, unknown_run
from port104.service.api.problems import FieldFault, ProblemError, refuse
from port104.service.api.queries import read_query, wrong
from port104.service.api.resources import Answer, Asks, caller_of, in_json, name_in, resource
from port104.service.processing import destinations_of

log = structlog.get_logger("port104.api")

PATH = f"{JOBS}/{{name:str}}/results"
UPLOAD = "application/dicom"
"""The media type of a file of PS3.10 (PS3.18 8.7.3.2)."""


def result_resources(
    lookout: Lookout, filing: Filing, registry: Callable[[], Registry], has_room: Callable[[], bool]
) -> list[HTTPRouteHandler]:
    """Serve them. `has_room`: whether the storage folder's volume has room for more."""
    served = _Results(lookout, filing, registry, has_room)
    return [resource(PATH, {"POST": served.register}, bounded=False)]


class _Results:
    def __init__(
        self, lookout: Lookout, filing: Filing, registry: Callable[[], Registry], has_room: Callable[[], bool]
    ) -> None:
        self._lookout = lookout
        self._filing = filing
        self._registry = registry
        self._has_room = has_room

    async def register(self, request: Asks) -> Answer:
        query = read_query(request, "run", "destinations")
        registry = self._registry()
        named = _known(query.get("destinations"), registry)
        job_id = name_in(request)
        called, run = await self._run(job_id, query.get("run"))
        if not self._has_room():
            raise refuse(507, "no-room", "space runs low on the storage folder's volume: nothing is kept now")
        destinations = named or destinations_of(registry, called, registry.pipeline(run.pipeline_id))
        async with AsyncExitStack() as stack:
            sources = await self._sources(request, stack)
            files = await self._put(job_id, run.id, sources, destinations)
        found = await self._lookout.ask(partial(results_in, run_id=run.id, files=files))
        log.info("results registered", job=job_id, run=run.id, files=len(files), by=caller_of(request).name)
        return in_json(found)

    async def _run(self, job_id: str, run_id: str | None) -> tuple[str, JobRun]:
        """The AE title that took what the run works on, and the run; None: the only one of the job."""
        detail = await self._lookout.ask(partial(job, job_id=job_id))
        if detail is None:
            raise unknown_job()
        runs = [run for run in detail.job.runs if run_id in (None, run.id)]
        if not runs:
            raise unknown_run()
        if len(runs) > 1:
            raise wrong("run", "the job has several runs: name the one whose results these are")
        return detail.job.called_ae_title, runs[0]

    async def _sources(self, request: Asks, stack: AsyncExitStack) -> Sequence[Source]:
        if media_type_of(request) != UPLOAD:
            return await read_body(request, _read)
        try:
            async with aclosing(parts_of(request, MOST_BYTES)) as parts:
                file = await self._filing.receive(parts)
        except StorageError as fault:
            raise refuse(507, "no-room", str(fault)) from fault
        stack.callback(file.close)
        return [file]

    async def _put(
        self, job_id: str, run_id: str, sources: Sequence[Source], destinations: Sequence[str]
    ) -> list[str]:
        place = await self._lookout.ask(partial(run_place, job_id=job_id, run_id=run_id))
        if place is None:
            raise unknown_run()
        try:
            return await self._filing.register(place, sources, destinations)
        except NoFolderError as none:
            raise refuse(409, "state", str(none)) from none
        except StorageError as fault:
            raise refuse(507, "no-room", str(fault)) from fault
        except FaultyFilesError as faulty:
            raise _faulty(faulty, sources) from faulty


def _faulty(faulty: FaultyFilesError, sources: Sequence[Source]) -> ProblemError:
    """Name each file that is wrong, by its path."""
    given = [sources[index] for index, _ in faulty.faults]
    names = [str(each) if isinstance(each, Path) else "the upload" for each in given]
    told = "; ".join(f"{name}: {why}" for name, (_, why) in zip(names, faulty.faults, strict=True))
    errors = [FieldFault(f"files[{index}]", why) for index, why in faulty.faults]
    return refuse(400, "faulty-files", f"nothing is registered: {told}", *errors)


def _known(given: str | None, registry: Registry) -> tuple[str, ...]:
    """The destinations that a parameter names. Raises ProblemError for one that there is not."""
    if given is None:
        return ()
    names = tuple(name.strip() for name in given.split(","))
    for name in names:
        if name not in registry.destinations:
            alike = nearest(name, by_folded(registry.destinations))
            hint = f"did you mean {alike}?" if alike else "port104 list dest shows those that there are"
            raise wrong("destinations", f"there is no destination {name!r}; {hint}")
    return names


def _read(document: Any) -> list[Source]:
    """Read the paths of a body. Raises ProblemError with everything that is wrong."""
    errors = [FieldFault(str(key), "it is given more than once") for key in document.duplicates]
    errors += [FieldFault(str(key), "unknown key") for key in document if key != "files"]
    files = document.get("files")
    if not isinstance(files, list) or not 1 <= len(files) <= MOST_FILES:
        errors.append(FieldFault("files", f"it is required, and a list of 1 to {MOST_FILES} paths"))
        files = []
    errors += [
        FieldFault(f"files[{index}]", "expected a path, as text")
        for index, each in enumerate(files)
        if not isinstance(each, str) or not each
    ]
    if errors:
        detail = "; ".join(f"{each.field}: {each.reason}" for each in errors)
        raise refuse(400, "faulty-entry", f"faulty files: {detail}", *errors)
    return [Path(each) for each in files]
