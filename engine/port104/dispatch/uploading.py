"""Stored instances are put into the object store, beside everything else.

Rules that this room keeps:
- no association waits for the store: it is told of what the ledger holds already;
- several threads put instances there at a time, and one that has done some writes them down: what is not
  written down yet when the engine dies is put there once more, under the same key and with the same bytes;
- a store that fails is left alone for a while, longer each time; what waits is limited by the disk only;
- an instance that alone cannot be put there holds up no other.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
import structlog
import trio

from port104.dispatch.desk import Desk
from port104.dispatch.moving import move_in
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.objects import Identity, StoredInstance, Waiting
from port104.objects.faults import DamagedObjectError, ObjectStoreError

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore

log = structlog.get_logger("port104.objects")

ResultT = TypeVar("ResultT")

LOOK_SECONDS = 15.0
"""So often the store is asked whether it is there, and the ledger whether something waits, at the least."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds that a store which fails is left alone for; each time twice as long."""
# What failed comes after the rest, and this long later: the fault may be its own.
_PUT_OFF_SECONDS = 5.0
_GONE = "its file is gone"
_CHANGED = "its file was changed after it was stored: a pipeline may only read what it is given"
# Taken from the ledger at a time, and by a thread of those: it writes down what it has done after that long.
_MOST, _OF_A_THREAD, _SECONDS_OF_A_THREAD = 2_000, 64, 0.5


class UploadFigures(msgspec.Struct):
    """Since the start: instances that the store took, their bytes, and attempts that failed.

    `seconds`: that attempts took, all of them added up: several are made at a time.
    """

    stored: int = 0
    bytes: int = 0
    failed: int = 0
    seconds: float = 0.0


class _Put(NamedTuple):
    """What became of instances, and why some of them could not be put there. `fault`: nor could others.

    `seconds`: that it took.
    """

    stored: list[StoredInstance]
    faulty: list[tuple[Waiting, str]]
    left: deque[Waiting]
    fault: ObjectStoreError | None
    seconds: float = 0.0


