"""What the shells here ask of a broker."""

from collections.abc import Callable
from typing import Protocol

from port104.errors import Port104Error
from port104.jobs.ledger.messages import Message


class BrokerError(Port104Error):
    """The broker cannot be used, or the connection with it ended; the text says why, and what to do."""


class RefusedError(Port104Error):
    """The broker does not take a message; the connection is of use all the same. The text says why."""


class Publication(Protocol):
    """A connection that messages are sent by.

    Every call may wait: call it from a worker thread, one at a time. All raise BrokerError, after which it is
    of no use but to be closed.
    """

    def publish(self, message: Message) -> None:
        """Send a message; returns once the broker answers for it. Raises RefusedError."""
        ...

    def rest(self) -> None:
        """Let the broker know that we are there, and see whether it is. Call it every few seconds."""
        ...

    def close(self) -> None:
        """Let go of the connection. Raises nothing."""
        ...


ConnectToPublish = Callable[[], Publication]
"""Connect with the broker. May wait: call it from a worker thread. Raises BrokerError."""
