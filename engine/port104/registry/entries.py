"""The entries of the registry."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec


class Certificate(Protocol):
    """What a peer showed over TLS; net.PeerCertificate is one."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Whose it is, in lower case."""
        ...


class LocalAE(msgspec.Struct, frozen=True, kw_only=True):
    """An AE title under which port104 can be called, and how it keeps what comes in under it."""

    ae_title: str
    name: str
    """What people call it."""
    overwrite_same_instance: bool = False
    """An instance that is sent again replaces the one stored before."""
    ignored_sop_classes: frozenset[str] = frozenset()
    """Acknowledged with success and not stored."""
    allowed_sop_classes: frozenset[str] = frozenset()
    """Stored; empty: all."""
    maximum_object_size: int | None = None
    """Bytes of the longest data set that is kept, 0 = any; None: what holds for every AE title."""
    processor: str = ""
    processor_settings: Mapping[str, Any] = {}


class Source(msgspec.Struct, frozen=True):
    """A peer that may call, and the host that it calls from: address, CIDR network or host name.

    `ignored_sop_classes` and `allowed_sop_classes` are like those of a LocalAE, for what this peer sends.
    Where it has `certificate_fingerprints` (SHA-256 in hexadecimal) or `certificate_names` (in lower case),
    it must show a certificate over TLS that has one of them.
    """

    ae_title: str
    host: str
    ignored_sop_classes: frozenset[str] = frozenset()
    allowed_sop_classes: frozenset[str] = frozenset()
    certificate_fingerprints: frozenset[str] = frozenset()
    certificate_names: frozenset[str] = frozenset()

    @property
    def demands_certificate(self) -> bool:
        """Whether address and AE title do not do."""
        return bool(self.certificate_fingerprints or self.certificate_names)

    def fits(self, certificate: Certificate | None) -> bool:
        """Whether this peer may be who showed `certificate`; None: nobody showed one."""
        if not self.demands_certificate:
            return True
        return certificate is not None and bool(
            certificate.fingerprint in self.certificate_fingerprints
            or certificate.names & self.certificate_names
        )


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A peer that results can be sent to; `name` is what pipelines call it."""

    name: str
    ae_title: str
    host: str
    port: int
