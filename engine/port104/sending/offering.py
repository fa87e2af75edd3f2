"""An association with several operations outstanding, where the peer bears to be asked for that."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from port104.errors import AbortedError
from port104.net.calling import Address, Timeouts
from port104.net.requestor import Requestor, associate
from port104.wire.proposal import Proposal


@asynccontextmanager
async def associate_with_window(
    address: Address, proposal: Proposal, timeouts: Timeouts
) -> AsyncIterator[Requestor]:
    """Request an association as `net.requestor.associate` does, and raise what it raises.

    Some peers drop an association that proposes a window (PS3.7 D.3.3.3): such a one is asked again without.
    """
    async with AsyncExitStack() as stack:
        try:
            requestor = await stack.enter_async_context(associate(address, proposal, timeouts))
        except AbortedError:
            if proposal.window == 1:
                raise
            plain = msgspec.structs.replace(proposal, window=1)
            requestor = await stack.enter_async_context(associate(address, plain, timeouts))
        yield requestor
