"""`dicom.scu.destinations[]`: the peers that results can be sent to."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from port104.registry.entries import Conversion
from port104.service.settings.section import Section
from port104.service.settings.value_types import AbsolutePath, AETitle, DICOMwebURL, Host, Name, Port


class DestinationSettings(Section, frozen=True):
    """One peer that results can be sent to: by C-STORE, or by STOW-RS where it has a `url`."""

    name: Name
    """What pipelines call it. Required, unique."""
    ae_title: AETitle | None = None
    """The peer's called AE title. Required unless there is a `url`, as are host and port."""
    host_ip: Host | None = None
    """Where it listens."""
    port: Port | None = None
    """Its TCP port."""
    url: DICOMwebURL | None = None
    """Or: where the DICOMweb services of a web server are, what stands before `/studies`. For `https` holds
    what `dicom.scu.tls` says."""
    token_file: AbsolutePath | None = None
    """File with a bearer token for the web server (RFC 6750). It is read at each connection."""
    headers_file: AbsolutePath | None = None
    """File with other headers for it, `NAME: VALUE`, one a line: `Authorization: Basic ...`, an API key."""
    tls: bool = False
    """Whether it is called over TLS, with what `dicom.scu.tls` says."""
    conversion: Conversion = "none"
    """What becomes of an instance whose transfer syntax it refuses: `none`, a failure; `lossless`, it is sent
    in Explicit or Implicit VR Little Endian, if that loses nothing."""
    associations: Annotated[int, Meta(ge=1, le=100)] = 2
    """Associations with it, or connections to its web server, at one time, where there is as much to send."""
    storage_commitment: bool = False
    """Whether a result is delivered only once the destination says that it holds it (PS3.4 annex J)."""
    window: Annotated[int, Meta(ge=1, le=256)] = 1
    """Operations outstanding that are proposed to it (PS3.7 D.3.3.3); 1: asynchrony is not proposed."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """As the base says."""
        peer = {"aeTitle": self.ae_title, "hostIp": self.host_ip, "port": self.port}
        if self.url is None:
            for key in (key for key, value in peer.items() if value is None):
                yield key, "it is required unless there is a url, and missing"
            for key, given in (("tokenFile", self.token_file), ("headersFile", self.headers_file)):
                if given is not None:
                    yield key, "it is for a web server, and there is no url"
            return
        for key in (key for key, value in peer.items() if value is not None):
            yield key, "a destination has either this or a url, and both are given"
        if self.conversion != "none":
            yield "conversion", "it is for associations: a web server does not say what it takes"
        if self.tls:
            yield "tls", "a url says it: https://"
        if self.storage_commitment:
            yield (
                "storageCommitment",
                "a web server is not asked for it (PS3.4 annex J): leave it out with a url",
            )
