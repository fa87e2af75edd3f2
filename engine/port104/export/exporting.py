"""Results are taken from the ledger in turn and sent, to many destinations beside each other.

Rules that this room keeps:
- what is sent was taken in the ledger before, for a time, so that no other engine sends it meanwhile;
- a destination that fails is left alone for a while, and that is written down; no other waits for it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.export.contracts import BrokenOffError, Desk, OpenPeer, UnreachableError
from port104.export.courier import Courier
from port104.export.figures import DestinationFigures
from port104.export.holding import Batch, Holder
from port104.export.policy import ExportPolicy
from port104.export.queue import ExportQueue, Turn, Wanted
from port104.export.recording import Recorder
from port104.registry.entries import Destination

log = structlog.get_logger("port104.export")

# What other engines left, and what was registered elsewhere, is looked for so often.
LOOK_SECONDS = 5.0
CLEAR_SECONDS = 60.0
# So many that are due are counted of a destination: enough for as many associations as one may have.
_MOST_COUNTED = 5_000
_NEVER_MADE = "there is no destination of this name: port104 create dest makes one"


class Exporter:
    """Delivers results. Call `look` when there may be some."""

    def __init__(
        self,
        desk: Desk,
        node: str,
        is_folder_of: Callable[[Path, str], bool],
        destinations: Callable[[], Mapping[str, Destination]],
        open_peer: OpenPeer,
        policy: ExportPolicy,
        jitter: Callable[[], float],
    ) -> None:
        """`node`: the storage folder's name. `destinations`: by name, as they are now.

        `is_folder_of`: whether the storage folder of a name is at a path (dispatch/node.py).
        """
        self._desk = desk
        self._node = node
        self._is_folder_of = is_folder_of
        self._destinations = destinations
        self._open_peer = open_peer
        self._policy = policy
        self._jitter = jitter
        self._queue = ExportQueue(policy, jitter)
        self._holder = Holder(desk, policy.lease)
        self._recorder = Recorder(desk, policy.failure_threshold, self.look)
        self._news = trio.Event()
        self._more: dict[str, trio.Event] = {}
        self._unknown: set[str] = set()

    def look(self) -> None:
        """Hear that there may be something to send. Never waits."""
        self._news.set()

    async def retry(self, export_id: str) -> int | None:
        """Send what failed or was cancelled of an export, with attempts of its own. Raises DatabaseError.

        Returns how many results that are; None: there is no such export.
        """
        threshold = self._policy.failure_threshold
        moved = await self._desk.do(lambda ledger: ledger.outbox.retry(export_id, threshold))
        self.look()
        return moved

    async def cancel(self, export_id: str) -> int | None:
        """Send nothing more of an export; returns as `retry` does. Raises DatabaseError."""
        threshold = self._policy.failure_threshold
        return await self._desk.do(lambda ledger: ledger.outbox.cancel(export_id, threshold))

    def figures(self) -> list[DestinationFigures]:
        """What came of delivery since the start."""
        now = trio.current_time()
        return self._recorder.figures.read(
            {*self._destinations()}, now, lambda name: self._queue.condition_of(name, now)
        )

    async def run(self) -> None:
        """Send until cancelled; then call `finish`."""
        threshold = self._policy.failure_threshold
        left = await self._desk.insist(lambda ledger: ledger.outbox.begin(threshold))
        if left:
            log.info("results whose sending was interrupted are sent again", results=left)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._recorder.run)
            nursery.start_soon(self._holder.run)
            nursery.start_soon(self._take_over)
            nursery.start_soon(self._clear)
            while True:
                self._news = trio.Event()
                try:
                    wait = await self._open_all(nursery)
                except DatabaseError:
                    wait = LOOK_SECONDS
                with trio.move_on_after(wait):
                    await self._news.wait()

    async def finish(self) -> None:
        """Write down what is known, for a stop."""
        await self._recorder.finish()

    async def _open_all(self, nursery: trio.Nursery) -> float:
        """Open the associations whose turn it is; returns how long to wait until there may be more."""
        nodes = await self._nodes()
        found = await self._desk.do(lambda ledger: ledger.outbox.due(nodes, _MOST_COUNTED))
        destinations, now = self._destinations(), trio.current_time()
        wanted = {
            due.destination: Wanted(due.count, destinations[due.destination].associations)
            for due, _ in found
            if due.destination in destinations
        }
        self._tell_of_unknown({due.destination for due, _ in found} - wanted.keys())
        for turn in self._queue.turns(wanted, now):
            nursery.start_soon(self._take_turn, destinations[turn.destination], turn, nodes)
        self._wake({name for name, each in wanted.items() if each.count})
        waits = (seconds for _, seconds in found if seconds > 0)
        return min(LOOK_SECONDS, self._queue.next_probe(now) - now, *waits)

    def _tell_of_unknown(self, names: set[str]) -> None:
        """Write down which destinations there are results for, and no entries."""
        for name in names - self._unknown:
            self._recorder.pause(name, _NEVER_MADE, None)
            log.warning(
                "results wait for a destination that is not there", destination=name, hint=_NEVER_MADE
            )
        for name in self._unknown - names:
            self._recorder.resume(name)
        self._unknown = names

    def _wake(self, names: set[str]) -> None:
        """Let associations that are kept open send what came, or give way to others."""
        for name in [*self._more]:
            if self._queue.is_crowded or name in names:
                self._more.pop(name).set()

    async def _nodes(self) -> Sequence[str]:
        """The storage folders whose results can be sent from here: our own, and those that we see."""
        others = await self._desk.do(lambda ledger: ledger.outbox.other_nodes())
        seen = await trio.to_thread.run_sync(self._seen_of, others) if others else ()
        return [self._node, *seen]

    def _seen_of(self, others: Sequence[tuple[str, str]]) -> list[str]:
        return [node for node, root in others if self._is_folder_of(Path(root), node)]

    async def _take_turn(self, destination: Destination, turn: Turn, nodes: Sequence[str]) -> None:
        courier = Courier(
            destination, turn, self._queue, self._holder, self._recorder, self._jitter, self.look
        )
        works = True
        try:
            if turn.kind == "probe":
                await courier.ask(self._open_peer)
            else:
                take = partial(self._holder.take, nodes, destination.name, self._policy.batch)
                batch = await take()
                if batch.deliveries:
                    await courier.deliver(self._open_peer, batch, partial(self._more_of, destination, take))
        except (UnreachableError, BrokenOffError) as fault:
            self._queue.unreachable(destination.name, trio.current_time(), str(fault))
        except DatabaseError:
            works = False  # the desk has told of it, and what was taken is put back
        except Exception:
            # A fault of ours in here must not end what receives.
            log.exception("sending broke off", destination=destination.name)
            self._queue.unreachable(destination.name, trio.current_time(), "a fault in port104: see its log")
        finally:
            self._tell_of_pause(destination)
            self._queue.ended(turn)
            if works:  # else it is looked again after a while
                self.look()

    async def _more_of(self, destination: Destination, take: Callable[[], Awaitable[Batch]]) -> Batch:
        """Take what has come meanwhile, or comes while the association is kept; nothing: it is not kept."""
        batch = await take()
        if batch.deliveries or self._queue.is_crowded:
            return batch
        more = self._more.setdefault(destination.name, trio.Event())
        with trio.move_on_after(self._policy.linger):
            await more.wait()
        return await take()

    def _tell_of_pause(self, destination: Destination) -> None:
        """Write down whether the destination is left alone."""
        now = trio.current_time()
        pause = self._queue.pause_of(destination.name, now)
        if pause is None:
            self._recorder.resume(destination.name)
        elif self._recorder.pause(destination.name, pause.why, pause.until):
            hint = f"tried again in {pause.until - now:.0f} s"
            log.warning(
                "destination is left alone", destination=destination.name, reason=pause.why, hint=hint
            )

    async def _take_over(self) -> None:
        """Let go, now and then, of what engines hold that are gone."""
        threshold = self._policy.failure_threshold
        while True:
            await trio.sleep(LOOK_SECONDS)
            freed = await self._desk.insist(lambda ledger: ledger.outbox.free_abandoned(threshold))
            if freed:
                log.info("results that an engine took which is gone are sent again", results=freed)
                self.look()

    async def _clear(self) -> None:
        """End, now and then, what waited too long."""
        policy = self._policy
        why = f"not delivered in {policy.patience / 86_400:g} days"
        while True:
            await trio.sleep(CLEAR_SECONDS)
            while given_up := await self._desk.insist(
                lambda ledger: ledger.outbox.give_up(policy.patience, why, policy.failure_threshold)
            ):
                log.warning(
                    "results waited too long", results=given_up, hint="port104 exports retry sends them"
                )
