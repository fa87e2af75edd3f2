"""An association over which files are sent by their paths: the requestor, and the files that it sends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from port104.net.calling import Address, Timeouts
from port104.net.requestor import Requestor
from port104.net.requestor import associate as request_association
from port104.sending.data_sets import EncodedDataSet
from port104.sending.instance_file import InstanceFile
from port104.wire.operations import Response
from port104.wire.proposal import Proposal


class SendingAssociation:
    """An association that stands; several tasks may use it at a time. Errors are those of net.Requestor."""

    def __init__(self, requestor: Requestor) -> None:
        self._requestor = requestor

    @property
    def usable(self) -> bool:
        """Whether it stands, as far as is known; asked before it is used again after a while."""
        return self._requestor.usable

    async def echo(self) -> Response:
        """C-ECHO (PS3.4 annex A). Raises NotAcceptedError where Verification was not accepted."""
        return await self._requestor.echo()

    async def store(self, instance: Path | str | Any) -> Response:
        """C-STORE of a file as it is, or of a pydicom.Dataset (PS3.4 annex B).

        Whether it was a success stands in the response. Raises ValueError where it is nothing that can be
        sent, and says why; OSError where the file cannot be read; NotAcceptedError where the peer takes no
        such data set.
        """
        if not isinstance(instance, Path | str):
            return await self._requestor.store(await trio.to_thread.run_sync(EncodedDataSet, instance))
        file = await trio.to_thread.run_sync(InstanceFile, Path(instance))
        try:
            return await self._requestor.store(file)
        finally:
            file.close()


@asynccontextmanager
async def associate(
    address: Address,
    proposal: Proposal,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
) -> AsyncIterator[SendingAssociation]:
    """Request an association; it is released at the end of the block, and aborted where that raises.

    Raises ConnectError, RejectedError, AbortedError, TimedOutError; LocalProtocolError where the standard
    has no such request.
    """
    async with request_association(address, proposal, timeouts) as requestor:
        yield SendingAssociation(requestor)
