"""A connection with the broker that is made anew whenever it is lost, for as long as it takes."""

from collections.abc import Awaitable, Callable
from typing import Generic

import structlog
import trio

from port104.events.contracts import BrokerError
from port104.events.links import Caller, LinkT, connected
from port104.events.patience import pause_of

log = structlog.get_logger("port104.events")

# What lasted so long was a connection, and the next failure is the first one again.
_LASTED_SECONDS = 5.0
_NOT_CALLED = "it was not called yet"


class Line(Generic[LinkT]):
    """Connects. `purpose`: what for, in messages. `fault`: why the broker cannot be used, if so."""

    def __init__(self, connect: Callable[[], LinkT], jitter: Callable[[], float], purpose: str) -> None:
        self._connect = connect
        self._jitter = jitter
        self._purpose = purpose
        self.fault: str | None = _NOT_CALLED

    async def keep(self, use: Callable[[Caller[LinkT]], Awaitable[None]]) -> None:
        """Connect and `use`, again and again, until cancelled. `use` ends by raising BrokerError."""
        failures = 0
        while True:
            began = trio.current_time()
            try:
                async with connected(self._connect) as link:
                    log.info("connected with the broker", purpose=self._purpose)
                    self.fault = None
                    await use(link)
            except BrokerError as fault:
                lasted = trio.current_time() - began > _LASTED_SECONDS
                failures = 1 if lasted else failures + 1
                await self._wait(fault, pause_of(failures, self._jitter()))

    async def _wait(self, fault: BrokerError, seconds: float) -> None:
        """Wait, and tell of the first failure of several."""
        if self.fault in (None, _NOT_CALLED):
            hint = f"tried again in {seconds:.1f} s, and until it can; nothing is lost meanwhile"
            log.warning("the broker cannot be used", purpose=self._purpose, reason=str(fault), hint=hint)
        self.fault = str(fault)
        await trio.sleep(seconds)
