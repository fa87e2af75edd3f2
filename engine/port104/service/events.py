"""The message broker, as the settings have it; its driver need not be installed."""

import random
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import trio

from port104.errors import ConfigurationError
from port104.events.address import read
from port104.events.announcing import Announcer
from port104.events.consuming import Consumer
from port104.events.forms import EXPORT_REQUEST
from port104.events.fulfilling import Fulfiller
from port104.events.publishing import Publisher
from port104.export.policy import ExportPolicy
from port104.net.credentials import TLSFiles
from port104.net.https import build_https_context
from port104.service.settings.events import EventsSettings
from port104.service.site import Site


class Events(msgspec.Struct, frozen=True):
    """What speaks with the broker. `announcer`: None: payloads are not told of.

    `consumer`, `fulfiller`: None: nobody may ask for exports.
    """

    publisher: Publisher
    announcer: Announcer | None
    consumer: Consumer | None
    fulfiller: Fulfiller | None

    async def run(self) -> None:
        """Speak with it until cancelled."""
        async with trio.open_nursery() as nursery:
            for each in (self.publisher, self.consumer, self.fulfiller):
                if each is not None:
                    nursery.start_soon(each.run)

    @property
    def fault(self) -> str | None:
        """Why the broker cannot be used; None: it can."""
        return self.publisher.fault or (None if self.consumer is None else self.consumer.fault)


def events_of(
    settings: EventsSettings, site: Site, policy: ExportPolicy, registered: Callable[[], None]
) -> Events | None:
    """Put it together; None: there is no broker. Raises ConfigurationError where pika is not installed.

    `policy`: how results are delivered; `registered`: as fulfilling.Fulfiller has it.
    """
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
    publisher = Publisher(site.desk, broker.to_publish, random.random)
    announcer = Announcer(settings.bucket, publisher.look) if settings.workflow_requests else None
    if settings.agent is None:
        return Events(publisher, announcer, None, None)
    fulfiller = Fulfiller(
        site.desk,
        site.root,
        site.destinations,
        policy.failure_threshold,
        policy.patience,
        registered=registered,
        answered=publisher.look,
    )
    queue = f"{EXPORT_REQUEST}.{settings.agent}"
    consumer = Consumer(site.desk, partial(broker.to_consume, queue), random.random, queue, fulfiller.look)
    return Events(publisher, announcer, consumer, fulfiller)


def _tls_of(settings: EventsSettings) -> ssl.SSLContext:
    """Read the files, which may have been renewed. Raises ConfigurationError."""
    own = None
    if settings.certificate is not None:
        own = TLSFiles(certificate=Path(settings.certificate), key=_path(settings.key))
    return build_https_context(authorities=_path(settings.certificate_authorities), own=own)


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)
