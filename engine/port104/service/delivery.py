"""Calls to destinations, as the settings have it: delivery of results, and queries."""

import random
import ssl
from functools import partial
from pathlib import Path

import msgspec
import trio
from OpenSSL import SSL

from port104.dispatch.committing import Committer
from port104.dispatch.counting import DimseCounter
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
from port104.service.settings.scu import CallingTlsSettings, ScuSettings
from port104.service.site import Site

_HOUR = 3600.0


class Delivery(msgspec.Struct, frozen=True):
    """What speaks with destinations. `exporter`: delivers results; `asker`: asks whether they are held there.

    `committer`: answers for storage commitment.
    """

    exporter: Exporter
    asker: Asker
    committer: Committer

    async def run(self) -> None:
        """Speak with them until cancelled."""
        async with trio.open_nursery() as nursery:
            for each in (self.exporter, self.asker, self.committer):
                nursery.start_soon(each.run)


def delivery_of(scu: ScuSettings, site: Site) -> Delivery:
    """Put it together."""
    caller, policy, desk = caller_of(scu), policy_of(scu), site.desk
    exporter = Exporter(desk, site.node, is_folder_of, site.destinations, caller.open, policy, random.random)
    asker = Asker(desk, site.destinations, caller.by_c_store.ask, policy, random.random, exporter.look)
    committer = Committer(
        desk,
        site.root,
        site.destinations,
        DimseReporter(tls=partial(_tls_of, scu.tls)).report,
        CommitmentPolicy(),
        random.random,
        asker.reported,
    )
    return Delivery(exporter, asker, committer)


def caller_of(scu: ScuSettings) -> Caller:
    """Put together what calls destinations."""
    return Caller(
        DimseCaller(calling_ae_title=scu.ae_title, tls=partial(_tls_of, scu.tls)),
        WebCaller(tls=partial(_https_of, scu.tls)),
    )


def counter_of(scu: ScuSettings) -> DimseCounter:
    """Put together what asks archives, which are called as destinations are."""
    return DimseCounter(calling_ae_title=scu.ae_title, tls=partial(_tls_of, scu.tls))


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