class Uploader:
    """Puts instances there; let `run` run. `fault`: why the store cannot be used at the moment, in words."""

    def __init__(
        self,
        desk: Desk,
        root: Path,
        node: str,
        store: "ObjectStore",
        at_once: int,
        jitter: Callable[[], float],
    ) -> None:
        """`root`, `node`: the storage folder and its name. `at_once`: threads. `jitter`: from 0 to 1."""
        self._desk = desk
        self._root = root
        self.node = node
        self._store = store
        self._at_once = at_once
        self._limiter = trio.CapacityLimiter(at_once)
        self._jitter = jitter
        self._news = trio.Event()
        self._checked = False
        self._unwanted: list[tuple[str, Identity]] = []
        self.fault: str | None = None
        self.figures = UploadFigures()

    def look(self) -> None:
        """Hear that there may be something to put there. Never waits."""
        self._news.set()

    async def run(self) -> None:
        """Put instances there until cancelled; what is under way then is put there after the next start."""
        await move_in(self._desk, self._root, self._store.place.name)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._want_all)
            failures = 0
            while True:
                self._news, stored = trio.Event(), self.figures.stored
                try:
                    await self._check()
                    wait = await self._put_all()
                except ObjectStoreError as fault:
                    failures = failures + 1 if self.figures.stored == stored else 1
                    self._failed(fault)
                    longest = min(FIRST_PAUSE * 2 ** min(failures - 1, 16), LONGEST_PAUSE)
                    await trio.sleep(longest * (1 - self._jitter() / 2))
                    continue
                failures = 0
                self._works()
                with trio.move_on_after(wait):
                    await self._news.wait()

    async def _want_all(self) -> None:
        """Let wait what came before there was a store, a part at a time."""
        after: Identity | None = ("", -1)
        while after is not None:
            after = await self._desk.insist(partial(_want_some, after=after))
            self.look()

    async def _check(self) -> None:
        """See that the store is there, once at the start and after each fault. Raises ObjectStoreError."""
        if not self._checked:
            await self._in_thread(self._store.check, f"{self.node}/node")
            self._checked = True

    async def _put_all(self) -> float:
        """Put there what waits now; returns how long to wait for more. Raises ObjectStoreError."""
        key_of = self._store.place.key_of
        while some := await self._desk.insist(lambda ledger: ledger.objects.take(_MOST, key_of)):
            await self._put(some)
            await self._clear_away()
        due = await self._desk.insist(lambda ledger: ledger.objects.seconds_until_due())
        return LOOK_SECONDS if due is None else min(LOOK_SECONDS, due)

    async def _put(self, instances: Sequence[Waiting]) -> None:
        """Put them there, by several threads. Raises ObjectStoreError once the store fails one of them."""
        waiting = deque(instances)
        share = min(_OF_A_THREAD, -(-len(instances) // self._at_once))
        faults: list[ObjectStoreError] = []

        async def work() -> None:
            while waiting and not faults:
                some = [waiting.popleft() for _ in range(min(share, len(waiting)))]
                done = await self._in_thread(_put_some, self._store, self._root, some)
                waiting.extendleft(reversed(done.left))
                if done.fault is not None:
                    faults.append(done.fault)
                await self._write_down(done)

        async with trio.open_nursery() as nursery:
            for _ in range(self._at_once):
                nursery.start_soon(work)
        if faults:
            self._checked = False
            raise faults[0]

    async def _write_down(self, done: _Put) -> None:
        self.figures.stored += len(done.stored)
        self.figures.bytes += sum(each.held.size for each in done.stored)
        self.figures.failed += len(done.faulty)
        self.figures.seconds += done.seconds
        if done.faulty:
            await self._put_off(done)
        if done.stored:
            gone = await self._desk.insist(lambda ledger: ledger.objects.stored(done.stored))
            self._unwanted += [(each.held.key, each.identity) for each in gone]

    async def _put_off(self, done: _Put) -> None:
        """Let what failed wait; of what is gone, or others took the place of, nothing more is wanted."""
        faulty = [each.identity for each, _ in done.faulty]
        unwanted = await self._desk.insist(lambda ledger: ledger.objects.unwanted(faulty))
        for each, why in done.faulty:
            if why is _GONE or each.identity in unwanted:
                self._unwanted.append((each.key, each.identity))
            elif done.fault is None:
                log.warning("an instance cannot be put into the object store", file=each.file, reason=why)
        await self._desk.insist(lambda ledger: ledger.objects.put_off(faulty, _PUT_OFF_SECONDS))

    async def _clear_away(self) -> None:
        """Remove what nobody wants, which may have been put there. Raises ObjectStoreError."""
        if some := self._unwanted[:]:
            await self._in_thread(self._store.delete, [key for key, _ in some])
            gone = [identity for _, identity in some]
            await self._desk.insist(lambda ledger: ledger.objects.forget(gone))
            del self._unwanted[: len(some)]

    async def _in_thread(self, work: Callable[..., ResultT], *arguments: object) -> ResultT:
        return await trio.to_thread.run_sync(
            work,
            *arguments,
            limiter=self._limiter,
            abandon_on_cancel=True,
            thread_name="port104 objects",
        )

    def _failed(self, fault: ObjectStoreError) -> None:
        if self.fault is None:
            log.error("the object store cannot be used; instances are stored and wait", reason=str(fault))
        self.fault = str(fault)
        self.figures.failed += 1

    def _works(self) -> None:
        if self.fault is not None:
            log.info("the object store can be used again")
            self.fault = None


def _want_some(ledger: Ledger, after: Identity) -> Identity | None:
    return ledger.objects.want_some(after)


def _put_some(store: "ObjectStore", root: Path, instances: Sequence[Waiting]) -> _Put:
    """Put instances there, one after the other, until the store fails or it has taken long. In a thread."""
    done = _Put([], [], deque(instances), None)
    began = now = time.monotonic()
    fault = None
    while done.left and fault is None and now < began + _SECONDS_OF_A_THREAD:
        instance = done.left.popleft()
        try:
            done.stored.append(_put_one(store, root, instance))
        except ObjectStoreError as failure:
            done.faulty.append((instance, str(failure)))
            fault = failure
        except FileNotFoundError:
            done.faulty.append((instance, _GONE))
        except (DamagedObjectError, OSError) as failure:
            done.faulty.append((instance, str(failure)))
        now = time.monotonic()
    return done._replace(fault=fault, seconds=now - began)


def _put_one(store: "ObjectStore", root: Path, instance: Waiting) -> StoredInstance:
    """Put an instance there. Raises OSError where its file is gone, cannot be read, or was written to."""
    with (root / "instances" / instance.file).open("rb", buffering=0) as file:
        _see_unchanged(file, instance)
        held = store.put(instance.key, file)
        # A pipeline that writes to what it is to read only has the same file under another name.
        _see_unchanged(file, instance)
    return StoredInstance(instance.file, instance.written, held)


def _see_unchanged(file: IO[bytes], instance: Waiting) -> None:
    if os.fstat(file.fileno()).st_mtime_ns != instance.written:
        raise OSError(_CHANGED)
