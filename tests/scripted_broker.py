"""A broker in this process: what it takes, refuses and forgets is the test's to say."""

from port104.events.contracts import BrokerError, Delivery, RefusedError


class ScriptedBroker:
    """`taken`: what it answered for. `is_there`: it can be called; `refused`: IDs that it takes not."""

    def __init__(self):
        self.taken = []
        self.is_there = True
        self.refused = set()
        self.calls = []
        self.closed = 0
        self.loses_answers = 0
        self.now = lambda: 0.0

    def connect(self):
        self.calls.append(self.now())
        if not self.is_there:
            raise BrokerError("the broker at x cannot be used: Connection refused")
        return _Link(self)


class _Link:
    def __init__(self, broker):
        self._broker = broker

    def publish(self, message):
        broker = self._broker
        self.rest()
        if message.id in broker.refused:
            raise RefusedError("no queue is bound")
        broker.taken.append(message)
        if broker.loses_answers:
            broker.loses_answers -= 1
            raise BrokerError("the broker at x cannot be used: Stream connection lost")

    def rest(self):
        if not self._broker.is_there:
            raise BrokerError("the broker at x cannot be used: Stream connection lost")

    def close(self):
        self._broker.closed += 1


class ScriptedQueue:
    """A queue in this process: what is not answered for when a connection ends comes again.

    `waiting`: messages as (ID, body); `kept`, `dead`: those that were accepted and rejected.
    """

    def __init__(self):
        self.waiting = []
        self.kept = []
        self.dead = []
        self.is_there = True
        self.loses_answers = 0
        self.connections = 0

    def connect(self):
        if not self.is_there:
            raise BrokerError("the broker at x cannot be used: Connection refused")
        self.connections += 1
        return _Consumption(self)


class _Consumption:
    def __init__(self, queue):
        self._queue = queue
        self._held = {}
        self._tags = iter(range(1, 1_000_000))

    def take(self):
        self.rest()
        if not self._queue.waiting:
            return None
        tag = next(self._tags)
        self._held[tag] = self._queue.waiting.pop(0)
        return Delivery(tag, *self._held[tag])

    def accept(self, delivery):
        if self._queue.loses_answers:
            self._queue.loses_answers -= 1
            raise BrokerError("the broker at x cannot be used: Stream connection lost")
        self._queue.kept.append(self._held.pop(delivery.tag)[0])

    def reject(self, delivery):
        self._queue.dead.append(self._held.pop(delivery.tag)[0])

    def rest(self):
        if not self._queue.is_there:
            raise BrokerError("the broker at x cannot be used: Stream connection lost")

    def close(self):
        self._queue.waiting[:0] = self._held.values()
        self._held = {}
