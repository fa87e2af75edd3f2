"""What the signals of the operating system have the service do."""

import os
import signal
from collections.abc import AsyncIterator

import structlog
import trio

from port104.native import Intake
from port104.net.acceptor import Acceptor
from port104.service.condition import Condition
from port104.service.secure import HangUp

log = structlog.get_logger("port104.service")

OBEYED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

# After a second signal: how long broken-off transfers may take to remove their part files.
_LAST_GRACE_SECONDS = 2.0


async def obey_signals(
    signals: AsyncIterator[int], acceptor: Acceptor[Intake], hang_up: HangUp, condition: Condition
) -> None:
    """SIGHUP: read files again. Else the first: drain; the second: abort, leaving behind what hangs."""
    async with trio.open_nursery() as nursery:
        async for number in signals:
            name = signal.Signals(number).name
            if number == signal.SIGHUP:
                log.info("reading configuration and files again", signal=name)
                hang_up.ring()
                continue
            if nursery.child_tasks:
                log.warning("stopping at once", signal=name)
                acceptor.abort("the service was told to stop at once")
                await trio.sleep(_LAST_GRACE_SECONDS)
                os._exit(1)  # a disk that hangs; nothing acknowledged is in doubt
            log.info("stopping", signal=name, associations=acceptor.associations)
            condition.drains()
            nursery.start_soon(acceptor.drain)
