"""`dicom.scu.destinations[]`: the peers that results can be sent to."""

from typing import Annotated

from msgspec import Meta

from port104.service.settings.section import Section
from port104.service.settings.unused import ONE_BY_ONE
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
    tls: bool = False
    """Whether it is called over TLS, with what `dicom.scu.tls` says."""
    associations: Annotated[int, Meta(ge=1, le=100)] = 2
    """Associations with it at one time, where there is as much to send."""
    window: Annotated[int, Meta(ge=1, le=256, extra={"unused": ONE_BY_ONE})] = 1
    """Operations outstanding that are proposed to it (PS3.7 D.3.3.3); 1: asynchrony is not proposed."""
