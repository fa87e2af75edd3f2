"""`dicom.scu.destinations[]`: the peers that results can be sent to."""

from typing import Annotated

from msgspec import Meta

from port104.service.settings.section import Section
from port104.service.settings.unused import NO_EXPORT
from port104.service.settings.value_types import AETitle, Host, Name, Port


class DestinationSettings(Section, frozen=True):
    """One peer that results can be sent to."""

    name: Name
    """What pipelines call it. Required, unique."""
    ae_title: AETitle
    """The peer's called AE title. Required."""
    host_ip: Host
    """Where it listens. Required."""
    port: Port
    """Its TCP port. Required."""
    tls: Annotated[bool, Meta(extra={"unused": NO_EXPORT})] = False
    """Whether it is called over TLS."""
    window: Annotated[int, Meta(ge=1, le=256, extra={"unused": NO_EXPORT})] = 1
    """Operations outstanding that are proposed to it (PS3.7 D.3.3.3); 1: asynchrony is not proposed."""
