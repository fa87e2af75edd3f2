"""Puts the audit trail together from its settings, and ends it so that nothing is lost that can be kept."""

import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from port104.errors import ConfigurationError
from port104.service.audit.collectors import TLSCollector, UDPCollector
from port104.service.audit.delivery import Delivery, Sink
from port104.service.audit.file import AuditFile
from port104.service.audit.messages import AuditSource, Outcome
from port104.service.audit.syslog import Origin
from port104.service.audit.trail import AuditTrail
from port104.service.settings.audit import AuditSettings, AuditSyslogSettings

# At the end: how long a collector that does not answer may hold up the stop.
_FLUSH_SECONDS = 5.0
_TLS_PORT = 6514  # RFC 5425 4.1
_UDP_PORT = 514  # RFC 5426 3.3


@asynccontextmanager
async def recording(settings: AuditSettings, ae_titles: Sequence[str]) -> AsyncIterator[AuditTrail | None]:
    """Keep an audit trail while the block runs; None where none is asked for.

    What the trail was told before the block's end is delivered, or logged as lost. Raises ConfigurationError
    when the file or a certificate cannot be used.
    """
    sinks = tuple(_sinks(settings))
    if not sinks:
        yield None
        return
    host, process = socket.gethostname(), str(os.getpid())
    source = AuditSource(settings.source_id or host, settings.site_id, process, tuple(ae_titles))
    trail = AuditTrail(source, Origin(host, process))
    deliveries = [Delivery(sink, trail.messages_lost) for sink in sinks]
    trail.deliver_to(deliveries)
    outcome = Outcome.MAJOR_FAILURE
    async with trio.open_nursery() as delivering:
        for delivery in deliveries:
            delivering.start_soon(delivery.run)
        try:
            async with trio.open_nursery() as writing:
                writing.start_soon(trail.run)
                yield trail
                trail.finish()
            outcome = Outcome.SUCCESS
        finally:
            trail.stopped(outcome)
            with trio.CancelScope(shield=True):
                await _flush(deliveries)
                for sink in sinks:
                    await sink.close()
            delivering.cancel_scope.cancel()


async def _flush(deliveries: Sequence[Delivery]) -> None:
    with trio.move_on_after(_FLUSH_SECONDS):
        for delivery in deliveries:
            await delivery.flushed()
    for delivery in deliveries:
        delivery.give_up()


def _sinks(settings: AuditSettings) -> Iterator[Sink]:
    if settings.file is not None:
        try:
            yield AuditFile(Path(settings.file))
        except OSError as failure:
            raise ConfigurationError(
                f"audit.file: {settings.file} cannot be written: {failure.strerror}; name a file in a folder"
                " that this user may write"
            ) from failure
    syslog = settings.syslog
    if syslog.host is not None and syslog.transport == "udp":
        yield UDPCollector(syslog.host, syslog.port or _UDP_PORT)
    elif syslog.host is not None:
        yield TLSCollector(syslog.host, syslog.port or _TLS_PORT, _context(syslog))


def _context(settings: AuditSyslogSettings) -> ssl.SSLContext:
    """TLS 1.2 or later, the collector verified (RFC 5425 4.2.1, PS3.15 A.6)."""
    authorities = settings.certificate_authorities
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as failure:
        raise ConfigurationError(
            f"audit.syslog.certificateAuthorities: {authorities} cannot be used: {failure}; it must be a file"
            " of certificates in PEM"
        ) from failure
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate is not None:
        try:
            context.load_cert_chain(settings.certificate, settings.key, password=_no_password)
        except OSError as failure:
            raise ConfigurationError(
                f"audit.syslog.certificate: {settings.certificate} with key"
                f" {settings.key or 'in the same file'} cannot be used: {failure}; both must be PEM files"
                " that this user may read, the key without a password"
            ) from failure
    return context


def _no_password() -> str:
    """OpenSSL would ask on the terminal, and a service has none."""
    return ""
