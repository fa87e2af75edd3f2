"""Many files to one peer, over as few kinds of associations as their contexts need.

Rules that this room keeps:
- every candidate has one outcome, and success is only what the peer called so;
- files are opened off the event loop, a batch at a time, while the batch before is sent: a hop to a worker
  thread costs more than a small file;
- one file that ends an association does not keep the others back; a peer that ends each is left alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Protocol

import msgspec
import trio

from port104.errors import AbortedError, AssociationError, LocalProtocolError, NotAcceptedError
from port104.net.outgoing import DataSet
from port104.sending.candidates import Candidate
from port104.sending.instance_file import HEAD_BYTES, InstanceFile
from port104.wire.operations import Response
from port104.wire.proposal import Syntaxes, shares

# Given to a thread at one time, which holds two in memory; a hop to it costs what two small files do.
_PLAIN_FILES = 128
# Opened at one time: each association holds two batches.
_BATCH_FILES = 32
_BATCH_BYTES = 4 * 1024 * 1024
# Associations one after another that ended without one response.
_FRUITLESS = 3


class Outcome(msgspec.Struct, frozen=True):
    """What became of a candidate: the peer's response, or why there is none."""

    candidate: Candidate
    response: Response | None = None
    why: str = ""


class Peer(Protocol):
    """An association; net.Requestor is one."""

    async def store(self, data_set: DataSet) -> Response:
        """C-STORE."""
        ...

    async def store_files(self, files: Sequence[Candidate]) -> list[Response]:
        """C-STORE of as many of the first files as go plainly."""
        ...


Associate = Callable[[tuple[Syntaxes, ...]], AbstractAsyncContextManager[Peer]]
_Opened = tuple[Candidate, InstanceFile | str]


async def deliver(
    candidates: Iterable[Candidate],
    associate: Associate,
    report: Callable[[Outcome], None],
    *,
    associations: int = 1,
    window: int = 1,
) -> AssociationError | None:
    """Send them, and `report` each outcome as it is known.

    `associations`: at one time; `window`: operations outstanding on each, as far as the peer agrees. Returns
    what kept candidates from being tried, each of which is reported too; None where nothing did.
    """
    by_share = _share_out(candidates)
    gave_up: AssociationError | None = None
    for share, waiting in by_share:
        delivery = _Delivery(waiting, partial(associate, share), report, window)
        async with trio.open_nursery() as nursery:
            for _ in range(min(associations, len(waiting))):
                nursery.start_soon(delivery.run)
        if waiting:
            gave_up = delivery.gave_up
        for candidate in waiting:
            report(Outcome(candidate, why=f"not tried: {gave_up}"))
    return gave_up


def _share_out(candidates: Iterable[Candidate]) -> list[tuple[tuple[Syntaxes, ...], deque[Candidate]]]:
    each = list(candidates)
    result = []
    for share in shares(candidate.syntaxes for candidate in each):
        wanted = frozenset(share)
        result.append((share, deque(one for one in each if one.syntaxes in wanted)))
    return result


class _Delivery:
    """What waits for one kind of association. Each `run` sends over associations of its own."""

    def __init__(
        self,
        waiting: deque[Candidate],
        associate: Callable[[], AbstractAsyncContextManager[Peer]],
        report: Callable[[Outcome], None],
        window: int,
    ) -> None:
        self.gave_up: AssociationError | None = None
        self._waiting = waiting
        self._associate = associate
        self._report = report
        self._window = window

    async def run(self) -> None:
        """Send until nothing waits, or the peer will not have it."""
        fruitless = 0
        while self._waiting and fruitless < _FRUITLESS:
            run = _Run(self._waiting, self._report, self._window)
            try:
                async with self._associate() as peer:
                    await run.send(peer)
            except AssociationError as failure:  # none came to be
                run.end = failure
                fruitless = _FRUITLESS
            fruitless = 0 if run.progress else fruitless + 1
            if run.end is not None and fruitless >= _FRUITLESS:
                self.gave_up = run.end


