"""The tree in which the sections stand."""

from typing import Annotated

from msgspec import Meta

from port104.service import values
from port104.service.settings.api import ApiSettings
from port104.service.settings.audit import AuditSettings
from port104.service.settings.events import EventsSettings
from port104.service.settings.jobs import JobsSettings
from port104.service.settings.log import LogSettings
from port104.service.settings.object_store import ObjectStoreSettings
from port104.service.settings.pipelines import PipelineSettings
from port104.service.settings.registry import RegistrySettings
from port104.service.settings.scp import ScpSettings
from port104.service.settings.scu import ScuSettings
from port104.service.settings.section import Section
from port104.service.settings.services import ServicesSettings
from port104.service.settings.storage import StorageSettings


class DicomSettings(Section, frozen=True):
    """DICOM, in both directions."""

    scp: ScpSettings = ScpSettings()
    scu: ScuSettings = ScuSettings()


class Settings(Section, frozen=True):
    """The section `DicomAdapter`, which may also be the whole file."""

    dicom: DicomSettings = DicomSettings()
    storage: StorageSettings = StorageSettings()
    registry: RegistrySettings = RegistrySettings()
    jobs: JobsSettings = JobsSettings()
    events: EventsSettings = EventsSettings()
    object_store: ObjectStoreSettings = ObjectStoreSettings()
    log: LogSettings = LogSettings()
    audit: AuditSettings = AuditSettings()
    api: ApiSettings = ApiSettings()
    pipelines: Annotated[
        tuple[PipelineSettings, ...],
        Meta(
            extra={
                "check": values.every(values.unique("name", of="name"), values.unique("fixed_id", of="id")),
            }
        ),
    ] = ()
    """What is done with jobs, besides the pipelines that were created."""
    read_ae_titles_from_crd: bool = False
    """Whether custom resources of the pod's namespace hold too: AE titles, sources, destinations, pipelines.
    Outside of Kubernetes there are none."""
    crd_read_intervals: Annotated[
        int, Meta(ge=1, extra={"unused": "custom resources are watched, not polled"})
    ] = 10_000
    """Milliseconds between Clara's reads of custom resources."""
    services: ServicesSettings = ServicesSettings()
