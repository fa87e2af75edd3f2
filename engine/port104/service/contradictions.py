"""Settings that are right each by itself, and wrong together.

Looked at once all sources are merged: what one leaves out, another may give.
"""

from collections.abc import Iterator

from port104.service.decoding import Fault
from port104.service.settings.api import ApiSettings
from port104.service.settings.object_store import ObjectStoreSettings
from port104.service.settings.scp import ScpSettings
from port104.service.settings.tls import TlsSettings
from port104.service.settings.tree import Settings

_SCP = ("dicom", "scp")
_TLS = (*_SCP, "tls")


def contradictions(settings: Settings) -> Iterator[Fault]:
    """Find them all."""
    yield from _between_ports(settings.dicom.scp)
    yield from _in_tls(settings.dicom.scp.tls)
    yield from _in_sources(settings.dicom.scp)
    yield from _in_api(settings.api, settings.dicom.scp)
    yield from _in_object_store(settings.object_store)


def _between_ports(scp: ScpSettings) -> Iterator[Fault]:
    if scp.port is None and not scp.tls.enabled:
        yield Fault((*_SCP, "port"), "there is nothing to listen on: give a port, or set tls.enabled")
    if scp.tls.enabled and scp.port == scp.tls.port:
        yield Fault((*_TLS, "port"), f"it is the port without TLS too, {scp.tls.port}: one needs another")


def _in_tls(tls: TlsSettings) -> Iterator[Fault]:
    if tls.enabled and tls.certificate is None:
        yield Fault((*_TLS, "certificate"), "it is required where TLS is enabled, and missing")
    if tls.require_client_certificate and tls.client_certificate_authorities is None:
        why = "it needs clientCertificateAuthorities, else no certificate can be checked"
        yield Fault((*_TLS, "requireClientCertificate"), why)


def _in_sources(scp: ScpSettings) -> Iterator[Fault]:
    if scp.tls.enabled and scp.tls.client_certificate_authorities is not None:
        return
    for index, source in enumerate(scp.sources):
        if source.demands_certificate:
            why = "no peer can show a certificate: enable dicom.scp.tls, with clientCertificateAuthorities"
            yield Fault((*_SCP, "sources", index), why)


def _in_api(api: ApiSettings, scp: ScpSettings) -> Iterator[Fault]:
    if api.port is not None and api.port in (scp.port, scp.tls.port if scp.tls.enabled else None):
        yield Fault(("api", "port"), f"it is a port for DICOM too, {api.port}: one needs another")
    for key, value in (("key", api.tls.key), ("passwordFile", api.tls.password_file)):
        if value is not None and api.tls.certificate is None:
            yield Fault(("api", "tls", key), "it needs api.tls.certificate, which is missing")


def _in_object_store(store: ObjectStoreSettings) -> Iterator[Fault]:
    if store.url is None:
        return
    if store.endpoint is not None and store.endpoint.startswith("http://") and not store.allow_http:
        why = "it would have patients' data go unencrypted: use https://, or set objectStore.allowHttp"
        yield Fault(("objectStore", "endpoint"), why)
    for key, given, other, missing in (
        ("accessKeyId", store.access_key_id, "secretAccessKey", store.secret_access_key),
        ("secretAccessKey", store.secret_access_key, "accessKeyId", store.access_key_id),
    ):
        if given is not None and missing is None:
            yield Fault(("objectStore", key), f"it needs objectStore.{other}, which is missing")
