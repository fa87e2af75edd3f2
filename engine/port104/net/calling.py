"""How a peer is called: where, with what patience, over TLS or not. Opens the connection, no more."""

import os
import socket
from typing import TYPE_CHECKING

import msgspec
import trio

from port104.errors import ConnectError
from port104.net.connection import Connection
from port104.net.handshakes import HandshakeError
from port104.net.suspects import NO_ANSWER, NO_HANDSHAKE, Finding, of_connecting, of_handshake

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
    deadline = trio.current_time() + seconds
    try:
        with trio.fail_at(deadline):
            stream = await trio.open_tcp_stream(address.host, address.port)  # with TCP_NODELAY
    except trio.TooSlowError:
        raise _error(f"{address} did not answer within {seconds:g} s", NO_ANSWER) from None
    except (OSError, UnicodeError) as failure:
        told = _told(failure)
        raise _error(f"{address} cannot be reached: {_words(told)}", of_connecting(told)) from failure
    return await _secured(stream, address, deadline)


async def _secured(stream: trio.SocketStream, address: Address, deadline: float) -> Connection:
    connection = Connection(stream.socket, secure=_secure(stream.socket, address))
    try:
        await connection.open(deadline=deadline, address=address.host)
    except BaseException as failure:
        connection.close()
        if isinstance(failure, HandshakeError):
            found = of_handshake(failure, address.host)
            raise _error(f"{address}: no TLS: {failure.reason}", found) from failure
        if isinstance(failure, OSError):
            raise _error(f"{address}: no TLS: {_words(failure)}", NO_HANDSHAKE) from failure
        raise
    return connection


def _secure(socket: trio.socket.SocketType, address: Address) -> "SecureSocket | None":
    if address.tls is None:
        return None
    from port104.net.tls import SecureSocket  # noqa: PLC0415 - who calls without TLS does not pay for it

    return SecureSocket(socket, address.tls, called=address.host)


def _error(what: str, found: Finding) -> ConnectError:
    return ConnectError(f"{what}; {found.advice}", suspect=found.suspect)


def _told(failure: OSError | UnicodeError) -> OSError:
    """What went wrong; trio tells of all the addresses that it tried by one error."""
    cause = failure.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[-1]
    told = cause if isinstance(cause, OSError) else failure
    if isinstance(told, OSError):
        return told
    return socket.gaierror(socket.EAI_NONAME, "it is no host name")  # it cannot be encoded (RFC 5891 4)


def _words(failure: OSError) -> str:
    # Those of the resolver (EAI_...) are negative, and have words of their own.
    if failure.errno is not None and failure.errno > 0:
        return os.strerror(failure.errno)
    return failure.strerror or str(failure)
