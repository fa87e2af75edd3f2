"""`dicom.scp.aeTitles[]`: the names under which port104 can be called."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, field

from port104.registry.entries import EXPECTED_FROM
from port104.service import processing
from port104.service.settings.section import Section
from port104.service.settings.unused import ONE_PROCESSOR
from port104.service.settings.value_types import UID, AETitle, NameOrNone


class LocalAESettings(Section, frozen=True):
    """One AE title under which port104 can be called."""

    ae_title: AETitle
    """The AE title. Required."""
    name: NameOrNone = ""
    """What people call it, unique. Empty (the default): the AE title itself."""
    overwrite_same_instance: bool = False
    """Whether an instance that is sent again replaces the one stored before."""
    ignored_sop_classes: tuple[UID, ...] = ()
    """SOP classes that are acknowledged with success and not stored."""
    allowed_sop_classes: tuple[UID, ...] = ()
    """SOP classes that are stored; empty: all. Others are refused at negotiation."""
    accepted_transfer_syntaxes: tuple[UID, ...] = ()
    """Transfer syntaxes that are taken for instances, which are stored as they come; empty: all. Contexts
    with others are refused at negotiation."""
    maximum_object_size: Annotated[int, Meta(ge=0)] | None = None
    """Bytes of the longest data set that is kept under it, 0: any. Null (the default): as
    `dicom.scp.maximumObjectSize` says."""
    processor: Annotated[str, Meta(extra={"unused": ONE_PROCESSOR})] = ""
    """Clara's job processor class."""
    processor_settings: Annotated[dict[str, str | int], Meta(extra={"named": processing.read_setting})] = (
        field(default_factory=dict)
    )
    """Clara's job settings: `groupBy` (a tag, `0020,000D`, or its keyword) says which instances are together,
    `timeout` after how long without another one they are whole (whole seconds, 1 at least; 5 where it is not
    given), `maximumAge` when at the latest (3600 s). What comes later is a job of its own or, with
    `lateInstances` all, of everything there is. `expectedFrom` names a destination that is asked by C-FIND
    how many instances a study or a series has; once as many are there it is whole. `jobRetryDelay`
    (milliseconds), `priority` (lower, normal, higher, immediate), `destinations` (of results whose pipeline
    names none; names with commas) and, for each pipeline, `pipeline-<name>` with its ID or its name are for
    jobs."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """What can be asked of an archive is how many instances a study has, or a series."""
        rule = processing.rule_of(self.processor_settings)
        if EXPECTED_FROM in self.processor_settings and rule.announced_in is None:
            why = f"{EXPECTED_FROM} is of no use with this groupBy: it takes 0020,000D or 0020,000E"
            yield "processorSettings", why

    @property
    def shown_name(self) -> str:
        """The name, or the AE title where none is given."""
        return self.name or self.ae_title
