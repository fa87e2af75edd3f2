"""Why an association that we requested is over: the event that ended it, as the error that callers get."""

from port104.errors import AbortedError, AssociationError, RejectedError, TimedOutError
from port104.net.calling import Address
from port104.net.connection import Connection
from port104.net.suspects import Finding, of_answer, of_refused_certificate, of_rejection
from port104.wire.events import (
    AbortedByPeer,
    AbortedByUs,
    AssociationRejected,
    ConnectionLost,
    Event,
    Released,
    ReleaseRequested,
)
from port104.wire.refusals import abort_words, reject_words


class Endings:
    """Of one association. `answered`: whether the peer has answered A-ASSOCIATE-RQ; only then it is one."""

    def __init__(self, address: Address, connection: Connection) -> None:
        self._address = address
        self._connection = connection
        self.answered = False

    def of(self, event: Event) -> AssociationError:
        """Why it is over, by an event that ends an association."""
        match event:
            case AssociationRejected():
                return self._rejected(event)
            case ConnectionLost():
                return self.lost("the peer closed it")
            case AbortedByUs():
                return self._aborted(event)
            case AbortedByPeer():
                words = abort_words(event.source, event.reason)
                return AbortedError(f"{self._address} aborted {words}")
            case ReleaseRequested():
                return AbortedError(f"{self._address} released the association")
            case Released():
                return AbortedError(f"the association with {self._address} was released")
            case _:
                raise AssertionError(event)  # an acceptor's

    def lost(self, why: str) -> AssociationError:
        """The connection is."""
        found = of_refused_certificate(self._connection.alert) or self._found(ConnectionLost())
        return self._advised(AbortedError, f"the connection to {self._address} was lost: {why}", found)

    def broke(self, what: str) -> AssociationError:
        """The peer broke the protocol."""
        return AbortedError(self._broke(what))

    def _broke(self, what: str) -> str:
        return f"{self._address} broke the protocol, and was sent A-ABORT: {what}"

    def _found(self, event: Event) -> Finding | None:
        return None if self.answered else of_answer(event, tls=self._connection.tls)

    def _aborted(self, event: AbortedByUs) -> AssociationError:
        if not event.reason:
            return self._advised(TimedOutError, f"{self._address}: {event.detail}", self._found(event))
        return self._advised(AbortedError, self._broke(event.detail), self._found(event))

    def _rejected(self, event: AssociationRejected) -> RejectedError:
        words = f"{self._address} {reject_words(event.reject)}"
        transient = event.reject.result == 2
        if (found := of_rejection(event.reject)) is None:
            return RejectedError(words, transient=transient)
        return RejectedError(f"{words}; {found.advice}", transient=transient, suspect=found.suspect)

    def _advised(
        self, kind: type[AbortedError | TimedOutError], words: str, found: Finding | None
    ) -> AssociationError:
        return kind(words) if found is None else kind(f"{words}; {found.advice}", suspect=found.suspect)
