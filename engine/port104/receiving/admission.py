"""Who may come in to a program that receives: by AE titles, and while it keeps up."""

from collections.abc import Callable, Collection

from port104.net.certificates import PeerCertificate
from port104.net.contracts import Admitted, Refused, Streams
from port104.wire.negotiation import NegotiationPolicy, Rejection
from port104.wire.pdu import AssociateRQ


class Admission:
    """An acceptor's `Admit`. `called`, `calling`: AE titles that are taken; empty: any.

    `is_behind`: whether so much waits for the program that others are to come later. `streams`: makes what
    takes the instances of an association, by its request and the peer's address, where they are not stored.
    """

    def __init__(
        self,
        called: Collection[str],
        calling: Collection[str],
        window: int,
        is_behind: Callable[[], bool] = lambda: False,
        streams: Callable[[AssociateRQ, str], Streams] | None = None,
    ) -> None:
        self._called = called
        self._calling = calling
        self._is_behind = is_behind
        self._streams = streams
        self._policy = NegotiationPolicy(operations_window=window)

    async def __call__(
        self, request: AssociateRQ, address: str, certificate: PeerCertificate | None
    ) -> Admitted | Refused:
        """Judge, as the protocol says."""
        del certificate  # the port is open, or TLS asks for certificates
        if self._called and request.called_ae_title not in self._called:
            rejection, why = Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED, "ae_titles has it not"
        elif self._calling and request.calling_ae_title not in self._calling:
            rejection, why = Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED, "callers has it not"
        elif self._is_behind():
            rejection, why = Rejection.TEMPORARY_CONGESTION, "too many instances wait for the handler"
        else:
            streams = None if self._streams is None else self._streams(request, address)
            return Admitted(policy=self._policy, streams=streams)
        return Refused(rejection.value, why, "see port104.serve")
