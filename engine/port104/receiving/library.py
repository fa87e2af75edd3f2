"""What `import port104` gives to a program that receives (docs/library.md)."""

import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from port104.net.acceptor import Acceptor
from port104.net.contracts import Limits
from port104.net.credentials import Credentials, TLSFiles
from port104.receiving.admission import Admission
from port104.receiving.handing import Handing, Handler
from port104.storage.store import default_threads, open_store
from port104.wire.association import AssociationLimits

_SEND_SECONDS = 30.0
_SHUTDOWN_SECONDS = 30.0


class Server(msgspec.Struct, frozen=True):
    """What listens. `addresses`: host and port of each socket; for all addresses there are two."""

    addresses: tuple[tuple[str, int], ...]

    @property
    def address(self) -> tuple[str, int]:
        """The first of them, which is the only one where `host` was given."""
        return self.addresses[0]


@asynccontextmanager
async def serve(
    folder: Path | str,
    handler: Handler,
    *,
    host: str | None = None,
    port: int = 104,
    ae_titles: Collection[str] = (),
    callers: Collection[str] = (),
    tls: TLSFiles | None = None,
    window: int = 1,
    associations: int = 100,
) -> AsyncIterator[Server]:
    """Receive instances into `folder` while the block runs, and hand each to `handler`.

    Every instance is a file of its own, synced to the disk before success is answered; then `handler` is
    awaited with it, one after the other, in the order in which they were stored. What is stored when the
    block ends is handled first. An exception of the handler ends the block, in an exception group as trio's
    nurseries make them.

    `host`: address to listen on, None: all; `port`: 0: any that is free. `ae_titles`: under which it can be
    called, `callers`: AE titles that may call; empty: any. `tls`: what TLS is spoken with; None: it is not.
    `window`: instances that a peer may send without an answer (PS3.7 D.3.3.3). `associations`: at one time.

    Raises StorageError where the folder cannot be used, or another process uses it; OSError where the port
    cannot be had; ConfigurationError where a file of `tls` is wrong.
    """
    credentials = None
    if tls is not None:
        credentials = await trio.to_thread.run_sync(Credentials, tls, time.time())
    root = Path(await trio.Path(folder).absolute())
    async with open_store(root, sync=True, threads=default_threads()) as store:
        handing = Handing(handler)
        store.on_stored = handing.stored
        acceptor = Acceptor(
            admit=Admission(frozenset(ae_titles), frozenset(callers), window, handing.is_behind),
            sink=store,
            association_limits=AssociationLimits(),
            limits=Limits(
                associations=associations, send_timeout=_SEND_SECONDS, shutdown_deadline=_SHUTDOWN_SECONDS
            ),
            witnesses=[handing],
        )
        addresses = await acceptor.listen(host, port, credentials)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handing.run)
            nursery.start_soon(acceptor.serve)
            try:
                yield Server(tuple(addresses))
            except BaseException:
                acceptor.abort("the program that receives ends")
                raise
            await acceptor.drain()
            handing.end()
