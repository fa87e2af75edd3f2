"""What `import port104` gives to a program that receives (docs/library.md)."""

import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio

from port104.net.acceptor import Acceptor
from port104.net.contracts import IntakeT, Limits, Sink, Witness
from port104.net.credentials import Credentials, TLSFiles
from port104.net.streaming import PassingSink
from port104.receiving.admission import Admission
from port104.receiving.handing import Handing, Handler
from port104.receiving.streaming import Handling, StreamHandler
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
    credentials = await _credentials(tls)
    root = Path(await trio.Path(folder).absolute())
    async with open_store(root, sync=True, threads=default_threads()) as store:
        handing = Handing(handler)
        store.on_stored = handing.stored
        admission = Admission(frozenset(ae_titles), frozenset(callers), window, handing.is_behind)
        acceptor = _acceptor(admission, store, associations, [handing])
        addresses = await acceptor.listen(host, port, credentials)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handing.run)
            async with _served(acceptor, nursery):
                yield Server(tuple(addresses))
            handing.end()


@asynccontextmanager
async def serve_streams(
    handler: StreamHandler,
    *,
    host: str | None = None,
    port: int = 104,
    ae_titles: Collection[str] = (),
    callers: Collection[str] = (),
    tls: TLSFiles | None = None,
    associations: int = 100,
) -> AsyncIterator[Server]:
    """Receive instances while the block runs, and have `handler` read each as it comes; nothing is kept.

    `handler` is awaited once the command of an instance is there; on one association with one after the
    other, with those of several associations at a time. What it does not ask for is not received: the peer
    waits. What it returns is the status that the peer is answered (PS3.4 table B.2-1), None: success; a
    StatusError has its own status answered, any other exception 0110, processing failure, and is logged. The
    association goes on after each; what was not read of the data set is passed over first.

    It is cancelled where the block ends by an exception, or 30 s after its end. The parameters are those of
    `serve`. Raises OSError where the port cannot be had; ConfigurationError where a file of `tls` is wrong.
    """
    credentials = await _credentials(tls)
    admission = Admission(
        frozenset(ae_titles), frozenset(callers), window=1, streams=partial(Handling, handler)
    )
    acceptor = _acceptor(admission, PassingSink(), associations)
    addresses = await acceptor.listen(host, port, credentials)
    async with trio.open_nursery() as nursery, _served(acceptor, nursery):
        yield Server(tuple(addresses))


async def _credentials(tls: TLSFiles | None) -> Credentials | None:
    return None if tls is None else await trio.to_thread.run_sync(Credentials, tls, time.time())


def _acceptor(
    admission: Admission, sink: Sink[IntakeT], associations: int, witnesses: Sequence[Witness] = ()
) -> Acceptor[IntakeT]:
    return Acceptor(
        admit=admission,
        sink=sink,
        association_limits=AssociationLimits(),
        limits=Limits(
            associations=associations, send_timeout=_SEND_SECONDS, shutdown_deadline=_SHUTDOWN_SECONDS
        ),
        witnesses=witnesses,
    )


@asynccontextmanager
async def _served(acceptor: Acceptor[IntakeT], nursery: trio.Nursery) -> AsyncIterator[None]:
    """Serve while the block runs, and let associations finish then; where it fails they are aborted."""
    nursery.start_soon(acceptor.serve)
    try:
        yield
    except BaseException:
        acceptor.abort("the program that receives ends")
        raise
    await acceptor.drain()
