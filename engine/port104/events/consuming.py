"""Export requests are taken from the broker into the ledger.

Rules that this room keeps:
- the broker is told that a request is kept once it is in the ledger, and not before: what is lost between the
  two comes again, and is known by its ID;
- what is no request goes to the dead letters, and the log says why;
- nothing more is taken while the ledger cannot be used, or while many requests wait: the broker keeps them.
"""

from collections.abc import Callable

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.desk import Desk
from port104.events.asking import FaultyRequestError, read_request
from port104.events.contracts import BrokerError, ConnectToConsume, Consumption, Delivery
from port104.events.line import Line
from port104.events.links import Caller

log = structlog.get_logger("port104.events")

# Of several MB each at the worst; those whose engine is gone do not count.
MOST_WAITING = 100
_LOOK_SECONDS = 5.0
_LONGEST_SHOWN = 64


class Consumer:
    """Takes requests in. `queue`: its name, for messages; `taken`: is told that there may be one."""

    def __init__(
        self,
        desk: Desk,
        connect: ConnectToConsume,
        jitter: Callable[[], float],
        queue: str,
        taken: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._line = Line(connect, jitter, "to take export requests")
        self._queue = queue
        self._taken = taken

    @property
    def fault(self) -> str | None:
        """Why the broker cannot be used; None: it can."""
        return self._line.fault

    async def run(self) -> None:
        """Take requests in until cancelled."""
        await self._line.keep(self._take_all)

    async def _take_all(self, link: Caller[Consumption]) -> None:
        """Take what there is, and what comes. Raises BrokerError."""
        while True:
            try:
                await self._wait_for_room(link)
                delivery = await link.do(lambda consumption: consumption.take())
                if delivery is not None:
                    await self._take(link, delivery)
            except DatabaseError as fault:
                # The broker takes back what was not answered for, and others may have it meanwhile.
                await link.close()
                await self._desk.insist(lambda ledger: ledger.requests.count_waiting())
                raise BrokerError(f"the ledger could not be used: {fault}") from fault

    async def _wait_for_room(self, link: Caller[Consumption]) -> None:
        while await self._desk.do(lambda ledger: ledger.requests.count_waiting()) >= MOST_WAITING:
            await trio.sleep(_LOOK_SECONDS)
            await link.do(lambda consumption: consumption.rest())

    async def _take(self, link: Caller[Consumption], delivery: Delivery) -> None:
        try:
            request = await trio.to_thread.run_sync(read_request, delivery.message_id, delivery.body)
        except FaultyRequestError as fault:
            hint = f"it is in the queue {self._queue}-dead-letter, for whoever sent it"
            shown = _shown(delivery.message_id)
            log.warning("a message is no export request", message=shown, reason=str(fault), hint=hint)
            await link.do(lambda consumption: consumption.reject(delivery))
            return
        is_new = await self._desk.do(lambda ledger: ledger.requests.take_in(request))
        facts = {"message": request.message_id, "run": request.run_id, "files": len(request.files)}
        if is_new:
            log.info("export request taken in", destinations=len(request.destinations), **facts)
            self._taken()
        else:
            log.info("export request came again, and is known", **facts)
        await link.do(lambda consumption: consumption.accept(delivery))


def _shown(message_id: str | None) -> str:
    """As far as it can be shown."""
    if message_id is None:
        return "without an ID"
    return ascii(message_id[:_LONGEST_SHOWN])
