"""`services`: what Clara worked with."""

from typing import Annotated

from msgspec import Meta

from port104.service.settings.section import Section
from port104.service.settings.unused import NO_PLATFORM


class PlatformSettings(Section, frozen=True):
    """The Clara platform."""

    endpoint: Annotated[str, Meta(extra={"unused": NO_PLATFORM})] = ""
    """Its address."""
    parallel_uploads: Annotated[int, Meta(ge=1, extra={"unused": NO_PLATFORM})] = 4
    """Uploads at one time."""
    max_retries: Annotated[int, Meta(ge=0, extra={"unused": NO_PLATFORM})] = 3
    """Attempts after the first."""
    retry_delay_seconds: Annotated[int, Meta(ge=0, extra={"unused": NO_PLATFORM})] = 180
    """Seconds between attempts."""
    upload_metadata: Annotated[bool, Meta(extra={"unused": NO_PLATFORM})] = False
    """Whether metadata is uploaded."""
    metadata_dicom_source: Annotated[tuple[str, ...], Meta(extra={"unused": NO_PLATFORM})] = ()
    """The tags in it."""


class ServicesSettings(Section, frozen=True):
    """What Clara worked with."""

    platform: PlatformSettings = PlatformSettings()
    platform_endpoint: Annotated[str, Meta(extra={"unused": NO_PLATFORM})] = ""
    """Address of the platform, as Clara 0.7 spelt it."""
    results_service_endpoint: Annotated[str, Meta(extra={"unused": NO_PLATFORM})] = ""
    """Address of the results service."""
