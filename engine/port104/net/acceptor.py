"""Listens for associations: accepts connections, serves each in a task of its own, and drains at the end.

One bad connection ends by itself: nothing that a peer does reaches the accept loop or another session.
"""

import errno
import math
import socket as stdlib_socket
from collections.abc import Callable, Collection, Sequence
from typing import Generic

import structlog
import trio

from port104.net.connection import Connection
from port104.net.contracts import Admit, IntakeT, Limits, Sink, Witness
from port104.net.credentials import Credentials
from port104.net.crowd import Crowd
from port104.net.gate import Gate
from port104.net.proxy_protocol import NoProxyHeaderError, ProxyHeaderError
from port104.net.relay import origin_of
from port104.net.session import Session
from port104.net.tls import SecureSocket
from port104.net.trace import PDUTrace
from port104.wire.association import AssociationLimits
from port104.wire.faults import PROXY_HEADER

log = structlog.get_logger("port104.acceptor")

# Connections that wait to be accepted: a hospital that is switched on at once. The system of a peer that
# finds no room tries again, but a second later. The kernel takes net.core.somaxconn at most.
_BACKLOG = 4096
# Errors of accept that pass when other connections end (accept(2)).
_CAPACITY_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_CAPACITY_PAUSE_SECONDS = 0.1
_GIVE_WAY_PAUSE_SECONDS = 0.005  # until the connection that was given up is closed
_WARNING_INTERVAL_SECONDS = 60.0
# Of the shutdown deadline: after it an association is ended once it stands between two messages, so that a
# peer that never releases need not send again what was half sent; how often is looked for such a moment.
_UNDISTURBED = 2 / 3
_LOOK_SECONDS = 0.01
_SHUTTING_DOWN = "the service is shutting down"


