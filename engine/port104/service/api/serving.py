"""The API of a running service: put together, listened for, and never in the way of DICOM."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog
import trio

from port104.dispatch.draining import Drain
from port104.dispatch.filing import Filing
from port104.dispatch.lookout import Exports, Lookout, Runs
from port104.errors import ConfigurationError
from port104.registry.addresses import is_loopback
from port104.service.api.access import Access
from port104.service.api.application import application
from port104.service.api.control import bind_control_socket, remove_control_socket
from port104.service.api.documentation import documentation_resources
from port104.service.api.drain import drain_resources
from port104.service.api.echo import Verify, echo_resources
from port104.service.api.entries import entry_resources
from port104.service.api.exports import export_resources
from port104.service.api.gatekeeper import Gatekeeper
from port104.service.api.health import Health, health_resources
from port104.service.api.https import HTTPSCredentials, https_from
from port104.service.api.jobs import job_resources
from port104.service.api.metrics import metric_resources
from port104.service.api.received import received_resources
from port104.service.api.records import association_resources
from port104.service.api.results import result_resources
from port104.service.api.server import BACKLOG, Server, peer_by_address, peer_by_user
from port104.service.api.tokens import token_resources
from port104.service.associations import AssociationLog
from port104.service.control_socket import FILE_NAME
from port104.service.reception import Reception
from port104.service.registrar import Registrar
from port104.service.registration import KINDS
from port104.service.secure import HangUp, keep_fresh
from port104.service.settings.api import ApiSettings

log = structlog.get_logger("port104.api")

# How soon a port that another program uses is tried again.
_RETRY_SECONDS = 10.0


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answers from, and acts on. `has_room`: whether there is room for what somebody brings.

    `verify`: asks a destination by C-ECHO. `events`: None: there is no message broker.
    """

    registrar: Registrar
    associations: AssociationLog
    health: Health
    lookout: Lookout
    runs: Runs
    exports: Exports
    filing: Filing
    has_room: Callable[[], bool]
    verify: Verify
    reception: Reception
    drain: Drain


def gatekeeper_of(settings: ApiSettings, behind: Behind) -> Gatekeeper:
    """Put together what answers requests."""
    registrar = behind.registrar
    resources = [each for kind in KINDS for each in entry_resources(kind, registrar)]
    resources += echo_resources(registrar, behind.verify)
    resources += token_resources(registrar)
    resources += association_resources(behind.associations)
    resources += received_resources(behind.lookout)
    resources += job_resources(behind.lookout, behind.runs)
    resources += result_resources(behind.lookout, behind.filing, lambda: registrar.registry, behind.has_room)
    resources += export_resources(behind.lookout, behind.exports)
    resources += drain_resources(behind.drain, behind.health.associations)
    resources += health_resources(behind.health)
    resources += metric_resources(behind.health, behind.reception, behind.lookout)
    if settings.documentation:
        resources += documentation_resources()
    access = Access(
        any_token=lambda: bool(registrar.tokens()),
        token_of=registrar.token_of,
        anyone=settings.allow_without_token,
    )
    return Gatekeeper(application(resources), access)


class API:
    """The API. Run `serve` as long as the service runs."""

    def __init__(self, settings: ApiSettings, behind: Behind) -> None:
        """Raises ConfigurationError: its certificate cannot be used, or it would be open to everyone."""
        self._settings = settings
        self._registrar = behind.registrar
        self._credentials: HTTPSCredentials | None = (
            None if settings.port is None else https_from(settings.tls)
        )
        self._server = Server(gatekeeper_of(settings, behind))
        self._refuse_to_be_open()

    def _refuse_to_be_open(self) -> None:
        settings = self._settings
        is_kept_here = settings.host is not None and is_loopback(settings.host)
        if settings.port is None or is_kept_here or self._credentials or self._registrar.tokens():
            return
        where = settings.host or "all addresses"
        if not settings.allow_without_token:
            raise ConfigurationError(
                f"the API would listen on port {settings.port} of {where} with neither token nor TLS: make a"
                " token (port104 token create), name a certificate (api.tls.certificate), keep it to this"
                " machine (api.host 127.0.0.1), or turn it off (api.port null); api.allowWithoutToken lets"
                " everyone who reaches it change everything"
            )
        log.warning(
            "everyone who reaches the API may change everything",
            address=where,
            port=settings.port,
            hint="port104 token create makes a token, from which on one is needed",
        )

    async def serve(
        self, folder: Path, hang_up: HangUp, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled, on the port and on the control socket in `folder`.

        Started once it listens, or has said why it does not.
        """
        try:
            async with _listening_for_commands(folder) as control, trio.open_nursery() as nursery:
                if control is not None:
                    nursery.start_soon(self._server.accept, control, peer_by_user)
                if self._credentials is not None:
                    interval = self._settings.tls.reload_interval
                    nursery.start_soon(keep_fresh, self._credentials, interval, hang_up)
                if self._settings.port is not None:
                    await nursery.start(self._serve_port, self._settings.host, self._settings.port)
                task_status.started()
                await trio.sleep_forever()
        except Exception:
            log.exception("the API was ended by a fault in port104; DICOM goes on")

    async def _serve_port(
        self, host: str | None, port: int, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen, again and again where another program has the port; DICOM does not wait for it."""
        listeners: list[trio.SocketListener] = []
        said = False
        while not listeners:
            try:
                listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
            except OSError as failure:
                if not said:
                    _report_unbound(host, port, failure)
                    task_status.started()
                said = True
                await trio.sleep(_RETRY_SECONDS)
        try:
            async with trio.open_nursery() as nursery:
                for listener in listeners:
                    address, bound = listener.socket.getsockname()[:2]
                    log.info("API listening", address=address, port=bound, tls=self._credentials is not None)
                    nursery.start_soon(self._server.accept, listener, peer_by_address, self._credentials)
                if not said:
                    task_status.started()
        finally:
            for listener in listeners:
                listener.socket.close()


def _report_unbound(host: str | None, port: int, failure: OSError) -> None:
    log.error(
        "the API cannot listen; DICOM goes on, and it is tried again",
        address=host or "all addresses",
        port=port,
        reason=failure.strerror or str(failure),
        hint="choose another api.port or api.host, or stop what uses it; api.port null turns it off",
    )


@asynccontextmanager
async def _listening_for_commands(folder: Path) -> AsyncIterator[trio.SocketListener | None]:
    """Have the control socket while the block runs; None, and said why, where that cannot be."""
    try:
        bound = await trio.to_thread.run_sync(bind_control_socket, folder)
    except OSError as failure:
        log.warning(
            "no control socket can be made: commands need --url to reach this port104",
            file=str(folder / FILE_NAME),
            reason=failure.strerror or str(failure),
        )
        yield None
        return
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(bound))
    try:
        yield listener
    finally:
        with trio.CancelScope(shield=True):
            await listener.aclose()
            await trio.to_thread.run_sync(remove_control_socket, folder)
