"""An acceptor in this process with a real store, on a port of its own, for tests over sockets."""

import contextlib

import trio

from port104.net.acceptor import Acceptor
from port104.net.contracts import Admitted, Limits
from port104.storage.store import open_store
from port104.wire.association import AssociationLimits
from port104.wire.negotiation import NegotiationPolicy
from raw_peer import RawPeer


class Service:
    """An acceptor that serves, and its store."""

    def __init__(self, acceptor, store, port, nursery):
        self.acceptor = acceptor
        self.store = store
        self.port = port
        self.nursery = nursery

    @contextlib.asynccontextmanager
    async def peer(self, **changes):
        """A peer with an association."""
        peer = await RawPeer.connect(self.port)
        try:
            await peer.associate(**changes)
            yield peer
        finally:
            await peer.close()

    def files(self):
        return list((self.store.root / "instances").rglob("*.dcm"))

    def parts(self):
        return list((self.store.root / "parts").iterdir())


@contextlib.asynccontextmanager
async def serving(
    folder,
    *,
    verdict=None,
    associations=10,
    window=1,
    deadline=5.0,
    waits=None,
    trace=False,
    is_proxy=None,
    credentials=None,
    shown=None,
    witnesses=(),
    **limits,
):
    """Serve under `folder`, with `credentials` over TLS; what peers show is added to the list `shown`.

    `waits`: what AssociationLimits takes; `limits`: more of Limits.
    """

    async def admit(request, address, certificate):
        if shown is not None:
            shown.append(certificate)
        assert address.startswith("127.0.0.")
        policy = NegotiationPolicy(operations_window=window)
        return verdict or Admitted(policy=policy, ignored=frozenset({"1.2.840.10008.5.1.4.1.1.2"}))

    async with open_store(folder, sync=False, threads=2) as store, trio.open_nursery() as nursery:
        acceptor = Acceptor(
            admit=admit,
            sink=store,
            association_limits=AssociationLimits(**(waits or {})),
            limits=Limits(associations=associations, send_timeout=5.0, shutdown_deadline=deadline, **limits),
            trace_pdus=trace,
            is_proxy=is_proxy,
            witnesses=witnesses,
        )
        ((_, port),) = await acceptor.listen("127.0.0.1", 0, credentials)
        nursery.start_soon(acceptor.serve)
        yield Service(acceptor, store, port, nursery)
        acceptor.abort("the test is over")


async def until(condition):
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.001)
