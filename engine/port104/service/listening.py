"""The ports that are called over DICOM: from settings to an acceptor, and to the addresses that it has."""

from collections.abc import Sequence

import structlog

from port104.errors import ConfigurationError
from port104.native import Intake
from port104.net.acceptor import Acceptor
from port104.net.contracts import Witness
from port104.net.credentials import Credentials
from port104.service.admission import Admission
from port104.service.limits import association_limits_of, limits_of
from port104.service.running import proxies_of
from port104.service.settings.scp import ScpSettings
from port104.storage.store import InstanceStore

log = structlog.get_logger("port104.service")


def acceptor_of(
    scp: ScpSettings,
    admission: Admission,
    store: InstanceStore,
    witnesses: Sequence[Witness],
    connections: int,
) -> Acceptor[Intake]:
    """Put together what accepts associations. `connections`: how many there is room for."""
    return Acceptor(
        admit=admission,
        is_proxy=proxies_of(scp),
        sink=store,
        association_limits=association_limits_of(scp),
        limits=limits_of(scp, connections),
        trace_pdus=scp.log_data_pdus,
        witnesses=witnesses,
    )


async def listen(
    acceptor: Acceptor[Intake], scp: ScpSettings, credentials: Credentials | None
) -> list[tuple[str, int]]:
    """Listen on the plain port, the TLS port, or both; returns the bound addresses, plain ones first.

    Raises ConfigurationError, which names the setting, when one cannot be bound.
    """
    addresses: list[tuple[str, int]] = []
    if scp.port is not None:
        addresses += await _listen_on(acceptor, scp, scp.port, "dicom.scp.port")
    if credentials is not None:
        addresses += await _listen_on(acceptor, scp, scp.tls.port, "dicom.scp.tls.port", credentials)
    return addresses


async def _listen_on(
    acceptor: Acceptor[Intake],
    scp: ScpSettings,
    port: int,
    setting: str,
    credentials: Credentials | None = None,
) -> list[tuple[str, int]]:
    try:
        addresses = await acceptor.listen(scp.host, port, credentials)
    except OSError as failure:
        raise ConfigurationError(
            f"cannot listen on port {port} of {scp.host or 'all addresses'}:"
            f" {failure.strerror or failure}; choose another {setting} or dicom.scp.host, stop"
            " what uses it, or grant CAP_NET_BIND_SERVICE for a port below 1024"
        ) from failure
    for address, bound in addresses:
        log.info("listening", address=address, port=bound, tls=credentials is not None)
    return addresses
