"""`dicom.scp.tls`: associations over TLS."""

from typing import Annotated, Literal

from msgspec import Meta

from port104.service.settings.section import Section
from port104.service.settings.value_types import Port, Seconds, Text


class TlsSettings(Section, frozen=True):
    """Associations over TLS, by PS3.15 B.12; files are in PEM form."""

    enabled: bool = False
    """Whether port104 listens for TLS on `port`, besides `dicom.scp.port` or, where that is null,
    instead of it."""
    port: Port = 2762
    """TCP port to listen on; 2762 is registered for DICOM over TLS."""
    certificate: Text | None = None
    """Our certificate, and after it those of the authorities between it and the root. Required when
    `enabled`."""
    key: Text | None = None
    """Private key of `certificate`. Null (the default): it is in the same file."""
    password_file: Text | None = None
    """File that holds the password of the key, where that is encrypted."""
    client_certificate_authorities: Text | None = None
    """Certificates of the authorities that sign those of peers, or peers' own certificates. Null (the
    default): no certificate is asked of peers, who then are known by address and AE title only."""
    require_client_certificate: bool | None = None
    """Whether a peer must show a certificate; false: one that is shown is checked. Null (the
    default): true where `clientCertificateAuthorities` is given."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that is spoken."""
    handshake_timeout: Seconds = 10.0
    """Seconds that a handshake may take, until the connection is closed."""
    reload_interval: Annotated[float, Meta(ge=0, le=86400)] = 60.0
    """Seconds between looks whether a file has changed; it is then read again, for new connections.
    SIGHUP has them read at once. 0: only SIGHUP."""
