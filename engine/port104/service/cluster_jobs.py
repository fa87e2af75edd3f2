"""What makes and follows the Jobs of pipelines, where port104 is a pod that may."""

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
import trio

from port104.cluster.api_server import open_api_server
from port104.cluster.place import SERVICE_ACCOUNT, place_from
from port104.dispatch.backends.kubernetes.backend import KubernetesBackend
from port104.dispatch.backends.kubernetes.carrying import Carrier
from port104.dispatch.backends.kubernetes.following import JobWatch
from port104.dispatch.node import node_of

log = structlog.get_logger("port104.dispatch")

_SETTING = "jobs.kubernetes"
# The chart tells by the downward API; else Kubernetes calls the machine by it.
_POD_NAME = "POD_NAME"


@asynccontextmanager
async def making_jobs(
    root: Path,
    environ: Mapping[str, str] = os.environ,
    account: Path = SERVICE_ACCOUNT,
    *,
    wanted: bool,
    carrier: Carrier | None = None,
) -> AsyncIterator[KubernetesBackend | None]:
    """Make and follow Jobs while the block runs, where they are `wanted` and this is a pod; None: it is not.

    `root`: the storage folder. `carrier`: brings payloads by the object store; None: there is none. Raises
    ConfigurationError where the pod may not ask the API server at all, StorageError for the folder.
    """
    find = partial(place_from, environ, _SETTING, account)
    place = await trio.to_thread.run_sync(find) if wanted else None
    if place is None:
        if wanted:
            log.warning("no Jobs can be made: this is no pod of a cluster", setting=_SETTING)
        yield None
        return
    engine = await trio.to_thread.run_sync(node_of, root)
    async with open_api_server(place) as server:
        watch = JobWatch(server, engine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            pod = environ.get(_POD_NAME) or socket.gethostname()
            yield KubernetesBackend(watch, pod, root, carrier)
            nursery.cancel_scope.cancel()
