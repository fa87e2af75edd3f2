"""Connections that a load balancer passes on: reads the PROXY header before anything else is read.

The header comes before TLS and before the first PDU, so whatever reads the socket next finds its bytes there.
"""

import trio

from port104.net.proxy_protocol import HeaderReader, NoProxyHeaderError, ProxyHeaderError

_LOOK_BYTES = 4096


async def origin_of(socket: trio.socket.SocketType, *, within: float) -> str | None:
    """Whom the proxy speaks for: an IP address, or None for itself. Takes the header and not a byte more.

    Raises ProxyHeaderError where another thing came, or no whole header within `within` seconds; OSError as
    the socket does.
    """
    reader = HeaderReader()
    error: type[ProxyHeaderError] = NoProxyHeaderError
    with trio.move_on_after(within):
        while reader.origin is None:
            available = await socket.recv(_LOOK_BYTES, trio.socket.MSG_PEEK)
            if not available:
                raise error("the connection ended before its header did")
            error = ProxyHeaderError
            count = reader.take(available)
            await socket.recv(count)  # these bytes are there: it takes them all
        return reader.origin.address
    raise error(f"no whole header came within {within:g} s")
