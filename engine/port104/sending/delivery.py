"""Many files to one peer, over as few kinds of associations as their contexts need.

Rules that this room keeps:
- every candidate has one outcome, and success is only what the peer called so;
- files are given to a thread by the batch: a hop to it costs more than a small file;
- one file that ends an association does not keep the others back: of several that were under way each is sent
  once more by itself. A peer that ends each association is left alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

import msgspec
import trio

from port104.errors import AbortedError, AssociationError, LocalProtocolError, NotAcceptedError
from port104.net.courier import Errands
from port104.net.outgoing import DataSet
from port104.net.requestor import Sent
from port104.sending.candidates import Candidate
from port104.sending.instance_file import InstanceFile
from port104.wire.operations import Response
from port104.wire.proposal import Syntaxes, shares

# Given to a thread at one time, while others leave as many; what takes it long it gives back.
_MOST_FILES, _FEWEST_FILES = 1024, 16
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

    async def prepare(self, files: Sequence[Candidate]) -> Errands:
        """Make as many of the first files ready as go plainly."""
        ...

    async def store_prepared(self, tasks: Errands, first: int, window: int) -> Sent:
        """C-STORE of as many as go plainly, from one of them on."""
        ...


Associate = Callable[[tuple[Syntaxes, ...]], AbstractAsyncContextManager[Peer]]
_ONE_BY_ONE = 1


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
        delivery = _Delivery(waiting, partial(associate, share), report, associations, window)
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
        associations: int,
        window: int,
    ) -> None:
        self.gave_up: AssociationError | None = None
        self._waiting = waiting
        self._suspects: deque[Candidate] = deque()
        self._associate = associate
        self._report = report
        self._associations = associations
        self._window = window

    async def run(self) -> None:
        """Send until nothing waits, or the peer will not have it."""
        fruitless = 0
        while (self._waiting or self._suspects) and fruitless < _FRUITLESS:
            run = _Run(self._waiting, self._suspects, self._report, self._associations, self._window)
            try:
                async with self._associate() as peer:
                    await run.send(peer)
            except AssociationError as failure:  # none came to be
                run.end = failure
                fruitless = _FRUITLESS
            fruitless = 0 if run.progress else fruitless + 1
            if run.end is not None and fruitless >= _FRUITLESS:
                self.gave_up = run.end
                self._waiting.extendleft(reversed(self._suspects))
                self._suspects.clear()


class _Batch:
    """Files that were taken from those that wait.

    `ready`: the first of them, of which `sent` were; None: to be made. `answered`: those whose outcome is
    still to be told.
    """

    def __init__(self, source: deque[Candidate], window: int, candidates: deque[Candidate]) -> None:
        self.source = source
        self.window = window
        self.candidates = candidates
        self.ready: Errands | None = None
        self.sent = 0
        self.answered: list[tuple[Candidate, Response]] = []

    def take(self, number: int) -> list[Candidate]:
        """Take the first ones out."""
        self.sent += number
        return [self.candidates.popleft() for _ in range(number)]


class _Run:
    """One association.

    `suspects`: files of which one may have ended an association. `end`: what ended it before nothing waited.
    `progress`: files after which the next one is to be tried.
    """

    def __init__(
        self,
        waiting: deque[Candidate],
        suspects: deque[Candidate],
        report: Callable[[Outcome], None],
        associations: int,
        window: int,
    ) -> None:
        self.end: AssociationError | None = None
        self.progress = 0
        self._waiting = waiting
        self._suspects = suspects
        self._report = report
        self._associations = associations
        self._window = window
        self._taken: list[_Batch] = []

    async def send(self, peer: Peer) -> None:
        """Send what waits. What was taken and could not be tried waits again afterwards."""
        before: _Batch | None = None
        try:
            batch = await self._take(peer)
            while batch.candidates and self.end is None:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send, peer, batch)
                    # While it is sent the next one is made ready, and told what became of the one before.
                    following = await self._take(peer)
                    if before is not None:
                        self._tell(before)
                before, batch = batch, following
        finally:
            for taken in self._taken:
                self._tell(taken)
            for taken in reversed(self._taken):
                taken.source.extendleft(reversed(taken.candidates))

    async def _take(self, peer: Peer) -> _Batch:
        source, window = (self._suspects, _ONE_BY_ONE) if self._suspects else (self._waiting, self._window)
        size = min(_MOST_FILES, max(_FEWEST_FILES, len(source) // (2 * self._associations)), len(source))
        batch = _Batch(source, window, deque(source.popleft() for _ in range(size)))
        self._taken = [*(taken for taken in self._taken if taken.candidates or taken.answered), batch]
        batch.ready = await peer.prepare(batch.candidates)
        return batch

    async def _send(self, peer: Peer, batch: _Batch) -> None:
        try:
            while batch.candidates and self.end is None:
                self._tell(batch)
                await self._send_first(peer, batch)
        except AssociationError as failure:
            self.end = failure

    async def _send_first(self, peer: Peer, batch: _Batch) -> None:
        """Send the first ones of a batch, and take them out of it."""
        if batch.ready is None or batch.sent >= len(batch.ready):  # for the one before had no context
            batch.ready, batch.sent = await peer.prepare(batch.candidates), 0
        sent = await peer.store_prepared(batch.ready, batch.sent, batch.window)
        begun = zip(batch.take(len(sent.responses)), sent.responses, strict=True)
        unanswered: list[Candidate] = []
        for candidate, response in begun:
            if response is None:
                unanswered.append(candidate)
            else:
                batch.answered.append((candidate, response))
        if sent.end is not None:
            self._unknown(unanswered, sent.end)
            raise sent.end
        if not sent.responses:
            await self._send_singly(peer, batch)

    def _unknown(self, unanswered: Sequence[Candidate], end: AssociationError) -> None:
        """The association ended while they were under way."""
        if len(unanswered) > 1:
            self._suspects.extend(unanswered)
            return
        for candidate in unanswered:
            self._report(Outcome(candidate, why=str(end)))

    async def _send_singly(self, peer: Peer, batch: "_Batch") -> None:
        """Send the next file, or tell why that cannot be. It stays in the batch until its outcome is told."""
        candidate = batch.candidates[0]
        file = await trio.to_thread.run_sync(_open, candidate)
        if isinstance(file, str):
            self._report(Outcome(candidate, why=file))
        else:
            await self._store(peer, candidate, file)
        batch.take(1)

    async def _store(self, peer: Peer, candidate: Candidate, file: InstanceFile) -> None:
        try:
            response = await peer.store(file)
        except NotAcceptedError as refusal:
            self._report(Outcome(candidate, why=str(refusal)))
        except AssociationError as failure:
            self.end = failure
            self._report(Outcome(candidate, why=str(failure)))
        except (OSError, LocalProtocolError) as failure:  # the file's fault, and not the peer's
            self.end = AbortedError(str(failure))
            self.progress += 1
            self._report(Outcome(candidate, why=f"it cannot be read on: {failure}"))
        else:
            self._answered(candidate, response)
        finally:
            file.close()

    def _tell(self, batch: _Batch) -> None:
        for candidate, response in batch.answered:
            self._answered(candidate, response)
        batch.answered.clear()

    def _answered(self, candidate: Candidate, response: Response) -> None:
        self.progress += 1
        self._report(Outcome(candidate, response))


def _open(candidate: Candidate) -> InstanceFile | str:
    """Open its file, or say why that cannot be. Runs in a worker thread."""
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