class Acceptor(Generic[IntakeT]):
    """The listening side of the service. `listen`, then `serve`; `drain` ends it."""

    def __init__(
        self,
        *,
        admit: Admit,
        sink: Sink[IntakeT],
        association_limits: AssociationLimits,
        limits: Limits,
        trace_pdus: bool = False,
        witnesses: Sequence[Witness] = (),
        is_proxy: Callable[[str], bool] | None = None,
    ) -> None:
        """`is_proxy` tells of an IP address whether its connections begin with a PROXY header."""
        self._admit = admit
        self._sink = sink
        self._association_limits = association_limits
        self._limits = limits
        self._trace_pdus = trace_pdus
        self._witnesses = witnesses
        self._is_proxy = is_proxy or (lambda _: False)
        self._gate: Gate[Session[IntakeT]] = Gate(limits)
        self._crowd: Crowd[Session[IntakeT]] = Crowd(
            limit=limits.connections, per_address=limits.connections_per_address
        )
        self._warned: dict[str, float] = {}  # of what, and when
        self._listeners: list[tuple[trio.SocketListener, Credentials | None]] = []
        self._accepting = trio.CancelScope()
        self._sessions: set[Session[IntakeT]] = set()
        self._idle = trio.Event()

    def follow(
        self,
        *,
        association_limits: AssociationLimits,
        limits: Limits,
        trace_pdus: bool,
        is_proxy: Callable[[str], bool],
    ) -> None:
        """Serve connections that come from now on by these; those that are there go on by theirs.

        Numbers of connections and associations stay as they were, and `idle_grace`, by which one gives way to
        another: they hold between all, who came before and who came after.
        """
        self._association_limits = association_limits
        self._limits = limits
        self._trace_pdus = trace_pdus
        self._is_proxy = is_proxy

    @property
    def associations(self) -> int:
        """How many associations are established now."""
        return self._gate.associations

    async def listen(
        self, host: str | None, port: int, credentials: Credentials | None = None
    ) -> list[tuple[str, int]]:
        """Bind `port` on `host` (None: every IPv4 and IPv6 address); 0 takes any free port.

        With `credentials` connections there speak TLS. May be called for several ports. Returns the bound
        addresses. Raises OSError as bind does.
        """
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=_BACKLOG)
        self._listeners += [(listener, credentials) for listener in listeners]
        return [listener.socket.getsockname()[:2] for listener in listeners]

    async def serve(self) -> None:
        """Accept and serve until `drain` has ended every session."""
        async with trio.open_nursery() as nursery:
            try:
                with self._accepting:
                    async with trio.open_nursery() as accepting:
                        for listener, credentials in self._listeners:
                            accepting.start_soon(self._accept, listener, credentials, accepting, nursery)
            finally:
                for listener, _ in self._listeners:
                    listener.socket.close()

    async def drain(self) -> None:
        """Stop accepting, let associations finish until the shutdown deadline, then abort the rest.

        Those that go on towards the deadline are ended between two messages, where there is such a moment.
        """
        self._gate.close()
        self._accepting.cancel()
        with trio.move_on_after(self._limits.shutdown_deadline):
            await self._wind_down(self._sessions, _SHUTTING_DOWN)
        self.abort(_SHUTTING_DOWN)

    async def wind_down(self, detail: str) -> None:
        """Let the associations that are there finish; later end them between two messages, as `drain` does.

        Others may come meanwhile. None is broken off.
        """
        await self._wind_down(frozenset(self._sessions), detail)

    async def _wind_down(self, sessions: Collection[Session[IntakeT]], detail: str) -> None:
        with trio.move_on_after(_UNDISTURBED * self._limits.shutdown_deadline):
            await self._until_all_ended()
        while left := [each for each in sessions if each in self._sessions]:
            for session in left:
                if session.is_between_messages:
                    session.abort(detail)
            with trio.move_on_after(_LOOK_SECONDS):
                await self._until_all_ended()

    async def _until_all_ended(self) -> None:
        while self._sessions:
            self._idle = trio.Event()
            await self._idle.wait()

    def abort(self, detail: str) -> None:
        """Abort every association that is still there."""
        self._gate.close()
        self._accepting.cancel()
        for session in tuple(self._sessions):
            session.abort(detail)

    async def _accept(
        self,
        listener: trio.SocketListener,
        credentials: Credentials | None,
        accepting: trio.Nursery,
        nursery: trio.Nursery,
    ) -> None:
        """Accept on; `accepting` is cancelled with the accept loop, `nursery` lets its tasks finish."""
        while True:
            try:
                socket, address = await listener.socket.accept()
            except OSError as failure:
                if failure.errno in _CAPACITY_ERRORS:
                    await self._make_room(failure)
                continue  # else: the peer was gone before it was accepted
            if self._is_proxy(address[0]):
                accepting.start_soon(self._serve_relayed, socket, address[0], credentials, nursery)
            else:
                nursery.start_soon(self._serve_connection, socket, address[0], credentials, nursery)

    async def _serve_relayed(
        self,
        socket: trio.socket.SocketType,
        proxy: str,
        credentials: Credentials | None,
        nursery: trio.Nursery,
    ) -> None:
        """Serve a connection that a proxy passes on, once it has said for whom."""
        try:
            origin = await origin_of(socket, within=self._association_limits.artim)
        except (NoProxyHeaderError, OSError) as failure:
            socket.close()
            # Load balancers look at a port by opening and closing a connection.
            log.debug("no PROXY header", address=proxy, reason=str(failure))
        except ProxyHeaderError as fault:
            socket.close()
            log.warning(
                "PROXY header refused",
                address=proxy,
                reason=str(fault),
                hint="have it send the PROXY protocol, or take it out of dicom.scp.proxyProtocol",
            )
        except BaseException:
            socket.close()
            raise
        else:
            nursery.start_soon(self._serve_connection, socket, origin or proxy, credentials, nursery)

    async def _serve_connection(
        self,
        socket: trio.socket.SocketType,
        address: str,
        credentials: Credentials | None,
        nursery: trio.Nursery,
    ) -> None:
        session: Session[IntakeT] | None = None
        try:
            with socket:
                # Responses are small and waited for: never hold one back (RFC 896).
                socket.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
                session = self._session(socket, address, credentials, nursery)
                self._sessions.add(session)
                self._close_for_another(self._crowd.arrive(session, address))
                await session.run()
                if session.why_over == PROXY_HEADER:
                    self._warn_of_proxy(address)
        except Exception:
            # A fault of ours on one association must not end the others.
            log.exception("association ended by a fault in port104", address=address)
        finally:
            if session is not None:
                self._sessions.discard(session)
                self._gate.leave(session)
                self._crowd.leave(session)
            if not self._sessions:
                self._idle.set()

    def _warn_of_proxy(self, address: str) -> None:
        self._warn(
            "PROXY header refused",
            address=address,
            reason="it came from an address that is not listed",
            hint="if that is your load balancer, name it in dicom.scp.proxyProtocol.from",
        )

    async def _make_room(self, failure: OSError) -> None:
        self._warn(
            "cannot accept a connection",
            reason=failure.strerror,
            hint="raise the limit on open files (LimitNOFILE, ulimit -n)",
        )
        gives_way = self._crowd.give_way()
        self._close_for_another(gives_way)
        await trio.sleep(_GIVE_WAY_PAUSE_SECONDS if gives_way else _CAPACITY_PAUSE_SECONDS)

    def _close_for_another(self, session: Session[IntakeT] | None) -> None:
        """End a connection that has waited longest without an association, to make room."""
        if session is not None:
            session.abort("it had no association, and there were too many connections")
            self._warn(
                "connections without an association are closed to make room for others",
                hint="see dicom.scp.maximumNumberOfConnections and maximumNumberOfConnectionsPerAddress",
            )

    def _warn(self, event: str, **facts: str | None) -> None:
        """Say so, but once a minute: a flood of connections must not become one of lines."""
        now = trio.current_time()
        if now - self._warned.get(event, -math.inf) >= _WARNING_INTERVAL_SECONDS:
            self._warned[event] = now
            log.warning(event, **facts)

    def _session(
        self,
        socket: trio.socket.SocketType,
        address: str,
        credentials: Credentials | None,
        nursery: trio.Nursery,
    ) -> Session[IntakeT]:
        tap = PDUTrace(address) if self._trace_pdus else None
        secure = SecureSocket(socket, credentials.context) if credentials else None
        return Session(
            Connection(socket, secure=secure, tap=tap),
            address,
            admit=self._admit,
            gate=self._gate,
            crowd=self._crowd,
            sink=self._sink,
            association_limits=self._association_limits,
            limits=self._limits,
            nursery=nursery,
            witnesses=self._witnesses,
        )
