"""`dicom.scu`: how port104 calls others."""

from typing import Annotated

from msgspec import Meta, field

from port104.service import values
from port104.service.settings.destinations import DestinationSettings
from port104.service.settings.section import Section
from port104.service.settings.unused import NO_EXPORT
from port104.service.settings.value_types import AETitle


class ExportSettings(Section, frozen=True):
    """Clara's export of results."""

    maximum_retries: Annotated[int, Meta(ge=0, extra={"unused": NO_EXPORT})] = 3
    """Attempts after the first."""
    failure_threshold: Annotated[float, Meta(ge=0, le=1, extra={"unused": NO_EXPORT})] = 0.5
    """Share of instances that may fail before the task counts as failed."""
    poll_frequency_ms: Annotated[int, Meta(ge=1, extra={"unused": NO_EXPORT})] = 500
    """Milliseconds between polls."""
    agent: Annotated[str, Meta(extra={"unused": NO_EXPORT})] = "DICOMweb"
    """Name of the export agent."""


class ScuSettings(Section, frozen=True):
    """What port104 sends as a calling AE."""

    ae_title: Annotated[AETitle, Meta(extra={"unused": NO_EXPORT})] = "ClaraSCU"
    """Calling AE title."""
    maximum_number_of_associations: Annotated[
        int, Meta(ge=1, le=100, extra={"aliases": ("max-associations",), "unused": NO_EXPORT})
    ] = 8
    """Associations at one time."""
    log_dimse_datasets: Annotated[bool, Meta(extra={"unused": NO_EXPORT})] = False
    """Whether the elements of data sets sent are logged."""
    log_data_pdus: Annotated[bool, Meta(extra={"unused": NO_EXPORT})] = field(
        default=False, name="logDataPDUs"
    )
    """Whether each PDU received or sent is logged."""
    destinations: Annotated[
        tuple[DestinationSettings, ...],
        Meta(extra={"check": values.unique("name", of="name"), "unused": NO_EXPORT}),
    ] = ()
    """The peers that results can be sent to, besides those that were created."""
    export: ExportSettings = ExportSettings()
