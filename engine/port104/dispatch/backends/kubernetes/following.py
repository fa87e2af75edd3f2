"""Follows the Jobs of this engine and their pods, for all runs at once: by two watches."""

from collections.abc import Mapping

import structlog
import trio

from port104.cluster.api_server import ApiServer
from port104.cluster.collection import JOBS, PODS
from port104.cluster.faults import ClusterError
from port104.cluster.resources import Resource
from port104.cluster.watching import Watcher
from port104.dispatch.backends.kubernetes.labels import ENGINE

log = structlog.get_logger("port104.dispatch")


class JobWatch:
    """What was heard last. `engine`: name of our storage folder, which their labels have."""

    def __init__(self, server: ApiServer, engine: str) -> None:
        ours = {ENGINE: engine}
        self.server = server
        self.engine = engine
        self._jobs = Watcher(server, JOBS.selected(**ours), self._heard, self._told)
        self._pods = Watcher(server, PODS.selected(**ours), self._heard, self._told)
        self._indexed: Mapping[str, Resource] | None = None
        self._by_owner: dict[str, list[Resource]] = {}
        self._faults: dict[str, str] = {}
        self.news = trio.Event()
        """Set at the next change; take it before you look."""

    async def run(self) -> None:
        """Follow until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._jobs.run)
            nursery.start_soon(self._pods.run)

    def job(self, name: str) -> Resource | None:
        """The Job of that name, as far as is known."""
        return self._jobs.mirror.resources.get(name)

    def pods_of(self, job: Resource) -> list[Resource]:
        """The pods that Kubernetes made for a Job, as far as is known."""
        pods = self._pods.mirror.resources
        if pods is not self._indexed:
            self._by_owner = {}
            for pod in pods.values():
                for owner in pod.metadata.owner_references:
                    self._by_owner.setdefault(owner.uid, []).append(pod)
            self._indexed = pods
        return self._by_owner.get(job.metadata.uid, [])

    @property
    def fault(self) -> str | None:
        """Why they cannot be followed at the moment, in words."""
        return next(iter(self._faults.values()), None)

    def _heard(self) -> None:
        self.news.set()
        self.news = trio.Event()

    def _told(self, plural: str, fault: ClusterError | None) -> None:
        """Log when the API server goes away and when it is back, once."""
        if fault is not None:
            if not self._faults:
                log.warning("Jobs cannot be followed; runs in the cluster go on", reason=str(fault))
            self._faults[plural] = str(fault)
        elif self._faults.pop(plural, None) is not None and not self._faults:
            log.info("Jobs are followed again")


def belongs_to(pod: Resource, job: Resource) -> bool:
    """Whether Kubernetes made the pod for the Job."""
    return any(each.uid == job.metadata.uid for each in pod.metadata.owner_references)
