"""Settings of an engine that follows custom resources."""

from port104.service.settings.local_aes import LocalAESettings
from port104.service.settings.scp import ScpSettings
from port104.service.settings.storage import StorageSettings
from port104.service.settings.tree import DicomSettings, Settings


def settings_for(folder, *titles):
    local_aes = tuple(LocalAESettings(ae_title=title) for title in titles)
    return Settings(
        dicom=DicomSettings(scp=ScpSettings(ae_titles=local_aes, reject_unknown_sources=False)),
        storage=StorageSettings(temporary=str(folder)),
    )
