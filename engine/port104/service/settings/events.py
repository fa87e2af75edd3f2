"""`events`: the message broker that is told of payloads."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from port104.events import address
from port104.service.settings.section import Section
from port104.service.settings.value_types import Name, PipelineID, Text

BrokerURL = Annotated[
    str,
    Meta(extra={"check": address.url_fault, "valid": "amqp://... or amqps://...", "secret": True}),
]


class EventsSettings(Section, frozen=True):
    """The message broker (RabbitMQ) that is told of payloads, in the form of MONAI Deploy."""

    url: BrokerURL | None = None
    """`amqps://user:password@host:5671/vhost`; a password is better given in a file (`_FILE`). Null (the
    default): no broker."""
    exchange: Name = "monaideploy"
    """The exchange that messages go to: durable, of type `topic`, made where it is not there."""
    bucket: Name = "payloads"
    """What messages call the storage folder, which the paths in them stand below; of several engines each
    has another."""
    workflow_requests: bool = True
    """Whether payloads are told of."""
    agent: PipelineID | None = None
    """Name under which results are asked to be exported: requests are taken from the queue
    `md.export.request.<agent>`, which is made where it is not there. Null (the default): none are taken."""
    heartbeat: Annotated[int, Meta(ge=15, le=3600)] = 60
    """Seconds without a word from the broker after which the connection counts as lost."""
    certificate_authorities: Text | None = None
    """For `amqps`: file (PEM) of the authorities that may have signed the broker's certificate. Null (the
    default): those that the operating system trusts."""
    certificate: Text | None = None
    """File (PEM) of port104's own certificate, for brokers that ask for one."""
    key: Text | None = None
    """File (PEM) of its private key, without a password. Null (the default): in the certificate's file."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """A key without a certificate is of no use."""
        if self.key is not None and self.certificate is None:
            yield "key", "there is no certificate that it is for: name that too"
