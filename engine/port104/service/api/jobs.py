"""Jobs by the API: how they are, the logs of their runs, and to cancel or repeat these."""

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import unquote

import structlog
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from port104.dispatch.lookout import Lookout, Runs
from port104.dispatch.run_log import MOST_BYTES, NoLogError
from port104.jobs.ledger.looking.jobs import STATES, JobDetail, JobRun, WantedJobs, job, jobs
from port104.jobs.ledger.looking.places import run_place
from port104.service.api.problems import ProblemError, refuse
from port104.service.api.queries import choice_of, number_of, paged_on, place_of, read_query
from port104.service.api.resources import Answer, Asks, caller_of, in_json, name_in, resource

log = structlog.get_logger("port104.api")

PATH = "/api/jobs"
MOST_ATTEMPTS = 10**6
FARTHEST = 10**12
"""Byte of a log."""

FILTERS = {
    "state": "`running`, `waiting`, `failed`, `cancelled` or `succeeded`: the first that a run of it is in",
    "calledAeTitle": "the AE title that took its instances",
    "group": "the `id` of its group",
}
"""The parameters that select jobs."""
_GOING_ON = ("running", "waiting")


def job_resources(lookout: Lookout, runs: Runs) -> list[HTTPRouteHandler]:
    """Serve them."""
    served = _Jobs(lookout, runs)
    return [
        resource(PATH, {"GET": served.list}),
        resource(f"{PATH}/{{name:str}}", {"GET": served.show}),
        resource(f"{PATH}/{{name:str}}/runs/{{run:str}}/log", {"GET": served.log}),
        resource(f"{PATH}/{{name:str}}/cancel", {"POST": served.cancel}),
        resource(f"{PATH}/{{name:str}}/rerun", {"POST": served.rerun}),
    ]


class _Jobs:
    def __init__(self, lookout: Lookout, runs: Runs) -> None:
        self._lookout = lookout
        self._runs = runs

    async def list(self, request: Asks) -> Answer:
        query = read_query(request, "limit", "after", *FILTERS)
        wanted = WantedJobs(
            state=choice_of(query, "state", STATES),
            called_ae_title=query.get("calledAeTitle"),
            group=query.get("group"),
        )
        page = place_of(query)
        found = await self._lookout.ask(lambda session: jobs(session, wanted, page))
        return paged_on(request, query, found)

    async def show(self, request: Asks) -> Answer:
        read_query(request)
        return in_json(await self._find(name_in(request)))

    async def log(self, request: Asks) -> Answer:
        query = read_query(request, "attempt", "offset", "limit")
        attempt = number_of(query, "attempt", 0, least=1, most=MOST_ATTEMPTS) or None
        offset = number_of(query, "offset", 0, least=0, most=FARTHEST)
        most = number_of(query, "limit", MOST_BYTES, least=1, most=MOST_BYTES)
        job_id, run_id = name_in(request), unquote(request.path_params["run"])
        place = await self._lookout.ask(partial(run_place, job_id=job_id, run_id=run_id))
        if place is None:
            raise unknown_run()
        try:
            part = await self._lookout.log_of(place, attempt, offset, most)
        except NoLogError as none:
            raise refuse(404, "no-log", str(none)) from none
        headers = {"X-Total-Count": str(part.total)}
        return Response(content=part.data, media_type="text/plain", headers=headers, status_code=200)

    async def cancel(self, request: Asks) -> Answer:
        why = "it has ended: there is nothing to cancel"
        return await self._act(
            request, "cancelled", self._runs.cancel, lambda run: run.state in _GOING_ON, why
        )

    async def rerun(self, request: Asks) -> Answer:
        why = "it has not ended: cancel it first, or wait"
        return await self._act(
            request, "run again", self._runs.rerun, lambda run: run.state not in _GOING_ON, why
        )

    async def _act(
        self,
        request: Asks,
        done: str,
        act: Callable[[str], Awaitable[str | None]],
        covers: Callable[[JobRun], bool],
        otherwise: str,
    ) -> Answer:
        """Act on the runs of a job that an act is for; answers with the job as it is then."""
        query = read_query(request, "run")
        job_id = name_in(request)
        detail = await self._find(job_id)
        runs = [run for run in detail.job.runs if query.get("run") in (None, run.id)]
        if not runs:
            raise unknown_run()
        wanted = [run.id for run in runs if covers(run)]
        if not wanted:
            raise refuse(409, "state", otherwise)
        for run_id in wanted:
            await act(run_id)
        log.info("job acted on", job=detail.job.id, act=done, runs=wanted, by=caller_of(request).name)
        return in_json(await self._find(job_id))

    async def _find(self, job_id: str) -> JobDetail:
        found = await self._lookout.ask(partial(job, job_id=job_id))
        if found is None:
            raise unknown_job()
        return found


def unknown_job() -> ProblemError:
    """Return what to raise where there is no such job."""
    return refuse(404, "unknown-job", "there is no such job: see /api/jobs for those that there are")


def unknown_run() -> ProblemError:
    """Return what to raise where the job has no such run."""
    return refuse(404, "unknown-run", "there is no such run of this job: see the job for those that it has")
