"""A broker in this process: what it takes, refuses and forgets is the test's to say."""

from port104.events.contracts import BrokerError, RefusedError


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
