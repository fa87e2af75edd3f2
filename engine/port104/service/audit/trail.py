"""What goes into the audit trail, and when: told by the acceptor and the store, it writes to every delivery.

Nothing here waits for a sink, and what is done per stored instance is to count it: messages are made per
association and study.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import trio

from port104.net.contracts import HANDSHAKE_FAILED, AssociationEnd, AssociationStart
from port104.service.audit.alerts import WINDOW_SECONDS, AlertLimit
from port104.service.audit.delivery import Delivery
from port104.service.audit.messages import (
    Action,
    Activity,
    Alert,
    AuditSource,
    Outcome,
    Peer,
    Transfer,
    application_activity,
    instances_transferred,
    security_alert,
)
from port104.service.audit.syslog import Origin
from port104.service.audit.transfers import WANTED_TAGS, Elements, Transfers
from port104.storage.reading import read_elements
from port104.storage.stored import StoredInstance

_LOOK_SECONDS = 5.0
# Files that wait to be read, of all associations: they come from few peers, and reading takes a millisecond.
_MOST_UNREAD = 10_000
_TRANSIENT = 2  # A-ASSOCIATE-RJ: the peer may try again (PS3.8 9.3.4)

_Unread = tuple[Action, Path]


class AuditTrail:
    """The acceptor's Witness, and `stored` for the store. Run `run` beside, `finish` at the end."""

    def __init__(self, source: AuditSource, origin: Origin) -> None:
        self._source = source
        self._origin = origin
        self._deliveries: Sequence[Delivery] = ()
        self._serves = False
        self._transfers = Transfers()
        self._alerts = AlertLimit()
        self._peers: dict[int, tuple[str, Peer]] = {}  # by association: the called AE title, and who called
        self._unread: dict[int, list[_Unread]] = {}
        self._unread_count = 0
        # Bounded by _MOST_UNREAD and the number of associations.
        self._to_read, self._reading = trio.open_memory_channel[tuple[int, list[_Unread], bool]](math.inf)
        self._queued: Counter[int] = Counter()  # what of each association is in there

    def deliver_to(self, deliveries: Sequence[Delivery]) -> None:
        """Write to these from now on."""
        self._deliveries = deliveries

    def started(self) -> None:
        """Port104 serves."""
        self._serves = True
        self._activity(Activity.START, Outcome.SUCCESS)

    def stopped(self, outcome: Outcome) -> None:
        """Port104 serves no more, if it ever did."""
        if self._serves:
            self._activity(Activity.STOP, outcome)

    def messages_lost(self, count: int) -> None:
        """Leave a trace of lost messages in the trail itself."""
        description = f"{count} audit messages were lost: too many waited for delivery"
        self._alert(
            Alert.AUDIT_RECORDING_STOPPED, Outcome.SERIOUS_FAILURE, Peer("", self._origin.host), description
        )

    def established(self, start: AssociationStart) -> None:
        """Remember whose instances come under this number."""
        request = start.request
        peer = Peer(request.calling_ae_title, start.address)
        self._peers[start.association] = (request.called_ae_title, peer)

    def stored(self, instances: Iterable[StoredInstance]) -> None:
        """Count instances; files whose elements could not be picked while they passed are queued."""
        for instance in instances:
            self._stored(instance)

    def _stored(self, instance: StoredInstance) -> None:
        action = _action(instance)
        if instance.elements_complete or self._unread_count >= _MOST_UNREAD:
            self._count(instance.association, action, instance.elements)
        else:
            self._unread.setdefault(instance.association, []).append((action, instance.path))
            self._unread_count += 1

    def ended(self, end: AssociationEnd) -> None:
        """Write what an association brought, or that it failed."""
        if end.reject is not None or end.broke:
            self._failed(end)
        if end.association is None:
            return
        if end.association in self._unread or self._queued[end.association]:
            self._send_to_reader(end.association, ends=True)
        else:
            self._write_all(end.association)

    async def run(self) -> None:
        """Write what is due, and read what must be read, until cancelled or `finish` is done."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look)
            await self._read()
            nursery.cancel_scope.cancel()
        self._tell_left_out(self._alerts.close())

    def finish(self) -> None:
        """No association is left: `run` returns once all that they brought is written."""
        self._to_read.close()

    async def _look(self) -> None:
        while True:
            await trio.sleep(_LOOK_SECONDS)
            for association in tuple(self._unread):
                self._send_to_reader(association, ends=False)
            for association, transfer in self._transfers.due(trio.current_time()):
                self._write(association, transfer)
            self._tell_left_out(self._alerts.due(trio.current_time()))

    def _send_to_reader(self, association: int, *, ends: bool) -> None:
        self._queued[association] += 1
        self._to_read.send_nowait((association, self._unread.pop(association, []), ends))

    async def _read(self) -> None:
        async for association, unread, ends in self._reading:
            for action, path in unread:
                elements = await trio.to_thread.run_sync(_elements_of, path)
                self._unread_count -= 1
                self._count(association, action, elements)
            self._queued[association] -= 1
            if ends:
                del self._queued[association]
                self._write_all(association)

    def _count(self, association: int, action: Action, elements: Elements) -> None:
        if self._transfers.add(association, action, elements, trio.current_time()):
            for transfer in self._transfers.take(association):
                self._write(association, transfer)

    def _write_all(self, association: int) -> None:
        for transfer in self._transfers.take(association):
            self._write(association, transfer)
        del self._peers[association]

    def _write(self, association: int, transfer: Transfer) -> None:
        called, peer = self._peers[association]
        at = time.time()
        self._put(instances_transferred(self._source, called, peer, transfer, at), Outcome.SUCCESS, at)

    def _failed(self, end: AssociationEnd) -> None:
        """Report an association that was refused, or broken off for what the peer sent."""
        if not self._alerts.admit(end.address, trio.current_time()):
            return
        calling = end.request.calling_ae_title if end.request else ""
        passing = end.reject is not None and end.reject.result == _TRANSIENT
        self._alert(
            Alert.NODE_AUTHENTICATION,
            Outcome.MINOR_FAILURE if passing else Outcome.SERIOUS_FAILURE,
            Peer(calling, end.address),
            f"{_failure(end)}: {end.why}",
        )

    def _tell_left_out(self, left_out: Mapping[str, int]) -> None:
        for address, count in left_out.items():
            description = f"{count} more associations failed within {WINDOW_SECONDS:.0f} seconds"
            node = Peer("", address)
            self._alert(Alert.NODE_AUTHENTICATION, Outcome.SERIOUS_FAILURE, node, description)

    def _alert(self, alert: Alert, outcome: Outcome, node: Peer, description: str) -> None:
        at = time.time()
        self._put(security_alert(self._source, alert, outcome, node, description, at), outcome, at)

    def _activity(self, activity: Activity, outcome: Outcome) -> None:
        at = time.time()
        self._put(application_activity(self._source, activity, outcome, at), outcome, at)

    def _put(self, message: str, outcome: Outcome, at: float) -> None:
        line = self._origin.line(message, outcome, at)
        for delivery in self._deliveries:
            delivery.put(line)


def _failure(end: AssociationEnd) -> str:
    if end.outcome == HANDSHAKE_FAILED:
        return end.outcome
    called = f" of {end.request.called_ae_title}" if end.request else ""
    return f"association{called} {'rejected' if end.reject else 'aborted'}"


def _action(instance: StoredInstance) -> Action:
    if instance.duplicate:
        return Action.READ
    return Action.UPDATE if instance.replaced else Action.CREATE


def _elements_of(path: Path) -> Elements:
    """Blocks on the disk. An instance may be gone by then, or replaced: it was stored all the same."""
    try:
        return read_elements(path, WANTED_TAGS)
    except OSError:
        return {}
