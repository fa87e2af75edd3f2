"""Accepts connections to the API. Whatever goes wrong on one, or with all of them, never harms DICOM.

Rules that this room keeps:
- there are never more connections than `MOST_CONNECTIONS` on a listener: for one more the oldest is closed,
  so that nobody who asks once and is answered is kept out by those who hold theirs;
- who comes by the control socket has places of his own.
"""

import errno
from collections.abc import Callable
from functools import partial

import structlog
import trio

from port104.net.crowd import Crowd
from port104.service.api.access import Peer
from port104.service.api.connection import HTTPConnection
from port104.service.api.control import may_control, user_at
from port104.service.api.gatekeeper import Gatekeeper
from port104.service.api.https import HTTPSCredentials

log = structlog.get_logger("port104.api")

MOST_CONNECTIONS = 64
BACKLOG = 128
_CAPACITY_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_CAPACITY_PAUSE_SECONDS = 0.1

PeerOf = Callable[[trio.SocketStream], Peer | None]
"""Says who connected; None: somebody who may not."""


class Server:
    """Serves what listeners accept, by `gatekeeper`."""

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper

    async def accept(
        self, listener: trio.SocketListener, peer_of: PeerOf, credentials: HTTPSCredentials | None = None
    ) -> None:
        """Accept and serve until cancelled."""
        crowd: Crowd[HTTPConnection] = Crowd(limit=MOST_CONNECTIONS, per_address=0)
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as failure:
                    if failure.errno in _CAPACITY_ERRORS:
                        await trio.sleep(_CAPACITY_PAUSE_SECONDS)
                    continue  # else: the peer was gone before it was accepted
                nursery.start_soon(self._serve, stream, peer_of, credentials, crowd)

    async def _serve(
        self,
        stream: trio.SocketStream,
        peer_of: PeerOf,
        credentials: HTTPSCredentials | None,
        crowd: Crowd[HTTPConnection],
    ) -> None:
        connection: HTTPConnection | None = None
        try:
            async with stream:
                peer = peer_of(stream)
                if peer is None:
                    return
                connection = HTTPConnection(
                    _secured(stream, credentials), partial(self._gatekeeper.serve, peer)
                )
                oldest = crowd.arrive(connection, peer.address)
                if oldest is not None:
                    oldest.cancel()
                await connection.run()
        except OSError:
            return  # the peer was gone
        except Exception:
            log.exception("a connection to the API was ended by a fault in port104")
        finally:
            if connection is not None:
                crowd.leave(connection)


def _secured(
    stream: trio.SocketStream, credentials: HTTPSCredentials | None
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    if credentials is None:
        return stream
    return trio.SSLStream(stream, credentials.https, server_side=True, https_compatible=True)


def peer_by_address(stream: trio.SocketStream) -> Peer:
    """Who connected over TCP. Raises OSError where it is gone."""
    return Peer(address=stream.socket.getpeername()[0])


def peer_by_user(stream: trio.SocketStream) -> Peer | None:
    """Who connected to the control socket."""
    user = user_at(stream.socket)
    if may_control(user):
        return Peer(uid=user)
    log.warning("control socket refused to another user", uid=user, hint="run port104's commands as its user")
    return None
