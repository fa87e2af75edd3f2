"""Calls to destinations, as the settings have it: delivery of results, and queries."""

import random
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

from OpenSSL import SSL

from port104.dispatch.committing import Committer, HeardReport
from port104.dispatch.counting import DimseCounter
from port104.dispatch.desk import Desk
from port104.dispatch.node import is_folder_of
from port104.dispatch.reporting import DimseReporter
from port104.export.calling import Caller
from port104.export.committing import Asker
from port104.export.dimse import DimseCaller
from port104.export.exporting import Exporter
from port104.export.policy import ExportPolicy
from port104.export.stow import WebCaller
from port104.jobs.committing import CommitmentPolicy
from port104.net.credentials import TLSFiles, build_calling_context
from port104.net.https import build_https_context
from port104.registry.registry import Registry
from port104.service.settings.scu import CallingTlsSettings, ScuSettings

_HOUR = 3600.0


def exporter_of(scu: ScuSettings, desk: Desk, node: str, registry: Callable[[], Registry]) -> Exporter:
    """Put together what delivers results. `node`: the storage folder's name."""
    return Exporter(
        desk,
        node,
        is_folder_of,
        lambda: registry().destinations,
        caller_of(scu).open,
        policy_of(scu),
        random.random,
    )


def caller_of(scu: ScuSettings) -> Caller:
    """Put together what calls destinations."""
    return Caller(
        DimseCaller(calling_ae_title=scu.ae_title, tls=partial(_tls_of, scu.tls)),
        WebCaller(tls=partial(_https_of, scu.tls)),
    )


def asker_of(
    scu: ScuSettings, desk: Desk, registry: Callable[[], Registry], resend: Callable[[], None]
) -> Asker:
    """Put together what asks destinations what they hold. `resend`: as Asker says."""
    ask = caller_of(scu).by_c_store.ask
    return Asker(desk, lambda: registry().destinations, ask, policy_of(scu), random.random, resend)


def counter_of(scu: ScuSettings) -> DimseCounter:
    """Put together what asks archives, which are called as destinations are."""
    return DimseCounter(calling_ae_title=scu.ae_title, tls=partial(_tls_of, scu.tls))


def committer_of(
    scu: ScuSettings, desk: Desk, root: Path, registry: Callable[[], Registry], heard: HeardReport
) -> Committer:
    """Put together what answers for storage commitment. `root`: the storage folder; `heard` takes reports."""
    reporter = DimseReporter(tls=partial(_tls_of, scu.tls))
    return Committer(
        desk, root, lambda: registry().destinations, reporter.report, CommitmentPolicy(), random.random, heard
    )


def policy_of(scu: ScuSettings) -> ExportPolicy:
    """How results are delivered."""
    export = scu.export
    return ExportPolicy(
        attempts=1 + export.maximum_retries,
        first_delay=export.retry_delay,
        patience=export.give_up_after_hours * _HOUR,
        failure_threshold=export.failure_threshold,
        commitment_timeout=export.commitment_timeout,
        associations=scu.maximum_number_of_associations,
    )


def _tls_of(settings: CallingTlsSettings) -> SSL.Context:
    """Read the files, which may have been renewed. Raises ConfigurationError."""
    return build_calling_context(authorities=_path(settings.certificate_authorities), own=_own_of(settings))


def _https_of(settings: CallingTlsSettings) -> ssl.SSLContext:
    """The same for web servers. Raises ConfigurationError."""
    return build_https_context(authorities=_path(settings.certificate_authorities), own=_own_of(settings))


def _own_of(settings: CallingTlsSettings) -> TLSFiles | None:
    if settings.certificate is None:
        return None
    return TLSFiles(
        certificate=Path(settings.certificate),
        key=_path(settings.key),
        password=_path(settings.password_file),
    )


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)
