"""`audit`: audit messages, and where they go."""

from typing import Literal

from port104.service.settings.section import Section
from port104.service.settings.value_types import Host, Port, Text


class AuditSyslogSettings(Section, frozen=True):
    """The syslog collector of audit messages (PS3.15 A.6, A.7)."""

    host: Host | None = None
    """Where it listens. Null (the default): no collector."""
    port: Port | None = None
    """Its port. Null (the default): 6514 for `tls`, 514 for `udp`."""
    transport: Literal["tls", "udp"] = "tls"
    """`tls` (RFC 5425), or `udp` (RFC 5426): unencrypted, and what is lost on the way goes unnoticed."""
    certificate_authorities: Text | None = None
    """File (PEM) of the authorities that may have signed the collector's certificate. Null (the default):
    those that the operating system trusts."""
    certificate: Text | None = None
    """File (PEM) of port104's own certificate, for collectors that ask for one."""
    key: Text | None = None
    """File (PEM) of its private key, without a password. Null (the default): in the certificate's file."""


class AuditSettings(Section, frozen=True):
    """Audit messages (PS3.15 A.5). Nothing is recorded unless a file or a collector is named."""

    file: Text | None = None
    """File for audit messages, one syslog message a line; begun anew each day (UTC), never deleted."""
    source_id: str = ""
    """What the messages call this system (AuditSourceID). Empty (the default): the host's name."""
    site_id: str = ""
    """What they call its site (AuditEnterpriseSiteID). Empty (the default): left out."""
    syslog: AuditSyslogSettings = AuditSyslogSettings()
