"""`storage`: the folder of instances."""

from typing import Annotated, Literal

from msgspec import Meta, field

from port104.service.settings.section import Section
from port104.service.settings.value_types import Text


class StorageSettings(Section, frozen=True):
    """Where and how instances are kept."""

    temporary: Text = "/payloads"
    """Storage folder, made when missing. A relative path starts at the working directory."""
    durability: Literal["sync", "os"] = "sync"
    """When success is said: `sync`: once the instance would survive a power cut; `os`: once the
    operating system has it (it survives a crash of port104, not of the machine)."""
    journal_megabytes: Annotated[int, Meta(ge=0, le=4096)] = 32
    """Megabytes (2^20 bytes) of the journal that instances of up to 32 KiB are made durable in, many with one
    write, before their own files are (within a second or two); 0: none. With `sync` alone, and not on a file
    system in memory."""
    io_threads: Annotated[int, Meta(ge=0, le=64)] = 0
    """Native threads that receive and write; 0: as many as there are processors, 2 at least."""
    watermark_percent: Annotated[int, Meta(ge=1, le=100)] = 85
    """Per cent of the volume that may be in use, as `df` counts it. Beyond it, or with less than
    `reserveSpaceGB` free, new associations for storage are rejected as a transient congestion, so that
    senders try again; running ones go on, and C-ECHO is answered."""
    reserve_space_gb: Annotated[float, Meta(ge=0, le=1_000_000)] = field(default=5, name="reserveSpaceGB")
    """Gigabytes (10^9 bytes) that stay free: with no more than that, instances are refused with A700 (out of
    resources). 0: only when the volume is full."""
