"""Runs a pipeline as a Job of the cluster, which goes on while the engine is away.

Rules that this room keeps:
- a Job's name is that of its attempt: made again it is there already, and is the one that was made;
- what was made is written down in the attempt's folder: a Job that is gone afterwards is not made anew;
- how it ended is written down durably before the Job may go;
- what may have been made is waited for: an API server that is away or refuses to be read fails no run.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
import trio

from port104.cluster.collection import JOBS, PODS
from port104.cluster.faults import ClusterError
from port104.cluster.resources import Resource
from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.cancelling import unless_cancelled
from port104.dispatch.backends.kubernetes.attempt import Attempt
from port104.dispatch.backends.kubernetes.carrying import Carrier
from port104.dispatch.backends.kubernetes.following import JobWatch, belongs_to
from port104.dispatch.backends.kubernetes.hindering import HINDERED_SECONDS, Hindrances
from port104.dispatch.backends.kubernetes.judging import ending_of, has_begun, has_ended
from port104.dispatch.backends.kubernetes.labels import ATTEMPT, RUN
from port104.dispatch.backends.kubernetes.manifest import Order, job_of
from port104.dispatch.backends.kubernetes.pod_log import PodLog
from port104.dispatch.backends.kubernetes.steps import ByObjects, Consignment
from port104.dispatch.backends.kubernetes.whereabouts import (
    NoWayError,
    Whereabouts,
    look_at_image,
    look_round,
)
from port104.dispatch.backends.supervision import outcome_in
from port104.dispatch.run_log import LOG
from port104.dispatch.transfer.documents import FaultyDocumentError
from port104.errors import Port104Error
from port104.jobs.ledger.runs import Run
from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError
from port104.registry.entries import Pipeline

log = structlog.get_logger("port104.dispatch")

FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 10.0
# How long a 403 is not taken for an answer: an API server that has just started does not know the roles yet.
FORBIDDEN_SECONDS = 5.0
# How often a Job is asked for that no watch told of, and looked at again what keeps one from beginning.
LOOK_SECONDS = 30.0
# How long the rest of a log may take once its Job has ended.
LOG_SECONDS = 10.0
TROUBLE_SECONDS = 1.0

AnswerT = TypeVar("AnswerT")


class _FaultyAttemptError(Port104Error):
    """The attempt has failed; the text says why."""


class KubernetesBackend:
    """Makes and follows Jobs. A Backend. Whoever has one runs its watch."""

    def __init__(self, watch: JobWatch, pod: str, root: Path, carrier: Carrier | None = None) -> None:
        """`pod`: our own pod's name; `root`: the storage folder.

        `carrier`: brings payloads by the object store; None: there is none.
        """
        self._watch = watch
        self._server = watch.server
        self._pod = pod
        self._root = root
        self._carrier = carrier

    @property
    def fault(self) -> str | None:
        """Why Jobs cannot be followed at the moment, in words."""
        return self._watch.fault

    async def run(self, run: Run, pipeline: Pipeline, folder: Path, cancel: trio.Event) -> Ending:
        """Make the attempt's Job, or find it again where it was made, and wait for its end."""
        assert pipeline.kubernetes is not None  # noqa: S101 - it was chosen by that
        attempt = Attempt(run, pipeline, pipeline.kubernetes, folder, trio.current_time())
        try:
            known = await _on_disk(attempt, partial(outcome_in, folder))
            if known is not None:
                await self._clear(attempt)
                return known
            ending = await unless_cancelled(cancel, partial(self._seen_through, attempt))
            # One that is cancelled at once may have been made before port104 was killed.
            if not attempt.ended and (attempt.perhaps_made or ending.outcome == "cancelled"):
                await self._removed(attempt)
            ending = await _on_disk(attempt, partial(attempt.write_down, ending))
        except _FaultyAttemptError as fault:
            ending = Ending("failed", str(fault))
        if attempt.ended:
            await self._let_go(attempt)
        await self._clear(attempt)
        return ending

    async def _seen_through(self, attempt: Attempt) -> Ending:
        try:
            job = await self._found_or_made(attempt)
        except (_FaultyAttemptError, NoWayError) as fault:
            return Ending("failed", str(fault))
        except ClusterError as fault:
            return Ending("failed", f"its Job cannot be made: {fault}")
        async with trio.open_nursery() as nursery:
            pod_log = PodLog(self._watch, job, attempt.folder / LOG)
            nursery.start_soon(pod_log.run)
            ending = await self._followed(attempt, job, pod_log)
            if attempt.ended and (attempt.has_log or pod_log.begun):
                with trio.move_on_after(LOG_SECONDS) as patience:
                    await pod_log.kept.wait()
                if patience.cancelled_caught:
                    pod_log.give_up()
            nursery.cancel_scope.cancel()
        if ending.outcome != "succeeded":
            return ending
        try:
            await self._take(attempt)
        except _FaultyAttemptError as fault:
            return Ending("failed", str(fault))
        return ending

    # ---- its beginning ----

    async def _found_or_made(self, attempt: Attempt) -> Resource:
        """The attempt's Job. Raises ClusterError, NoWayError, _FaultyAttemptError."""
        uid = await _on_disk(attempt, attempt.made)
        if uid is None:
            job = await self._made(attempt)
            await _on_disk(attempt, partial(attempt.write_made, job.metadata.uid))
            return job
        attempt.perhaps_made = True
        found = await self._read(attempt)
        if found is None or found.metadata.uid != uid:
            raise _FaultyAttemptError(_gone(attempt))
        return found

    async def _made(self, attempt: Attempt) -> Resource:
        with trio.move_on_at(attempt.deadline) as scope:
            at = await self._insist(attempt, await self._way_of(attempt), refusable=True)
            job = await self._insist(attempt, partial(self._create, attempt, at), refusable=True)
        if scope.cancelled_caught:
            limit = attempt.pipeline.time_limit
            raise _FaultyAttemptError(f"its Job could not be made within its time limit of {limit:g} s")
        if job is None:
            raise _FaultyAttemptError(_gone(attempt))
        if not attempt.owns(job):
            raise _FaultyAttemptError(
                f"there is a Job {attempt.name} that is not of this run: delete it, and rerun the job"
            )
        return job

    async def _way_of(self, attempt: Attempt) -> Callable[[], Awaitable[Whereabouts | ByObjects]]:
        """How it is found out what its pod must know to have the payload. Raises _FaultyAttemptError."""
        if attempt.pipeline.reads_objects:
            return partial(self._by_objects, attempt, *await self._consigned(attempt))
        if not await _on_disk(attempt, attempt.has_instances):
            raise _FaultyAttemptError("its pipeline changed since its payload was made, for the object store")
        # Each time: an upgrade may put another StatefulSet in the place of the one that the pod was made by.
        return partial(look_round, self._server, self._pod, self._root)

    async def _consigned(self, attempt: Attempt) -> tuple[Carrier, Consignment]:
        """See that the object store has what the attempt's Job needs. Raises _FaultyAttemptError."""
        if self._carrier is None:
            raise _FaultyAttemptError(
                "its payload comes by the object store (kubernetes.payload), and there is none: set"
                " objectStore.url"
            )
        known = await _on_disk(attempt, attempt.consignment)
        if known is None or not known.there:
            await _on_disk(attempt, partial(attempt.write_consignment, Consignment()))
            try:
                known = await _despite_disk(attempt, partial(self._carrier.put, attempt))
            except DamagedObjectError as fault:
                raise _FaultyAttemptError(
                    f"its payload cannot be put into the object store: {fault}"
                ) from fault
            await _on_disk(attempt, partial(attempt.write_consignment, known))
        return self._carrier, known

    async def _by_objects(self, attempt: Attempt, carrier: Carrier, consignment: Consignment) -> ByObjects:
        own = await look_at_image(self._server, self._pod, self._root, carrier.access.image)
        certificates = await trio.to_thread.run_sync(carrier.certificates)
        return ByObjects(own, carrier.access, carrier.shelf_of(attempt), consignment, certificates)

    async def _create(self, attempt: Attempt, at: Whereabouts | ByObjects) -> Resource | None:
        """Make it, or find the one that was made: an answer may have been lost, or an engine killed."""
        order = Order(
            run=attempt.run,
            pipeline=attempt.pipeline,
            template=attempt.template,
            at=at,
            engine=self._watch.engine,
            seconds=attempt.seconds_left(trio.current_time()),
            user=os.geteuid(),
            group=os.getegid(),
        )
        before, attempt.perhaps_made = attempt.perhaps_made, True
        try:
            return await self._server.create(JOBS, job_of(order))
        except ClusterError as fault:
            if fault.status != 409:
                attempt.perhaps_made = before or fault.passes
                raise
        return await self._read(attempt)

    # ---- its way ----

    async def _followed(self, attempt: Attempt, job: Resource, pod_log: PodLog) -> Ending:
        """Wait until the Job has ended, or will not begin, or is gone."""
        hindrances = Hindrances(attempt.name)
        while True:
            news = self._watch.news  # what comes while it is asked for is not slept through
            current = await self._current(attempt, job)
            if current is None:
                return Ending("failed", _gone(attempt))
            if has_ended(current):
                return await self._ending_of(attempt, current, hindrances.why)
            if self._watch.fault is None and self._is_hindered(attempt, job, hindrances, pod_log):
                return Ending("failed", f"{hindrances.why} (for {HINDERED_SECONDS:g} s)")
            with trio.move_on_after(LOOK_SECONDS):
                await news.wait()

    def _is_hindered(self, attempt: Attempt, job: Resource, hindrances: Hindrances, pod_log: PodLog) -> bool:
        """Say what keeps the Job from beginning; whether it does for too long."""
        now = trio.current_time()
        told = hindrances.hear(self._watch.pods_of(job), now)
        if told is not None:
            log.warning("a Job has not begun", run=attempt.run.id, job=attempt.name, reason=told.why)
            pod_log.say(f"it has not begun: {told.why}")
        return hindrances.last(now)

    async def _current(self, attempt: Attempt, job: Resource) -> Resource | None:
        """The Job as it is now; None: it is gone. One that no watch has told of is asked for."""
        found = self._watch.job(attempt.name)
        if found is None or found.metadata.uid != job.metadata.uid:
            found = await self._read(attempt)
        return found if found is not None and found.metadata.uid == job.metadata.uid else None

    async def _ending_of(self, attempt: Attempt, job: Resource, before: str) -> Ending:
        """Ask what became of its pod. `before`: what kept it from beginning."""
        selected = PODS.selected(**{RUN: attempt.run.id, ATTEMPT: str(attempt.run.attempt)})
        found, _ = await self._insist(attempt, partial(self._server.everything, selected))
        attempt.ended = True
        pods = [each for each in found if belongs_to(each, job)]
        attempt.has_log = any(map(has_begun, pods))
        ending = ending_of(job, pods, attempt.pipeline.time_limit)
        if ending.outcome == "failed" and before:
            return Ending("failed", f"{ending.why}; {before}")
        return ending

    async def _take(self, attempt: Attempt) -> None:
        """Have what it left in output/, where it left it in the object store. Raises _FaultyAttemptError."""
        if self._carrier is None or await _on_disk(attempt, attempt.consignment) is None:
            return
        try:
            await _despite_disk(attempt, partial(self._carrier.take, attempt))
        except (FaultyDocumentError, MissingObjectError, DamagedObjectError) as fault:
            raise _FaultyAttemptError(
                f"what it left cannot be taken from the object store: {fault}"
            ) from fault

    # ---- its end ----

    async def _removed(self, attempt: Attempt) -> None:
        """See that nothing of it goes on: it was cancelled, or given up."""
        while (job := await self._read(attempt)) is not None and attempt.owns(job):
            news = self._watch.news
            if job.metadata.deletion_timestamp is None:
                await self._insist(attempt, partial(self._delete, job))
            with trio.move_on_after(LAST_RETRY_SECONDS):
                await news.wait()

    async def _delete(self, job: Resource) -> None:
        try:
            await self._server.delete(JOBS, job.metadata.name, job.metadata.uid)
        except ClusterError as fault:
            if fault.status not in (404, 409):
                raise

    async def _clear(self, attempt: Attempt) -> None:
        """Remove what the object store has of it; what cannot be is removed with the folder of the run."""
        if self._carrier is None or await _on_disk(attempt, attempt.consignment) is None:
            return
        try:
            await self._carrier.remove(attempt)
        except (ObjectStoreError, OSError) as fault:
            log.info("a run's objects stay until its folder goes", run=attempt.run.id, reason=str(fault))

    async def _let_go(self, attempt: Attempt) -> None:
        """Let Kubernetes remove a Job that has ended after a while; else it does so later."""
        change = {"spec": {"ttlSecondsAfterFinished": attempt.template.ttl_seconds_after_finished}}
        try:
            await self._server.patch(JOBS, attempt.name, change)
        except ClusterError as fault:
            log.info("a Job that has ended stays for a week", job=attempt.name, reason=str(fault))

    # ---- what may have to be asked again ----

    async def _read(self, attempt: Attempt) -> Resource | None:
        """Ask for the Job; None: there is none of its name."""

        async def ask() -> Resource | None:
            try:
                return await self._server.read(JOBS, attempt.name)
            except ClusterError as fault:
                if fault.status != 404:
                    raise
                return None

        return await self._insist(attempt, ask)

    async def _insist(
        self, attempt: Attempt, ask: Callable[[], Awaitable[AnswerT]], *, refusable: bool = False
    ) -> AnswerT:
        """Ask until there is an answer. Where it is `refusable`, raises ClusterError for a lasting no."""
        delay, told, began = FIRST_RETRY_SECONDS, False, trio.current_time()
        while True:
            try:
                return await ask()
            except ClusterError as fault:
                lasts = fault.status != 403 or trio.current_time() - began >= FORBIDDEN_SECONDS
                if refusable and lasts and not fault.passes:
                    raise
                if not told:
                    log.warning("a run waits for the API server", run=attempt.run.id, reason=str(fault))
            told = True
            await trio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)


async def _on_disk(attempt: Attempt, work: Callable[[], AnswerT]) -> AnswerT:
    """Do it in a worker thread, as _despite_disk does."""
    return await _despite_disk(attempt, partial(trio.to_thread.run_sync, work))


async def _despite_disk(attempt: Attempt, work: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
    """Do it, as often as the folder cannot be reached. Raises _FaultyAttemptError where it is gone."""
    told = False
    while True:
        try:
            return await work()
        except FileNotFoundError as failure:
            raise _FaultyAttemptError(f"its folder is gone: {attempt.folder}") from failure
        except OSError as failure:
            if not told:
                log.warning(
                    "an attempt's folder cannot be used; tried again",
                    run=attempt.run.id,
                    folder=str(attempt.folder),
                    reason=failure.strerror,
                )
            told = True
            await trio.sleep(TROUBLE_SECONDS)


def _gone(attempt: Attempt) -> str:
    return f"its Job {attempt.name} is gone: somebody deleted it before its end was seen"
