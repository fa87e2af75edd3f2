"""`api`: the REST API and its HTTPS."""

from typing import Annotated, Literal

from msgspec import Meta

from port104.service.settings.section import Section
from port104.service.settings.value_types import Host, Port, Text


class ApiTlsSettings(Section, frozen=True):
    """HTTPS; files are in PEM form. Without a certificate the API speaks plain HTTP."""

    certificate: Text | None = None
    """Our certificate, and after it those of the authorities between it and the root. Null (the default):
    no TLS."""
    key: Text | None = None
    """Private key of `certificate`. Null (the default): it is in the same file."""
    password_file: Text | None = None
    """File that holds the password of the key, where that is encrypted."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that is spoken."""
    reload_interval: Annotated[float, Meta(ge=0, le=86400)] = 60.0
    """Seconds between looks whether a file has changed; it is then read again, for new connections.
    SIGHUP has them read at once. 0: only SIGHUP."""


class ApiSettings(Section, frozen=True):
    """The REST API, by which entries (AE titles, ..., pipelines) are changed while port104 runs."""

    host: Host | None = "127.0.0.1"
    """Address to listen on; the default is for programs of the same machine. Null: every IPv4 and IPv6
    address of the machine."""
    port: Port | None = 5000
    """TCP port to listen on. Null: none; the command line on the same machine works all the same."""
    tls: ApiTlsSettings = ApiTlsSettings()
    allow_without_token: bool = False
    """Whether everyone who can reach the port may change everything, as in Clara, while no token has been
    made. Otherwise only programs of the same machine may, and a start is refused that listens beyond it with
    neither token nor TLS."""
    documentation: bool = True
    """Whether the description of the API is served, at `/api/docs` and `/api/openapi.json`, to whoever
    asks."""
