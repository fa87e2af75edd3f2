"""How each destination is called: by C-STORE, or by STOW-RS where it has a `url`."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpcore
import msgspec
import trio

from port104.errors import ConfigurationError, Suspect
from port104.export.contracts import BrokenOffError, Peer, UnreachableError
from port104.export.dimse import DimseCaller, Verification
from port104.export.stow import WebCaller
from port104.net.calling import Timeouts
from port104.net.http_failures import suspect_of
from port104.registry.entries import Destination

# A person waits, and a request to the API has 30 s in all.
_AT_ONCE = Timeouts(connect=6.0, associate=6.0, send=6.0, response=6.0)


class Caller(msgspec.Struct, frozen=True):
    """Calls destinations; `open` is a contracts.OpenPeer."""

    by_c_store: DimseCaller
    by_stow: WebCaller

    def open(self, destination: Destination, paths: Sequence[Path]) -> AbstractAsyncContextManager[Peer]:
        """As the contract says."""
        if destination.url is None:
            return self.by_c_store.open(destination, paths)
        return self.by_stow.open(destination, paths)

    async def verify(self, destination: Destination) -> Verification:
        """Ask it by C-ECHO or OPTIONS, as it is called for results; takes half a minute at most."""
        if destination.url is None:
            return await self.by_c_store.verify(destination)
        began = trio.current_time()
        times: list[float] = []
        try:
            async with WebCaller(tls=self.by_stow.tls, timeouts=_AT_ONCE).open(destination, ()) as peer:
                for _ in ("it connects", "it is asked"):
                    await peer.echo()
                    times.append(round(trio.current_time() - began - sum(times), 4))
        except (UnreachableError, BrokenOffError) as fault:
            return Verification(destination.name, answered=False, wrong=_suspect_of(fault), reason=str(fault))
        connected, answered = times
        return Verification(
            destination.name, answered=True, association_seconds=connected, echo_seconds=answered
        )


def _suspect_of(fault: UnreachableError | BrokenOffError) -> Suspect:
    match fault.__cause__:
        case ConfigurationError():
            return Suspect.TLS  # our own files: certificates, or who we are
        case httpcore.ConnectError() | httpcore.ConnectTimeout() as failure:
            return suspect_of(failure)
    return Suspect.SERVICE if isinstance(fault, UnreachableError) else Suspect.PEER
