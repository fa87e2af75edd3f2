"""The configuration, read again while port104 runs: on SIGHUP, and when its file has changed.

Rules that this room keeps:
- what is read is taken as a whole or not at all: with one fault in it all stays as it was;
- associations that run go on by what held when they came; the next ones are judged by what holds then;
- what can change only with a restart stays as it was, and is named.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import structlog
import trio

from port104.errors import ConfigurationError
from port104.service import schema
from port104.service.configuration import (
    Configuration,
    FaultyConfigurationError,
    by_reason,
    load,
)
from port104.service.secure import HangUp
from port104.service.settings.tree import Settings

log = structlog.get_logger("port104.service")

# Between looks at the file. Two must agree, so that half a file is not read: editors write in milliseconds.
LOOK_SECONDS = 2.0

# Settings, and sections as a whole. A test fails where one is in neither table.
RELOADED = (
    "dicom.scp.aeTitles",
    "dicom.scp.artimTimeout",
    "dicom.scp.byteRateGrace",
    "dicom.scp.idleTimeout",
    "dicom.scp.logDataPDUs",
    "dicom.scp.logDimseDatasets",
    "dicom.scp.maximumObjectSize",
    "dicom.scp.messageTimeout",
    "dicom.scp.minimumByteRate",
    "dicom.scp.operationsWindow",
    "dicom.scp.proxyProtocol",
    "dicom.scp.rejectUnknownSources",
    "dicom.scp.requestTimeout",
    "dicom.scp.sendTimeout",
    "dicom.scp.shutdownDeadline",
    "dicom.scp.sources",
    "dicom.scp.storageCommitment",
    "dicom.scp.tls.handshakeTimeout",
    "dicom.scp.userIdentity",
    "dicom.scp.verification",
    "dicom.scu.destinations",
    "log.level",
    "pipelines",
    "storage.reserveSpaceGB",
    "storage.watermarkPercent",
)
"""Holds for the next connection, association or instance."""
WAITING = (
    "api",  # it is listened for at the start
    "audit",  # who shortens or moves the trail shall be seen doing it
    # They count those who came before together with those who come after; the limit on open files is theirs.
    "dicom.scp.idleGrace",
    "dicom.scp.maximumNumberOfAssociations",
    "dicom.scp.maximumNumberOfAssociationsPerAddress",
    "dicom.scp.maximumNumberOfAssociationsPerCallingAeTitle",
    "dicom.scp.maximumNumberOfConnections",
    "dicom.scp.maximumNumberOfConnectionsPerAddress",
    # Stated to a peer when it is admitted, and kept to since it was connected: both must be the same.
    "dicom.scp.maximumLengthReceived",
    # Sockets, files and threads are opened at the start.
    "dicom.scp.host",
    "dicom.scp.port",
    "dicom.scp.tls.certificate",
    "dicom.scp.tls.clientCertificateAuthorities",
    "dicom.scp.tls.enabled",
    "dicom.scp.tls.key",
    "dicom.scp.tls.minimumVersion",
    "dicom.scp.tls.passwordFile",
    "dicom.scp.tls.port",
    "dicom.scp.tls.reloadInterval",
    "dicom.scp.tls.requireClientCertificate",
    # What waits goes on by what held when it came.
    "dicom.scu.aeTitle",
    "dicom.scu.export",
    "dicom.scu.maximumNumberOfAssociations",
    "dicom.scu.tls",
    "events",
    "jobs",
    "log.file",
    "log.format",
    "log.maximumFileSize",
    "log.retainedFiles",
    "objectStore",
    "readAeTitlesFromCrd",
    "registry",
    "storage.durability",
    "storage.ioThreads",
    "storage.journalMegabytes",
    "storage.temporary",
)
"""Holds from the next start on."""

SectionT = TypeVar("SectionT", bound=msgspec.Struct)


class Follower(Protocol):
    """Works by the settings; running.Running is one."""

    async def follow(
        self, before: Settings, settings: Settings, origins: Mapping[str, str], *, files_too: bool
    ) -> None:
        """Work by `settings` instead of `before`. Raises ConfigurationError where nothing has changed."""
        ...


class Difference(msgspec.Struct, frozen=True):
    """What comes of settings that are read while others hold."""

    settings: Settings
    """By which to work from now on."""
    changed: tuple[str, ...]
    """What is new in them."""
    waiting: tuple[str, ...]
    """What stays as it was until the next start."""


def difference(running: Settings, read: Settings) -> Difference:
    """Take over what can change while port104 runs."""
    changed: list[str] = []
    waiting: list[str] = []
    settings = _taken_over(running, read, "", changed, waiting)
    return Difference(settings, tuple(changed), tuple(waiting))


def _taken_over(
    running: SectionT, read: SectionT, prefix: str, changed: list[str], waiting: list[str]
) -> SectionT:
    taken: dict[str, Any] = {}
    for key in schema.keys(type(running)):
        before, after = getattr(running, key.attribute), getattr(read, key.attribute)
        path = prefix + key.name
        if before == after:
            continue
        if key.section is not None:
            taken[key.attribute] = _taken_over(before, after, f"{path}.", changed, waiting)
        elif is_in(path, WAITING):
            waiting.append(path)
            taken[key.attribute] = before
        else:
            changed.append(path)
    return msgspec.structs.replace(read, **taken)


def is_in(path: str, table: tuple[str, ...]) -> bool:
    """Whether a table has a setting: itself, or the section that it is in."""
    return any(path == each or path.startswith(f"{each}.") for each in table)


FileState = tuple[int, int, int] | None
"""What changes with a file; None: it is not there."""


class Looks:
    """Decides from looks at a file whether it has changed. `state`: that it was read in."""

    def __init__(self, state: FileState) -> None:
        self._read = self._seen = state

    def look(self, state: FileState) -> bool:
        """Whether it is another file than was read, and whole: it was the same at the look before."""
        settled = state == self._seen != self._read
        self._seen = state
        if settled:
            self._read = state
        return settled


class Sources:
    """What a configuration is made of, for who reads it again (configuration.load). Blocks on the disk."""

    def __init__(
        self, file: Path | None, environ: Mapping[str, str], flags: Mapping[str, tuple[str, str]]
    ) -> None:
        self._file = file
        self._environ = environ
        self._flags = flags
        self._looks = Looks(None)

    def load(self) -> Configuration:
        """Read all of them. Raises ConfigurationError."""
        self._looks = Looks(_state_of(self._file))
        return load(self._file, self._environ, self._flags)

    def look(self) -> bool:
        """Whether the file has changed since it was read, and is whole."""
        return self._looks.look(_state_of(self._file))


class Reloader:
    """Reads the configuration again, and has the service follow it."""

    def __init__(self, settings: Settings, sources: Sources, follower: Follower) -> None:
        """`settings`: that `sources` gave, and that the service works by."""
        self._settings = settings
        self._sources = sources
        self._follower = follower

    async def run(self, hang_up: HangUp) -> None:
        """Read again on SIGHUP and when the file has changed; until cancelled."""
        heard = 0
        while True:
            with trio.move_on_after(LOOK_SECONDS):
                await hang_up.wait(heard)
            if hang_up.times != heard:
                heard = hang_up.times
                await self._reload(files_too=True)
            elif await trio.to_thread.run_sync(self._sources.look, abandon_on_cancel=True):
                await self._reload(files_too=False)

    async def _reload(self, *, files_too: bool) -> None:
        try:
            configuration = await trio.to_thread.run_sync(self._sources.load, abandon_on_cancel=True)
            found = difference(self._settings, configuration.settings)
            await self._follower.follow(
                self._settings, found.settings, configuration.origins, files_too=files_too
            )
        except ConfigurationError as fault:
            _report_faults(fault)
            return
        except Exception:
            # A fault of ours in here must not end what receives.
            log.exception("the configuration could not be read again")
            return
        self._settings = found.settings
        log.info("configuration read again", changed=found.changed)
        report(configuration)
        if found.waiting:
            hint = "restart port104 to have them hold"
            log.warning("settings that differ hold from the next start on", settings=found.waiting, hint=hint)


def report(configuration: Configuration) -> None:
    """Log what will surprise, and which settings have no effect."""
    for warning in configuration.warnings:
        log.warning(warning)
    if configuration.unused:
        log.warning("settings without effect", settings=by_reason(configuration.unused))


def _report_faults(fault: ConfigurationError) -> None:
    faults = fault.faults if isinstance(fault, FaultyConfigurationError) else (fault,)
    log.error(
        "the configuration is faulty: all stays as it was",
        faults=[str(each) for each in faults],
        hint="mend it; port104 config check FILE says whether it is right",
    )


def _state_of(file: Path | None) -> FileState:
    if file is None:
        return None
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
