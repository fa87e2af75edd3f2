"""Keeps what a Job's containers write, one after the other, in the log of the attempt, while it writes it.

Kubernetes has a log only as long as the pod, and removes the pod of a Job that took too long: what was not
read before is lost.
"""

import os
from pathlib import Path

import structlog
import trio

from port104.cluster.collection import PODS
from port104.cluster.faults import ClusterError
from port104.cluster.resources import Resource
from port104.dispatch.backends.kubernetes.following import JobWatch
from port104.dispatch.backends.kubernetes.judging import containers_of, has_begun, has_stopped, is_over
from port104.dispatch.backends.supervision import LOG_FIRST, LOG_LAST
from port104.dispatch.backends.supervisor import Log

log = structlog.get_logger("port104.dispatch")

# What is written comes to the disk so often, and is asked for again so soon.
FLUSH_SECONDS = 0.5
AGAIN_SECONDS = 2.0


class PodLog:
    """Keeps the log of a Job's pod in `file`.

    `begun`: whether there is something to keep; `kept`: all of it is.
    """

    def __init__(self, watch: JobWatch, job: Resource, file: Path) -> None:
        self._watch = watch
        self._job = job
        self._keeping = _Keeping(file)
        self._trouble = "it did not end in time"
        self.begun = False
        self.kept = trio.Event()

    async def run(self) -> None:
        """Keep it until the last container has ended, or the pod is over or gone."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keeping.flush)
                for container in containers_of(self._job):
                    pod = await self._pod(container)
                    if pod is None:
                        break
                    self.begun = True
                    self._keeping.begin_log()
                    await self._follow(pod, container)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self._keeping.close()
        self.kept.set()

    def say(self, words: str) -> None:
        """Put words of our own before what the container will write."""
        self._keeping.say(words)

    def give_up(self) -> None:
        """Say that what is kept may not be all."""
        self.say(f"the rest of the log cannot be had: {self._trouble}")

    async def _pod(self, container: str) -> str | None:
        """Wait for a pod that has a log of the container; returns its name, None: there will be none."""
        while True:
            news = self._watch.news
            pods = self._watch.pods_of(self._job)
            for pod in pods:
                if has_begun(pod, container):
                    return pod.metadata.name
            if any(map(is_over, pods)) or (self.begun and not pods):
                return None
            await news.wait()

    async def _follow(self, pod: str, container: str) -> None:
        while True:
            self._keeping.from_the_beginning()
            try:
                await self._watch.server.follow_log(pod, container, self._keeping.take)
                if has_stopped(await self._watch.server.read(PODS, pod), container):
                    return
                # The node tells of the end a moment after the log has ended.
                with trio.move_on_after(AGAIN_SECONDS):
                    await self._until_stopped(pod, container)
            except ClusterError as fault:
                if not fault.passes:
                    if fault.status != 404:  # the pod is gone, and what there was is here
                        self._keeping.say(f"the rest of the log cannot be had: {fault}")
                    return
                self._trouble = str(fault)
                await trio.sleep(AGAIN_SECONDS)

    async def _until_stopped(self, pod: str, container: str) -> None:
        """Wait until the container has ended, or the pod is gone, as far as the watch knows."""
        while True:
            news = self._watch.news
            found = [each for each in self._watch.pods_of(self._job) if each.metadata.name == pod]
            if all(has_stopped(each, container) for each in found):
                return
            await news.wait()


class _Keeping:
    """Takes bytes on the event loop, and writes them in worker threads.

    A connection that broke off is made again from the beginning, for Kubernetes counts no bytes: what is
    there already is passed over. Where the node began a new file meanwhile, some of it is lost.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._log: Log | None = None
        self._descriptor = -1
        self._waiting = bytearray()
        self._taken = 0
        self._seen = 0
        self._ends_a_line = True

    def from_the_beginning(self) -> None:
        """Hear that what comes next is the log's first byte."""
        self._seen = 0

    def begin_log(self) -> None:
        """Hear that what comes next is of another log."""
        if not self._ends_a_line:
            self._waiting += b"\n"
        self._taken, self._ends_a_line = 0, True

    def take(self, data: bytes) -> None:
        """Take what came."""
        known = min(len(data), max(0, self._taken - self._seen))
        self._seen += len(data)
        self._taken = max(self._taken, self._seen)
        self._waiting += data[known:]
        self._ends_a_line = data.endswith(b"\n")

    def say(self, words: str) -> None:
        """Take words of our own, which begin a line."""
        break_off = "\n" if self._taken else ""
        self._waiting += f"{break_off}[port104: {words}]\n".encode()

    async def flush(self) -> None:
        """Write what came, again and again."""
        while True:
            await trio.sleep(FLUSH_SECONDS)
            await self._write_what_waits()

    async def close(self) -> None:
        """Write what came last, and the end."""
        await self._write_what_waits()
        await trio.to_thread.run_sync(self._close)

    async def _write_what_waits(self) -> None:
        data, self._waiting = self._waiting, bytearray()
        if data:
            await trio.to_thread.run_sync(self._write, bytes(data))

    def _close(self) -> None:
        if self._log is not None:
            self._log.close()
            os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        """What another run of the engine kept is replaced once there is something to replace it by."""
        if self._log is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            try:
                self._descriptor = os.open(self._file, flags, 0o640)
            except OSError as failure:
                log.warning("the log of a Job cannot be kept", file=str(self._file), reason=failure.strerror)
                return
            self._log = Log(self._descriptor, LOG_FIRST, LOG_LAST)
        self._log.add(data)
