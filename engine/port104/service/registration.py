"""From settings to the registry, which knows nothing of configuration."""

from port104.registry.entries import Destination, LocalAE, Source
from port104.registry.registry import Registry
from port104.service.settings import Settings


def registry_from(settings: Settings) -> Registry:
    """Build the registry that the settings describe."""
    scp, scu = settings.dicom.scp, settings.dicom.scu
    return Registry(
        local_aes=[
            LocalAE(
                ae_title=entry.ae_title,
                name=entry.shown_name,
                overwrite_same_instance=entry.overwrite_same_instance,
                ignored_sop_classes=frozenset(entry.ignored_sop_classes),
                allowed_sop_classes=frozenset(entry.allowed_sop_classes),
                maximum_object_size=entry.maximum_object_size,
                processor=entry.processor,
                processor_settings=entry.processor_settings,
            )
            for entry in scp.ae_titles
        ],
        sources=[
            Source(
                entry.ae_title,
                entry.host_ip,
                ignored_sop_classes=frozenset(entry.ignored_sop_classes),
                allowed_sop_classes=frozenset(entry.allowed_sop_classes),
                certificate_fingerprints=frozenset(map(_digits, entry.certificate_fingerprints)),
                certificate_names=frozenset(name.lower() for name in entry.certificate_names),
            )
            for entry in scp.sources
        ],
        destinations=[
            Destination(name=entry.name, ae_title=entry.ae_title, host=entry.host_ip, port=entry.port)
            for entry in scu.destinations
        ],
        reject_unknown_sources=scp.reject_unknown_sources,
    )


def _digits(fingerprint: str) -> str:
    return fingerprint.replace(":", "").lower()
