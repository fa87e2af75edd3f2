"""How a peer is called: where, with what patience, over TLS or not. Opens the connection, no more."""

import os
from typing import TYPE_CHECKING

import msgspec
import trio

from port104.errors import ConnectError
from port104.net.connection import Connection
from port104.net.handshakes import HandshakeError

if TYPE_CHECKING:
    from OpenSSL import SSL

    from port104.net.tls import SecureSocket


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that each step may take.

    `connect`: until the connection stands, and TLS on it. `associate`: each of the waits for A-ASSOCIATE-AC
    and A-RELEASE-RP. `send`: in which the peer takes none of the bytes that are due. `response`: from the
    last byte of a request to its response.
    """

    connect: float = 10.0
    associate: float = 30.0
    send: float = 30.0
    response: float = 60.0


class Address(msgspec.Struct, frozen=True):
    """Where a peer listens. `tls`: what it is called with over TLS; None: it does not speak TLS."""

    host: str
    port: int
    tls: "SSL.Context | None" = None

    def __str__(self) -> str:
        """Write host and port as people do."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


async def call(address: Address, seconds: float) -> Connection:
    """Open a connection within `seconds`. Raises ConnectError, which says what to look at."""
    try:
        with trio.fail_after(seconds):
            return await _open(address, trio.current_time() + seconds)
    except trio.TooSlowError:
        raise ConnectError(
            f"{address} did not answer within {seconds:g} s: look at the address, and at firewalls between"
        ) from None
    except HandshakeError as failure:
        raise ConnectError(f"{address}: no TLS: {failure.reason}; {_mend(failure.reason)}") from failure
    except OSError as failure:
        raise ConnectError(f"{address} cannot be reached: {_words(failure)}") from failure


async def _open(address: Address, deadline: float) -> Connection:
    stream = await trio.open_tcp_stream(address.host, address.port)  # with TCP_NODELAY
    connection = Connection(stream.socket, secure=_secured(stream.socket, address))
    try:
        await connection.open(deadline=deadline, address=address.host)
    except BaseException:
        connection.close()
        raise
    return connection


def _secured(socket: trio.socket.SocketType, address: Address) -> "SecureSocket | None":
    if address.tls is None:
        return None
    from port104.net.tls import SecureSocket  # noqa: PLC0415 - who calls without TLS does not pay for it

    return SecureSocket(socket, address.tls, called=address.host)


def _mend(reason: str) -> str:
    if reason == "certificate verify failed":
        return "its certificate must be for this host, and of an authority that we trust"
    if reason in ("wrong version number", "packet length too long", "record layer failure"):
        return "does it speak TLS on this port?"
    return "look at the certificates on both sides"


def _words(failure: OSError) -> str:
    """What went wrong; trio tells of all the addresses that it tried by one error."""
    cause = failure.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[-1]
    told = cause if isinstance(cause, OSError) else failure
    # Those of the resolver (EAI_...) are negative, and have words of their own.
    if told.errno is not None and told.errno > 0:
        return os.strerror(told.errno)
    return told.strerror or str(told)
