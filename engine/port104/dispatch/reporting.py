"""Reports of storage commitment on associations of their own: who asked is called as a destination is."""

from collections.abc import Awaitable, Callable

import msgspec
import trio
from OpenSSL import SSL

from port104 import uids
from port104.errors import (
    AssociationError,
    ConfigurationError,
    LocalProtocolError,
    NotAcceptedError,
)
from port104.net.calling import Address, Timeouts
from port104.net.requestor import associate
from port104.registry.entries import Destination
from port104.wire.commitment import CommitmentReport, encode_report
from port104.wire.operations import event_report_request
from port104.wire.proposal import Proposal, Syntaxes

_PROPOSED = tuple(
    Syntaxes(uids.STORAGE_COMMITMENT, transfer_syntax)
    for transfer_syntax in (uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_LITTLE_ENDIAN)
)


class UnreportedError(Exception):
    """A peer could not be told; the text says why."""


Report = Callable[[Destination, str, CommitmentReport], Awaitable[int]]
"""Reports to a peer, as DimseReporter.report does."""


class DimseReporter(msgspec.Struct, frozen=True, kw_only=True):
    """Reports to peers, which are destinations of the registry.

    `tls`: makes what they are called with over TLS; called in a worker thread, it raises ConfigurationError.
    """

    tls: Callable[[], SSL.Context]
    timeouts: Timeouts = Timeouts()

    async def report(self, peer: Destination, calling_ae_title: str, report: CommitmentReport) -> int:
        """Send an N-EVENT-REPORT as the SCP; returns the status of the response. Raises UnreportedError.

        `calling_ae_title`: the one that the peer called when it asked.
        """
        proposal = Proposal(
            calling_ae_title=calling_ae_title,
            called_ae_title=peer.ae_title,
            syntaxes=_PROPOSED,
            provided=(uids.STORAGE_COMMITMENT,),
        )
        try:
            context = await trio.to_thread.run_sync(self.tls) if peer.tls else None
            address = Address(peer.host, peer.port, context)
            async with associate(address, proposal, self.timeouts) as requestor:
                syntaxes = requestor.first_of(_PROPOSED)
                data = encode_report(report, syntaxes.transfer_syntax)
                request = event_report_request(report.event_type_id)
                return (await requestor.invoke(syntaxes, request, data)).status
        except (AssociationError, ConfigurationError, LocalProtocolError, NotAcceptedError) as fault:
            raise UnreportedError(str(fault)) from fault
