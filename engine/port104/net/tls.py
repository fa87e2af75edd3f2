"""TLS on one connection (PS3.15 B.12): handshake and end. Between them stands native/tls.h.

Rules that this room keeps:
- a peer in its handshake holds a task and nothing else: the arithmetic is a worker thread's, the waiting the
  event loop's, and all of it ends at a deadline;
- once records are lent to a link, the session is touched no more until the connection closes.
"""

import contextlib
import errno
import ipaddress
import socket as stdlib_socket

import structlog
import trio
from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL

from port104.native import OpenSSL, Records
from port104.net.certificates import PeerCertificate, peer_certificate
from port104.net.handshakes import HandshakeError

log = structlog.get_logger("port104.tls")

# Handshakes computed at one time: each takes a processor a millisecond or two, and a storm of them must
# leave the others to associations.
_MOST_HANDSHAKES = 2
_HANDSHAKES: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("handshakes")
_LIB, _FFI = Binding.lib, Binding.ffi


def _address(pointer: object) -> int:
    return int(_FFI.cast("uintptr_t", pointer))


# Of the copy of OpenSSL that made the sessions; there may be another in the process.
_OPENSSL = OpenSSL(
    read=_address(_LIB.SSL_read),
    write=_address(_LIB.SSL_write),
    get_error=_address(_LIB.SSL_get_error),
    clear_error=_address(_LIB.ERR_clear_error),
)


def note_alert(session: SSL.Connection, where: int, code: int) -> None:
    """Remember the alert that a peer sent; the info callback of a context (SSL_CTX_set_info_callback(3)).

    In TLS 1.3 a peer says after the handshake what it thinks of our certificate.
    """
    if where == _LIB.SSL_CB_READ_ALERT:
        session.set_app_data(code & 0xFF)


class SecureSocket:
    """The TLS side of a connection. `handshake` once, then lend `records`. It owns the socket.

    `called`: the host name or address that we called, which the peer's certificate must be for; None: the
    peer called.
    """

    def __init__(
        self, socket: trio.socket.SocketType, context: SSL.Context, *, called: str | None = None
    ) -> None:
        self._trio_socket = socket
        self._context = context
        self._called = called
        self._socket: stdlib_socket.socket | None = None
        self._session: SSL.Connection | None = None

    async def handshake(self, deadline: float, address: str) -> PeerCertificate | None:
        """Agree on TLS until `deadline` on trio's clock. Returns the peer's certificate, if it showed one.

        Raises HandshakeError where the two do not agree, which is logged where the peer called; another
        OSError where the peer is too slow or gone: who only looks whether a port is open does that all day.
        """
        session = self._begin()
        try:
            with trio.fail_at(deadline):
                await self._agree(session)
        except trio.TooSlowError:
            raise TimeoutError(errno.ETIMEDOUT, "no TLS handshake in time") from None
        except SSL.SysCallError as failure:
            raise ConnectionResetError(errno.ECONNRESET, "the peer ended its TLS handshake") from failure
        except SSL.Error as failure:
            error = HandshakeError(_reason(failure), alert=self.alert, verdict=self._verdict(session))
            self._report(error, address)
            raise error from failure
        certificate = peer_certificate(session)
        shown = {"certificate": certificate.fingerprint} if certificate else {}
        facts = {"version": session.get_protocol_version_name(), "cipher": session.get_cipher_name()}
        log.debug("TLS handshake done", address=address, **facts, **shown)
        return certificate

    @property
    def alert(self) -> int | None:
        """The alert that the peer sent last, where its context notes alerts (note_alert)."""
        alert: int | None = None if self._session is None else self._session.get_app_data()
        return alert

    def _verdict(self, session: SSL.Connection) -> int:
        verdict: int = _LIB.SSL_get_verify_result(session._ssl) if self._called else 0  # noqa: SLF001 - as below
        return verdict

    def _report(self, error: HandshakeError, address: str) -> None:
        """Log it where nobody else will tell: whoever calls hears of it by the exception."""
        if self._called is None:
            hint = {"hint": error.hint} if error.hint else {}
            log.warning("TLS handshake failed", address=address, reason=error.reason, **hint)

    def _begin(self) -> SSL.Connection:
        self._socket = stdlib_socket.socket(fileno=self._trio_socket.detach())
        self._socket.settimeout(0)
        self._session = SSL.Connection(self._context, self._socket)
        if self._called is None:
            self._session.set_accept_state()
        else:
            self._session.set_connect_state()
            _expect(self._session, self._called)
        return self._session

    async def _agree(self, session: SSL.Connection) -> None:
        while True:
            try:
                await trio.to_thread.run_sync(session.do_handshake, limiter=_limiter())
            except SSL.WantReadError:
                await trio.lowlevel.wait_readable(session.fileno())
            except SSL.WantWriteError:
                await trio.lowlevel.wait_writable(session.fileno())
            else:
                return

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Set an option of the socket, after `handshake`."""
        if self._socket is not None:
            self._socket.setsockopt(level, option, value)

    def records(self) -> Records:
        """What the link receives and sends through. Once, after the handshake."""
        if self._session is None or self._socket is None:
            raise ValueError("there was no handshake")
        return Records(_OPENSSL, _address(self._session._ssl), self._socket.fileno())  # noqa: SLF001

    def interrupt(self) -> None:
        """End the stream of incoming bytes."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the peer was faster
                self._socket.shutdown(stdlib_socket.SHUT_RD)

    def close(self) -> None:
        """Say close_notify (RFC 8446 6.1), without waiting for the peer's, and close the socket."""
        if self._socket is None:
            self._trio_socket.close()
            return
        trio.lowlevel.notify_closing(self._socket)
        try:
            if self._session is not None:
                with contextlib.suppress(SSL.Error):
                    self._session.shutdown()
        finally:
            self._socket.close()


def _limiter() -> trio.CapacityLimiter:
    """That of this event loop: a program may run several, in threads."""
    try:
        return _HANDSHAKES.get()
    except LookupError:
        _HANDSHAKES.set(limiter := trio.CapacityLimiter(_MOST_HANDSHAKES))
        return limiter


def _expect(session: SSL.Connection, called: str) -> None:
    """Have the peer's certificate be for what we called (RFC 9525), which pyOpenSSL has no call for."""
    parameters = _LIB.SSL_get0_param(session._ssl)  # noqa: SLF001 - there is no other way to it
    try:
        packed = ipaddress.ip_address(called).packed
    except ValueError:
        name = called.encode("idna")
        session.set_tlsext_host_name(name)
        _LIB.X509_VERIFY_PARAM_set1_host(parameters, name, len(name))
    else:
        _LIB.X509_VERIFY_PARAM_set1_ip(parameters, packed, len(packed))


def _reason(failure: SSL.Error) -> str:
    """OpenSSL's own words for what went wrong last."""
    errors = failure.args[0] if failure.args else ()
    return next((words for _, _, words in errors if words), "no reason given")
