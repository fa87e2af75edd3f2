"""`dicom.scu`: how port104 calls others."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, field

from port104.service import values
from port104.service.settings.destinations import DestinationSettings
from port104.service.settings.section import Section
from port104.service.settings.unused import NO_AGENT, NO_POLLING, NO_TRACE
from port104.service.settings.value_types import AETitle, Text


class ExportSettings(Section, frozen=True):
    """How results are delivered."""

    maximum_retries: Annotated[int, Meta(ge=0, le=1000)] = 3
    """Attempts for a result after the first that failed; then it is a dead letter, which
    `port104 exports retry` sends again. What its destination lacks, a connection or room, costs none."""
    retry_delay: Annotated[float, Meta(ge=0, le=86_400)] = 10.0
    """Seconds before the second attempt; each time twice as long, an hour at most."""
    give_up_after_hours: Annotated[float, Meta(gt=0, le=876_000)] = 168.0
    """So long a result waits for a destination that cannot be reached or has no room; then it is a dead
    letter."""
    commitment_timeout: Annotated[float, Meta(ge=1, le=604_800)] = 3600.0
    """Seconds that a destination with `storageCommitment` has to say what it holds; then it is asked again,
    which costs an attempt."""
    failure_threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Share of an export's results that may fail before it is called `failed`, and not `partial`. It is
    `delivered` only where none did."""
    poll_frequency_ms: Annotated[int, Meta(ge=1, extra={"unused": NO_POLLING})] = 500
    """Milliseconds between polls."""
    agent: Annotated[str, Meta(extra={"unused": NO_AGENT})] = "DICOMweb"
    """Name of the export agent."""


class CallingTlsSettings(Section, frozen=True):
    """Destinations that are called over TLS, by PS3.15 B.12; files are in PEM form, and read at each call."""

    certificate_authorities: Text | None = None
    """The authorities that may have signed their certificates. Null (the default): those that the operating
    system trusts."""
    certificate: Text | None = None
    """Our certificate, for destinations that ask for one, and after it those of the authorities between it
    and the root."""
    key: Text | None = None
    """Private key of `certificate`. Null (the default): it is in the same file."""
    password_file: Text | None = None
    """File that holds the password of the key, where that is encrypted."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """A key without a certificate is of no use."""
        if self.certificate is None:
            for key, given in (("key", self.key), ("passwordFile", self.password_file)):
                if given is not None:
                    yield key, "there is no certificate that it is for: name that too"


class ScuSettings(Section, frozen=True):
    """What port104 sends as a calling AE."""

    ae_title: AETitle = "ClaraSCU"
    """Calling AE title."""
    maximum_number_of_associations: Annotated[
        int, Meta(ge=1, le=100, extra={"aliases": ("max-associations",)})
    ] = 8
    """Associations at one time, to all destinations."""
    log_dimse_datasets: Annotated[bool, Meta(extra={"unused": NO_TRACE})] = False
    """Whether the elements of data sets sent are logged."""
    log_data_pdus: Annotated[bool, Meta(extra={"unused": NO_TRACE})] = field(
        default=False, name="logDataPDUs"
    )
    """Whether each PDU received or sent is logged."""
    destinations: Annotated[
        tuple[DestinationSettings, ...],
        Meta(extra={"check": values.unique("name", of="name")}),
    ] = ()
    """The peers that results can be sent to, besides those that were created."""
    export: ExportSettings = ExportSettings()
    tls: CallingTlsSettings = CallingTlsSettings()
