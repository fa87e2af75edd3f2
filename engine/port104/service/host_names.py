"""The addresses of sources that are given by host name, looked up off the event loop and kept up to date."""

from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog
import trio

log = structlog.get_logger("port104.service")

# Addresses of modalities change rarely.
_AGAIN_SECONDS = 60.0
# Each look-up holds a worker thread, and one that is never answered takes some ten seconds.
_AT_A_TIME = 16
# Of thousands of names the answers come in a burst; they are told together.
_TOGETHER_SECONDS = 0.05
# Who created a source waits so long for its address, and no longer for a name server that is silent.
_PATIENCE_SECONDS = 3.0

LookUp = Callable[[str], Awaitable[frozenset[str]]]


async def addresses_of(name: str) -> frozenset[str]:
    """Ask the system's resolver. Raises OSError."""
    entries = await trio.socket.getaddrinfo(name, None)
    return frozenset(str(entry[4][0]) for entry in entries)


class HostNames:
    """What is known of host names. `found` is called when that has changed; `run` must run beside."""

    def __init__(self, found: Callable[[], None], look_up: LookUp = addresses_of) -> None:
        self._found = found
        self._look_up = look_up
        self._limiter = trio.CapacityLimiter(_AT_A_TIME)
        self._names: Collection[str] = ()
        self._answers: dict[str, frozenset[str]] = {}
        self._under_way: set[str] = set()
        self._wanted = trio.Event()
        self._answered = trio.Event()
        self._told = trio.Event()
        self.addresses: Mapping[str, frozenset[str]] = {}
        """Name -> addresses. A name that was looked up in vain has none."""

    def want(self, names: Collection[str]) -> None:
        """Look up these from now on, at once those that are new, and no others."""
        self._names = frozenset(names)
        self._wanted.set()

    async def settle(self, names: Collection[str]) -> None:
        """Wait until these, which are wanted, have been looked up, but not long."""
        with trio.move_on_after(_PATIENCE_SECONDS):
            while any(name not in self.addresses for name in names):
                await self._told.wait()

    async def run(self) -> None:
        """Look up what is wanted: new names at once, all of them again and again."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell)
            all_of_them = True
            while True:
                if all_of_them:
                    due: Collection[str] = self._names
                    round_at = trio.current_time() + _AGAIN_SECONDS
                else:
                    due = [name for name in self._names if name not in self._answers]
                self._answers = {name: at for name, at in self._answers.items() if name in self._names}
                for name in due:
                    if name not in self._under_way:
                        self._under_way.add(name)
                        nursery.start_soon(self._ask, name)
                self._wanted = trio.Event()
                with trio.move_on_at(round_at) as scope:
                    await self._wanted.wait()
                all_of_them = scope.cancelled_caught

    async def _ask(self, name: str) -> None:
        async with self._limiter:
            try:
                addresses = await self._look_up(name)
            except OSError as failure:
                log.warning("host name of a source cannot be looked up", name=name, reason=str(failure))
                addresses = frozenset()
        self._under_way.discard(name)
        if name in self._names:
            self._answers[name] = addresses
            self._answered.set()

    async def _tell(self) -> None:
        while True:
            await self._answered.wait()
            await trio.sleep(_TOGETHER_SECONDS)
            self._answered = trio.Event()
            if self.addresses != self._answers:
                self.addresses = dict(self._answers)
                self._found()
            self._told.set()
            self._told = trio.Event()