class _Run:
    """One association: a task opens files, others send them.

    `end`: what ended it before nothing waited. `progress`: files after which the next one is to be tried.
    """

    def __init__(self, waiting: deque[Candidate], report: Callable[[Outcome], None], window: int) -> None:
        self.end: AssociationError | None = None
        self.progress = 0
        self._waiting = waiting
        self._report = report
        self._window = window
        self._ahead: deque[_Opened] = deque()

    async def send(self, peer: Peer) -> None:
        """Send what waits. What was taken and could not be tried waits again afterwards."""
        if self._window == 1:
            await self._send_plainly(peer)
        else:
            await self._send_several(peer)

    async def _send_plainly(self, peer: Peer) -> None:
        """One operation at a time: files go by the batch, and each that does not go so by itself."""
        while self._waiting and self.end is None:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _PLAIN_FILES))]
            untold = deque(batch)
            try:
                for response in await peer.store_files(batch):
                    self._answered(untold.popleft(), response)
                if untold:
                    await self._send_singly(peer, untold)
            except AssociationError as failure:
                self.end = failure
                self._report(Outcome(untold.popleft(), why=str(failure)))
            finally:
                self._waiting.extendleft(reversed(untold))

    async def _send_singly(self, peer: Peer, untold: deque[Candidate]) -> None:
        """Send the next file, or tell why that cannot be."""
        opened: list[_Opened] = []
        try:
            await trio.to_thread.run_sync(_open_all, [untold[0]], opened)
        except BaseException:
            self._put_back(opened)
            raise
        untold.popleft()
        await self._send_one(peer, *opened[0])

    def _answered(self, candidate: Candidate, response: Response) -> None:
        self.progress += 1
        self._report(Outcome(candidate, response))

    async def _send_several(self, peer: Peer) -> None:
        sender, receiver = trio.open_memory_channel[list[_Opened]](0)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._open_batches, sender)
                for _ in range(self._window):
                    nursery.start_soon(self._send_each, peer, receiver, nursery.cancel_scope)
        finally:
            self._put_back(self._ahead)

    def _put_back(self, opened: Iterable[_Opened]) -> None:
        for candidate, file in reversed(list(opened)):
            self._waiting.appendleft(candidate)
            if isinstance(file, InstanceFile):
                file.close()

    async def _open_batches(self, sender: "trio.MemorySendChannel[list[_Opened]]") -> None:
        async with sender:
            while self._waiting:
                batch = self._take_batch()
                opened: list[_Opened] = []
                try:
                    # A worker thread cannot be cancelled, and what it opened must be closed.
                    await trio.to_thread.run_sync(_open_all, batch, opened)
                    await sender.send(opened)
                except BaseException:
                    self._waiting.extendleft(reversed(batch[len(opened) :]))
                    self._put_back(opened)
                    raise

    def _take_batch(self) -> list[Candidate]:
        batch: list[Candidate] = []
        size = 0
        while self._waiting and len(batch) < _BATCH_FILES and size < _BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += min(batch[-1].size, HEAD_BYTES)
        return batch

    async def _send_each(
        self,
        peer: Peer,
        receiver: "trio.MemoryReceiveChannel[list[_Opened]]",
        scope: trio.CancelScope,
    ) -> None:
        with suppress(trio.EndOfChannel):
            while self.end is None:
                while not self._ahead:
                    self._ahead.extend(await receiver.receive())
                await self._send_one(peer, *self._ahead.popleft())
        if self.end is not None:
            scope.cancel()

    async def _send_one(self, peer: Peer, candidate: Candidate, file: InstanceFile | str) -> None:
        if isinstance(file, str):
            self._report(Outcome(candidate, why=file))
            return
        try:
            response = await peer.store(file)
        except NotAcceptedError as refusal:
            self._report(Outcome(candidate, why=str(refusal)))
        except AssociationError as failure:
            self.end = self.end or failure
            self._report(Outcome(candidate, why=str(failure)))
        except (OSError, LocalProtocolError) as failure:  # the file's fault, and not the peer's
            self.end = self.end or AbortedError(str(failure))
            self.progress += 1
            self._report(Outcome(candidate, why=f"it cannot be read on: {failure}"))
        except trio.Cancelled:  # another operation ended the association
            self._waiting.appendleft(candidate)
            raise
        else:
            self._answered(candidate, response)
        finally:
            file.close()


def _open_all(batch: Sequence[Candidate], opened: list[_Opened]) -> None:
    """Open each, as far as that can be done. Runs in a worker thread."""
    opened.extend((candidate, _open(candidate)) for candidate in batch)


def _open(candidate: Candidate) -> InstanceFile | str:
    try:
        file = InstanceFile(candidate.path)
    except ValueError as fault:
        return str(fault)
    except OSError as failure:
        return f"it cannot be read: {failure.strerror}"
    if (file.syntaxes, file.sop_instance_uid) != (candidate.syntaxes, candidate.sop_instance_uid):
        file.close()
        return "it was replaced by another instance meanwhile"
    return file
