"""What the shells here ask of a broker."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from port104.errors import Port104Error
from port104.jobs.ledger.messages import Message

TAKE_SECONDS = 1.0
"""A call that waits for a message takes so long at the most: the next stop waits for it."""


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


class Delivery(msgspec.Struct, frozen=True):
    """A message from the broker. `tag`: by which it is answered for; `message_id`: None: it has none."""

    tag: int
    message_id: str | None
    body: bytes


class Consumption(Protocol):
    """A connection that messages come by; as Publication."""

    def take(self) -> Delivery | None:
        """Wait for a message, TAKE_SECONDS at the most; None: none came."""
        ...

    def accept(self, delivery: Delivery) -> None:
        """Tell the broker that a message is kept here, and may be forgotten there."""
        ...

    def reject(self, delivery: Delivery) -> None:
        """Have the broker put a message among the dead letters."""
        ...

    def rest(self) -> None:
        """As Publication."""
        ...

    def close(self) -> None:
        """As Publication."""
        ...


ConnectToConsume = Callable[[], Consumption]
"""As ConnectToPublish."""

ConnectToPublish = Callable[[], Publication]
"""Connect with the broker. May wait: call it from a worker thread. Raises BrokerError."""
