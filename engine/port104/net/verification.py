"""Whether a peer is there, takes our calls, and answers C-ECHO (PS3.4 annex A); and what is wrong if not."""

import msgspec
import trio

from port104.errors import AssociationError, ConfigurationError, NotAcceptedError, Port104Error, Suspect
from port104.net.calling import Address, Timeouts
from port104.net.requestor import associate
from port104.wire.proposal import Proposal


class Verified(msgspec.Struct, frozen=True):
    """It answered. Seconds of the association's establishment, TLS included, and of the C-ECHO."""

    status: int
    associated: float
    answered: float


async def verify(address: Address, proposal: Proposal, timeouts: Timeouts) -> Verified:
    """Ask; `proposal` is for Verification.

    Raises as requestor.associate does; NotAcceptedError where the peer takes no C-ECHO, StatusError where it
    answers with a failure. Each says what is wrong, and so does `suspect_of`.
    """
    begun = trio.current_time()
    async with associate(address, proposal, timeouts) as requestor:
        associated = trio.current_time()
        try:
            response = await requestor.echo()
        except NotAcceptedError as refusal:
            advice = "look at the service: it takes our calls, and no Verification"
            raise NotAcceptedError(f"{refusal}; {advice}") from refusal
        answered = trio.current_time()
    response.check()
    return Verified(response.status, associated - begun, answered - associated)


def suspect_of(failure: Port104Error) -> Suspect:
    """What is to be looked at where `verify` raised, or what it needs could not be made."""
    if isinstance(failure, AssociationError):
        return failure.suspect
    # Our own certificate or authorities cannot be used; else the association stood, and that was all.
    return Suspect.TLS if isinstance(failure, ConfigurationError) else Suspect.SERVICE
