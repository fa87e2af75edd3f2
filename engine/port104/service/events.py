"""The message broker, as the settings have it; its driver need not be installed."""

import random
import ssl
from functools import partial
from pathlib import Path

import msgspec

from port104.dispatch.desk import Desk
from port104.errors import ConfigurationError
from port104.events.address import read
from port104.events.announcing import Announcer
from port104.events.publishing import Publisher
from port104.net.credentials import TLSFiles
from port104.net.https import build_https_context
from port104.service.settings.events import EventsSettings


class Events(msgspec.Struct, frozen=True):
    """What tells the broker."""

    announcer: Announcer
    publisher: Publisher


def events_of(settings: EventsSettings, desk: Desk) -> Events | None:
    """Put it together; None: there is no broker. Raises ConfigurationError where pika is not installed."""
    if settings.url is None:
        return None
    try:
        from port104.events.amqp import Broker  # noqa: PLC0415 - only who needs it pays for it
    except ImportError as missing:
        raise ConfigurationError(
            f"events.url needs pika, which cannot be loaded ({missing}): pip install 'port104[events]', or"
            " leave events.url out"
        ) from missing
    broker = Broker(
        address=read(settings.url),
        exchange=settings.exchange,
        heartbeat=settings.heartbeat,
        tls=partial(_tls_of, settings),
    )
    publisher = Publisher(desk, broker.to_publish, random.random)
    return Events(Announcer(settings.bucket, publisher.look), publisher)


def _tls_of(settings: EventsSettings) -> ssl.SSLContext:
    """Read the files, which may have been renewed. Raises ConfigurationError."""
    own = None
    if settings.certificate is not None:
        own = TLSFiles(certificate=Path(settings.certificate), key=_path(settings.key))
    return build_https_context(authorities=_path(settings.certificate_authorities), own=own)


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)
