"""Settings -> registry."""

from port104.registry.entries import Destination, LocalAE, Source
from port104.service.registration import registry_from
from port104.service.settings import (
    DestinationSettings,
    DicomSettings,
    LocalAESettings,
    ScpSettings,
    ScuSettings,
    Settings,
    SourceSettings,
)


def test_every_entry_arrives_whole():
    scp = ScpSettings(
        reject_unknown_sources=False,
        ae_titles=(
            LocalAESettings(
                ae_title="A",
                name="first",
                overwrite_same_instance=True,
                ignored_sop_classes=("1.2", "1.3"),
                allowed_sop_classes=("1.4",),
                maximum_object_size=1000,
                processor="P",
                processor_settings={"timeout": 5},
            ),
            LocalAESettings(ae_title="B"),
        ),
        sources=(
            SourceSettings(ae_title="CT1", host_ip="ct1.local"),
            SourceSettings(
                ae_title="US1",
                host_ip="10.0.0.0/8",
                ignored_sop_classes=("1.5",),
                allowed_sop_classes=("1.5", "1.6"),
            ),
        ),
    )
    scu = ScuSettings(
        destinations=(DestinationSettings(name="D", ae_title="PACS", host_ip="::1", port=1104),)
    )
    registry = registry_from(Settings(dicom=DicomSettings(scp=scp, scu=scu)))
    assert registry.local_aes == {
        "A": LocalAE(
            ae_title="A",
            name="first",
            overwrite_same_instance=True,
            ignored_sop_classes=frozenset({"1.2", "1.3"}),
            allowed_sop_classes=frozenset({"1.4"}),
            maximum_object_size=1000,
            processor="P",
            processor_settings={"timeout": 5},
        ),
        "B": LocalAE(ae_title="B", name="B"),
    }
    assert registry.sources == (
        Source("CT1", "ct1.local"),
        Source("US1", "10.0.0.0/8", frozenset({"1.5"}), frozenset({"1.5", "1.6"})),
    )
    assert registry.host_names == ("ct1.local",)
    assert registry.destinations == {"D": Destination(name="D", ae_title="PACS", host="::1", port=1104)}
    assert registry.reject_unknown_sources is False
