"""The TLS port: from settings to credentials, and these kept as fresh as their files."""

import time
from functools import partial
from pathlib import Path

import trio
from OpenSSL import SSL

from port104.errors import ConfigurationError
from port104.net.credentials import Credentials, TLSFiles
from port104.service.settings.tls import TlsSettings

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


class HangUp:
    """Tells who waits that SIGHUP came."""

    def __init__(self) -> None:
        self.times = 0
        """How often it came."""
        self._rung = trio.Event()

    def ring(self) -> None:
        """Tell."""
        self.times += 1
        self._rung.set()
        self._rung = trio.Event()

    async def wait(self, heard: int) -> None:
        """Wait until it came more than `heard` times: who was busy meanwhile misses none."""
        while self.times == heard:
            await self._rung.wait()


def credentials_from(tls: TlsSettings, now: float) -> Credentials | None:
    """Read what the TLS port is secured with; None where it is not turned on.

    Raises ConfigurationError, which names the file that cannot be used and why.
    """
    if not tls.enabled or tls.certificate is None:
        return None
    files = TLSFiles(
        certificate=Path(tls.certificate),
        key=_path(tls.key),
        password=_path(tls.password_file),
        authorities=_path(tls.client_certificate_authorities),
        require_certificate=tls.require_client_certificate is not False,
        minimum_version=_VERSIONS[tls.minimum_version],
    )
    try:
        return Credentials(files, now)
    except ConfigurationError as fault:
        raise ConfigurationError(f"dicom.scp.tls: {fault}") from fault


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


async def keep_fresh(credentials: Credentials, interval: float, hang_up: HangUp) -> None:
    """Read the files again when SIGHUP comes, and each `interval` seconds (0: never) where they changed."""
    heard = 0
    while True:
        with trio.move_on_after(interval or float("inf")):
            await hang_up.wait(heard)
        force, heard = hang_up.times != heard, hang_up.times
        await trio.to_thread.run_sync(partial(credentials.reload, time.time(), force=force))
