"""Archives are asked how many instances the open groups will have, beside everything else.

Rules that this room keeps:
- nothing waits for an archive: a group without an answer is closed by its timeout as any other;
- where no AE title has an archive to ask, the ledger is not looked into;
- what is wrong with an archive is logged once, until it answers again.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.counting import Count, UnaskedError
from port104.dispatch.desk import Desk
from port104.jobs.grouping import GroupingRule
from port104.jobs.inquiring import Inquiries, Question, question_of
from port104.jobs.ledger.ledger import Ledger
from port104.registry.entries import Destination

log = structlog.get_logger("port104.dispatch")

LOOK_SECONDS = 1.0
# As many times as long as the look took: where very many groups are open, or the ledger has much to write.
_REST_FROM_LOOKING = 30
# For all questions of one association: an archive that answers each in its last second is of no use.
PATIENCE_SECONDS = 120.0
_NEVER_MADE = "there is no destination of this name: port104 create dest makes one"
_HINT = "groups are closed by their timeouts meanwhile"

Counter = Callable[[Destination, Sequence[Question]], Awaitable[list[Count]]]
"""Asks an archive; raises UnaskedError (counting.py)."""


class Asking(NamedTuple):
    """What an AE title says: the name of the destination that is asked, and how it groups."""

    archive: str
    rule: GroupingRule


class _Pending(NamedTuple):
    """A group, and what is asked about it."""

    question: Question
    asking: Asking


class Inquirer:
    """Asks about open groups; let `run` run beside the bookkeeper."""

    def __init__(
        self,
        desk: Desk,
        asking: Callable[[], Mapping[str, Asking]],
        destinations: Callable[[], Mapping[str, Destination]],
        counter: Counter,
        complete: Callable[[], None],
    ) -> None:
        """`asking`: by called AE title, as it is now; those that ask nobody are not in it.

        `destinations`: by name, as they are now. `complete`: is told that a group is due.
        """
        self._desk = desk
        self._asking = asking
        self._destinations = destinations
        self._counter = counter
        self._complete = complete
        self._inquiries = Inquiries()
        self._told: set[str] = set()

    async def run(self) -> None:
        """Ask until cancelled."""
        async with trio.open_nursery() as nursery:
            took = 0.0
            while True:
                await trio.sleep(max(LOOK_SECONDS, _REST_FROM_LOOKING * took))
                began = trio.current_time()
                if asking := self._asking():
                    await self._look(nursery, asking)
                took = trio.current_time() - began

    async def _look(self, nursery: trio.Nursery, asking: Mapping[str, Asking]) -> None:
        """Ask the archives whose turn it is."""
        try:
            pending = await self._pending(asking)
        except DatabaseError:
            return  # the desk has told of it
        groups = {group: each.asking.archive for group, each in pending.items()}
        for archive, some in self._inquiries.due(groups, trio.current_time()).items():
            nursery.start_soon(self._ask, archive, {group: pending[group] for group in some})

    async def _pending(self, asking: Mapping[str, Asking]) -> dict[str, _Pending]:
        """The open groups that an archive can be asked about, by their IDs."""
        pending = {}
        for group in await self._desk.do(Ledger.open_groups):
            of_its = asking.get(group.called_ae_title)
            question = question_of(group.tag, group.value, group.study_instance_uid)
            if of_its is not None and question is not None:
                pending[group.id] = _Pending(question, of_its)
        return pending

    async def _ask(self, archive: str, pending: Mapping[str, _Pending]) -> None:
        try:
            counts = await self._counts_of(archive, [each.question for each in pending.values()])
        except UnaskedError as failure:
            self._failed(archive, str(failure))
            return
        except Exception:
            # A fault of ours in here must not end what receives.
            log.exception("asking broke off", destination=archive)
            self._failed(archive, "a fault in port104: see its log")
            return
        numbers = dict(self._believed(zip(pending, counts, strict=True)))
        self._inquiries.ended(archive)
        self._tell(archive, next((count.fault for count in counts if count.fault), ""))
        await self._announce(numbers, pending)

    async def _counts_of(self, archive: str, questions: Sequence[Question]) -> list[Count]:
        destination = self._destinations().get(archive)
        if destination is None:
            raise UnaskedError(_NEVER_MADE)
        with trio.move_on_after(PATIENCE_SECONDS):
            return await self._counter(destination, questions)
        raise UnaskedError(f"it took more than {PATIENCE_SECONDS:g} s to answer")

    def _believed(self, counts: Iterable[tuple[str, Count]]) -> Iterator[tuple[str, int]]:
        now = trio.current_time()
        for group, count in counts:
            number = self._inquiries.answered(group, count.number, now)
            if number is not None:
                yield group, number

    async def _announce(self, numbers: Mapping[str, int], pending: Mapping[str, _Pending]) -> None:
        """Write down how many instances groups will have."""
        for group, number in numbers.items():
            rule = pending[group].asking.rule
            announce = partial(Ledger.announce, group_id=group, rule=rule, number=number)
            with contextlib.suppress(DatabaseError):  # it is asked again
                if await self._desk.do(announce):
                    self._complete()

    def _failed(self, archive: str, why: str) -> None:
        pause = self._inquiries.failed(archive, trio.current_time())
        self._tell(archive, why, f"it is asked again in {pause:.0f} s; {_HINT}")

    def _tell(self, archive: str, why: str, hint: str = _HINT) -> None:
        """Log what is wrong with an archive, where it was not before; `why` empty: nothing is."""
        if not why:
            if archive in self._told:
                log.info("destination says again how many instances there are", destination=archive)
            self._told.discard(archive)
        elif archive not in self._told:
            self._told.add(archive)
            log.warning(
                "destination does not say how many instances there are",
                destination=archive,
                reason=why,
                hint=hint,
            )
