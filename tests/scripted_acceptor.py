"""An acceptor that does what a test's script says, for tests of the requestor over sockets."""

import contextlib
from functools import partial

import msgspec
import trio

from port104.net.calling import Address, Timeouts
from port104.net.requestor import associate
from port104.wire.command import decode_command, response_to
from port104.wire.negotiation import NegotiationPolicy, negotiate
from port104.wire.pdu import (
    PDV,
    Abort,
    AssociateAC,
    AssociateRQ,
    PDataTF,
    PresentationContextResult,
    ReleaseRP,
    ReleaseRQ,
)
from port104.wire.proposal import VERIFICATION, Proposal, Syntaxes
from raw_peer import EXPLICIT, SECONDARY_CAPTURE, RawPeer

STORAGE = Syntaxes(SECONDARY_CAPTURE, EXPLICIT)
PROPOSAL = Proposal(calling_ae_title="PEER", called_ae_title="PORT104", syntaxes=(VERIFICATION, STORAGE))
QUICK = Timeouts(connect=5.0, associate=5.0, send=5.0, response=5.0)


class Acceptor(RawPeer):
    """One accepted connection."""

    async def accept(self, *, window=1, **changes):
        """Take the request and accept what it proposes, by `changes` of the policy; returns it."""
        request = await self.receive()
        assert isinstance(request, AssociateRQ), request
        answer = negotiate(request, NegotiationPolicy(operations_window=window, **changes))
        await self.send(answer.encode())
        return request

    async def accept_all(self, *, refused=()):
        """Accept every context, those of queries too, but for transfer syntaxes that are `refused`."""
        request = await self.receive()
        results = tuple(
            PresentationContextResult(context.id, 4 * (syntax in refused), syntax)
            for context in request.presentation_contexts
            for syntax in context.transfer_syntaxes
        )
        await self.send(AssociateAC("A", "B", results, request.user_information).encode())
        return request

    async def take_message(self):
        """The next message: its context ID, its command set and its data set."""
        context_id, command = await self._take_whole()
        data_set = b""
        command = decode_command(command)
        if command.has_data_set:
            _, data_set = await self._take_whole()
        return context_id, command, data_set

    async def _take_whole(self):
        whole = b""
        while True:
            pdu = await self.receive()
            assert isinstance(pdu, PDataTF), pdu
            for pdv in pdu.pdvs:
                whole += pdv.fragment
                if pdv.control & 2:
                    return pdv.context_id, whole

    async def respond(self, context_id, request, status=0):
        await self.send(PDataTF((PDV(context_id, 3, response_to(request, status).encode()),)).encode())

    async def serve(self, status=0):
        """Answer every message with `status`, until the requestor releases."""
        while True:
            pdu = await self.receive()
            if pdu == ReleaseRQ():
                await self.send(ReleaseRP().encode())
                return
            assert isinstance(pdu, PDataTF), pdu
            if pdu.pdvs[0].control & 1:
                command = decode_command(pdu.pdvs[0].fragment)
            if pdu.pdvs[-1].control & 2 and not (command.has_data_set and pdu.pdvs[-1].control & 1):
                await self.respond(pdu.pdvs[0].context_id, command, status)

    async def aborted(self):
        """The A-ABORT that must come next, but for P-DATA that was under way; None: the connection ended."""
        while isinstance(pdu := await self.receive(), PDataTF | ReleaseRQ):
            pass
        assert pdu is None or isinstance(pdu, Abort), pdu
        return pdu


@contextlib.asynccontextmanager
async def acceptor(script):
    """Serve connections by `script(acceptor)` on a port of its own; gives the address."""

    async def serve(stream):
        async with stream:
            await script(Acceptor(stream))

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield Address("127.0.0.1", listener.socket.getsockname()[1])
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def associated(script, timeouts=QUICK, **changes):
    """An association with an acceptor that accepts, and then does as `script` says."""

    async def accept(peer):
        await peer.accept(window=8)
        await script(peer)

    proposal = msgspec.structs.replace(PROPOSAL, **changes)
    async with acceptor(accept) as address, associate(address, proposal, timeouts) as requestor:
        yield requestor


class Bytes:
    """A data set in memory, read in `pieces`."""

    def __init__(self, *pieces, syntaxes=STORAGE, instance="1.2.3", length=None):
        self.syntaxes = syntaxes
        self.sop_instance_uid = instance
        self.length = sum(map(len, pieces)) if length is None else length
        self._pieces = list(pieces)

    async def read(self):
        await trio.lowlevel.checkpoint()
        return self._pieces.pop(0) if self._pieces else b""
